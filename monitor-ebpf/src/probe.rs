//! What can a packet's first bytes be? Decided on eight of them, without a loop.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How version 2 of the PROXY protocol begins (haproxy's proxy-protocol.txt, section 2.2): made to be no text.
const PROXY_SIGNATURE: u64 = u64::from_ne_bytes(*b"\r\n\r\n\0\r\nQ");

/// Whether a packet's first payload bytes, `word` in memory order, look like the beginning of an HTTP/1 request.
///
/// True for printable ASCII and the line ends that may precede a request line (RFC 9112, section 2.2), and for the
/// binary PROXY header, which the request stands behind. A client may send requests that look otherwise and are served
/// all the same, so this is asked only of packets of which nothing else is known.
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

/// Whether the payload begins as a record of TLS does: any content type, version 3.x (RFC 8446, section 5.1).
#[inline(always)]
pub fn is_tls(word: u64) -> bool {
    let [kind, major, minor, ..] = word.to_ne_bytes();
    matches!(kind, 0x14..=0x17) && major == 3 && minor <= 4
}

/// The methods by which a request is told amid bytes of another protocol.
const METHODS: [&[u8]; 7] = [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ", b"OPTIONS "];

/// Whether the payload surely begins as a request does, with one of the usual methods. For connections that carry
/// something else, where a guess would cost: what is missed here, the server's answer tells.
#[inline(always)]
pub fn begins_request(word: u64) -> bool {
    METHODS.iter().any(|method| {
        let (mut bytes, mut mask) = ([0; 8], [0; 8]);
        let mut at = 0;
        while at < method.len() {
            (bytes[at], mask[at]) = (method[at], 255);
            at += 1;
        }
        word & u64::from_ne_bytes(mask) == u64::from_ne_bytes(bytes)
    })
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
    fn a_request_amid_other_bytes_is_told_by_its_method() {
        for bytes in [b"GET /abc", b"HEAD /ab", b"DELETE /", b"OPTIONS "] {
            assert!(begins_request(word(bytes)), "{bytes:?}");
        }
        for bytes in
            [b"GETS /ab", b"get /abc", b"OPTIONSX", b"\x17\x03\x03\x01\x02\x03\x04\x05", b"*1\r\n$4\r\n"]
        {
            assert!(!begins_request(word(bytes)), "{bytes:?}");
        }
    }

    #[test]
    fn tls_is_told_by_its_record() {
        assert!(is_tls(word(b"\x16\x03\x01\x02\x00\x01\x00\x01")));
        assert!(is_tls(word(b"\x17\x03\x03\x00\x20abc")));
        assert!(!is_tls(word(b"\x16\x04\x01\x02\x00\x01\x00\x01")));
        assert!(!is_tls(word(b"GET /abc")));
    }

    #[test]
    fn a_response_is_told_by_its_version() {
        assert!(is_response(word(b"HTTP/1.1")));
        assert!(is_response(word(b"HTTP/1.0")));
        assert!(!is_response(word(b"GET / HT")));
    }
}
