//! Whether TCP will accept a captured packet, as far as its checksum tells (RFC 9293, section 3.1).

use rollcall_stream::Checksum;

/// Checks the TCP checksum of `segment` (header and payload), whose addresses are given as on the wire, four
/// or sixteen bytes each.
///
/// Packets that never crossed a wire, and those merged on receipt, carry only the beginning of one: the sum
/// over the pseudo-header, for hardware to complete. That is `Unknown`, not `Invalid`.
pub(super) fn verify(source: &[u8], destination: &[u8], segment: &[u8]) -> Checksum {
    let Some(field) = segment.get(16..18).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes)
    else {
        return Checksum::Unknown;
    };
    let length = segment.len() as u64;
    let pseudo = sum(source) + sum(destination) + 6 + (length >> 16) + (length & 0xffff);
    if field == fold(pseudo) {
        return Checksum::Unknown;
    }
    if fold(pseudo + sum(segment)) == 0xffff { Checksum::Valid } else { Checksum::Invalid }
}

/// The sum of big-endian 16-bit words, not yet folded; the last odd byte is a word's high half.
fn sum(bytes: &[u8]) -> u64 {
    let (words, odd) = bytes.as_chunks::<2>();
    let words: u64 = words.iter().map(|&word| u64::from(u16::from_be_bytes(word))).sum();
    words + odd.first().map_or(0, |&byte| u64::from(byte) << 8)
}

/// One's complement addition of the carries (RFC 1071).
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: [u8; 4] = [10, 99, 0, 2];
    const DESTINATION: [u8; 4] = [10, 99, 0, 1];

    fn segment(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 20];
        bytes[..2].copy_from_slice(&40_000u16.to_be_bytes());
        bytes[12] = 5 << 4;
        bytes.extend_from_slice(payload);
        bytes
    }

    fn pseudo(bytes: &[u8]) -> u64 {
        sum(&SOURCE) + sum(&DESTINATION) + 6 + bytes.len() as u64
    }

    #[test]
    fn a_complete_checksum_proves_the_bytes() {
        for payload in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"odd"] {
            let mut bytes = segment(payload);
            let check = !fold(pseudo(&bytes) + sum(&bytes));
            bytes[16..18].copy_from_slice(&check.to_be_bytes());
            assert_eq!(verify(&SOURCE, &DESTINATION, &bytes), Checksum::Valid);
            bytes[21] ^= 1;
            assert_eq!(verify(&SOURCE, &DESTINATION, &bytes), Checksum::Invalid);
        }
    }

    #[test]
    fn an_offloaded_checksum_proves_nothing() {
        let mut bytes = segment(b"GET / HTTP/1.1\r\n\r\n");
        let check = fold(pseudo(&bytes));
        bytes[16..18].copy_from_slice(&check.to_be_bytes());
        assert_eq!(verify(&SOURCE, &DESTINATION, &bytes), Checksum::Unknown);
    }
}
