//! Can a connection's first bytes be HTTP/1? Decided on eight bytes, without a loop.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How version 2 of the PROXY protocol begins (haproxy's proxy-protocol.txt, section 2.2): made to be no text.
const PROXY_SIGNATURE: u64 = u64::from_ne_bytes(*b"\r\n\r\n\0\r\nQ");

/// Whether the first payload bytes of a connection, `word` in memory order, can begin an HTTP/1 request.
///
/// True for printable ASCII and the line ends that may precede a request line (RFC 9112, section 2.2), and for the
/// binary PROXY header, which the request stands behind. The rest (a TLS record, any binary protocol) is settled
/// here; text protocols are left to the daemon.
#[inline(always)]
pub fn may_be_request(word: u64) -> bool {
    if word == PROXY_SIGNATURE {
        return true;
    }
    // A byte below 0x20 borrows into its high bit in `word - 0x20…`; CR and LF are allowed by turning them
    // into spaces first: (x ^ 0x0d) and (x ^ 0x0a) are zero for them.
    let word = blank(blank(word, 0x0d), 0x0a);
    let below = word.wrapping_sub(LOW * 0x20) & !word & HIGH;
    (word & HIGH) | below == 0
}

/// Whether the payload begins as a response does: `HTTP/`.
#[inline(always)]
pub fn is_response(word: u64) -> bool {
    (word ^ u64::from_ne_bytes(*b"HTTP/1.1")) & u64::from_ne_bytes([255, 255, 255, 255, 255, 0, 0, 0]) == 0
}

/// Replaces each byte equal to `byte` by a space. Exact: no borrow runs between bytes.
#[inline(always)]
fn blank(word: u64, byte: u64) -> u64 {
    let x = word ^ (LOW * byte);
    let zero = !(((x & !HIGH).wrapping_add(!HIGH)) | x | !HIGH);
    let mask = (zero >> 7).wrapping_mul(0xff);
    (word & !mask) | (mask & (LOW * 0x20))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8; 8]) -> u64 {
        u64::from_ne_bytes(*bytes)
    }

    #[test]
    fn text_may_be_a_request() {
        for bytes in [b"GET / HT", b"get /a/b", b"\r\n\r\nGET ", b"FOO  HTT", b"PRI * HT", b"~~~~~~~~"] {
            assert!(may_be_request(word(bytes)), "{bytes:?}");
        }
    }

    #[test]
    fn each_binary_byte_at_each_place_settles_it() {
        for place in 0..8 {
            for byte in 0..=255u8 {
                let mut bytes = *b"GET /abc";
                bytes[place] = byte;
                let text = matches!(byte, b'\r' | b'\n' | 0x20..=0x7f);
                assert_eq!(may_be_request(word(&bytes)), text, "{byte:#x} at {place}");
            }
        }
    }

    #[test]
    fn of_what_is_no_text_only_the_signature_of_the_proxy_protocol_passes() {
        let signature = *b"\r\n\r\n\0\r\nQ";
        assert!(may_be_request(word(&signature)));
        for place in 0..8 {
            for byte in (0..=255).filter(|&byte| byte != signature[place]) {
                let mut bytes = signature;
                bytes[place] = byte;
                let text = place == 4 && matches!(byte, b'\r' | b'\n' | 0x20..=0x7f);
                assert_eq!(may_be_request(word(&bytes)), text, "{byte:#x} at {place}");
            }
        }
    }

    #[test]
    fn a_response_is_told_by_its_version() {
        assert!(is_response(word(b"HTTP/1.1")));
        assert!(is_response(word(b"HTTP/1.0")));
        assert!(!is_response(word(b"GET / HT")));
    }
}
