//! The keys of one direction, and what they open.
//!
//! Kept as they were derived and expanded where they are used, since there is one of these for each direction of each connection.

use std::ops::Range;

use aes_gcm::aead::{AeadInOut, KeyInit};
use cbc::cipher::{
    BlockCipherDecrypt, BlockModeDecrypt, BlockSizeUser, KeyIvInit, StreamCipher, array::Array,
};
use ccm::consts::{U8, U12, U16};
use ring::{aead, hkdf, hmac};
use zeroize::Zeroize;

use super::{
    record::{self, Header},
    suite::{Cipher, Hash, Mac, Mode, Suite},
};

/// How a version protects records beyond what the suite says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// TLS 1.3 (RFC 8446, section 5.2).
    Inner,
    /// TLS 1.2 (RFC 5246, section 6.2.3), with the code behind the ciphertext (RFC 7366) or within it.
    Outer { encrypt_then_mac: bool },
}

/// See the [module](self).
pub(crate) struct Keys {
    suite: Suite,
    framing: Framing,
    key: [u8; 32],
    iv: [u8; 12],
    mac: [u8; 48],
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.key.zeroize();
        self.iv.zeroize();
        self.mac.zeroize();
    }
}

/// What TLS 1.2 derives the keys of a connection from, beside its master secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Randoms {
    pub(crate) client: [u8; 32],
    pub(crate) server: [u8; 32],
}

impl Keys {
    /// Those that a traffic secret of TLS 1.3 gives (RFC 8446, section 7.3); `None` if it is not one of the suite's length.
    pub(crate) fn of_traffic_secret(suite: Suite, secret: &[u8]) -> Option<Box<Keys>> {
        let prk = prk(suite.hash, secret)?;
        let mut keys = Keys::empty(suite, Framing::Inner);
        expand_label(&prk, b"key", &mut keys.key[..suite.cipher.key_length()])?;
        expand_label(&prk, b"iv", &mut keys.iv)?;
        Some(keys)
    }

    /// Those that a master secret of TLS 1.2 gives the client, or the server (RFC 5246, section 6.3).
    pub(crate) fn of_master_secret(
        suite: Suite,
        master: &[u8],
        randoms: &Randoms,
        is_server: bool,
        encrypt_then_mac: bool,
    ) -> Box<Keys> {
        let key = suite.cipher.key_length();
        let (mac, iv) = match suite.mode {
            Mode::Gcm | Mode::Ccm | Mode::Ccm8 => (0, 4),
            Mode::Poly1305 => (0, 12),
            Mode::Cbc(mac) => (mac.length(), 0),
        };
        // Two of each: no more than SHA-384's length, the longest key and the longest initialisation vector.
        let mut block = [0; 2 * (48 + 32 + 12)];
        let length = 2 * (mac + key + iv);
        let seed = [b"key expansion".as_slice(), &randoms.server, &randoms.client].concat();
        expand_prf(suite.hash, master, &seed, &mut block[..length]);
        let side = usize::from(is_server);
        let part = |start: usize, length: usize| start + side * length..start + (side + 1) * length;
        let mut keys = Keys::empty(suite, Framing::Outer { encrypt_then_mac });
        keys.mac[..mac].copy_from_slice(&block[part(0, mac)]);
        keys.key[..key].copy_from_slice(&block[part(2 * mac, key)]);
        keys.iv[..iv].copy_from_slice(&block[part(2 * (mac + key), iv)]);
        block.zeroize();
        keys
    }

    /// In a place of their own: nothing of them is left behind when what holds them moves.
    fn empty(suite: Suite, framing: Framing) -> Box<Keys> {
        Box::new(Keys { suite, framing, key: [0; 32], iv: [0; 12], mac: [0; 48] })
    }

    /// Bytes of a record before its ciphertext.
    pub(crate) fn explicit(&self) -> usize {
        match self.framing {
            Framing::Inner => 0,
            Framing::Outer { .. } => self.suite.explicit_1_2(),
        }
    }

    /// Bytes of a record that stand behind its plaintext, at least: of padding nobody knows but who has read all of it.
    pub(crate) fn behind(&self) -> usize {
        self.suite.tag_length() + usize::from(self.framing == Framing::Inner || self.is_cbc())
    }

    /// What a record says of its nonce, where it says anything that goes with its number.
    pub(crate) fn said(&self, body: &[u8]) -> Option<u64> {
        let said = body.first_chunk().filter(|_| self.explicit() == 8)?;
        Some(u64::from_be_bytes(*said))
    }

    /// Whether the number of a record matters to read its beginning.
    pub(crate) fn is_numbered(&self) -> bool {
        self.explicit() == 0
    }

    fn is_cbc(&self) -> bool {
        matches!(self.suite.mode, Mode::Cbc(_))
    }

    /// Opens the record with this number in place: what it is, and where its plaintext stands in `body`. `None` if it is none
    /// that these keys have closed; `body` is of no use any more then.
    pub(crate) fn open(&self, number: u64, header: Header, body: &mut [u8]) -> Option<(u8, Range<usize>)> {
        let explicit = self.explicit();
        if let (Mode::Cbc(mac), Framing::Outer { encrypt_then_mac }) = (self.suite.mode, self.framing) {
            let plain = self.open_cbc(mac, encrypt_then_mac, number, header, body)?;
            return Some((header.kind, plain));
        }
        let nonce = self.nonce(number, body.get(..explicit)?);
        let sealed = body.get_mut(explicit..)?;
        let length = sealed.len().checked_sub(self.suite.tag_length())?;
        match self.framing {
            Framing::Inner => self.open_sealed(nonce, &header.to_bytes(), sealed)?,
            Framing::Outer { .. } => {
                let aad = associated(number, header, length);
                self.open_sealed(nonce, &aad, sealed)?;
            }
        }
        if self.framing == Framing::Inner {
            // The type stands behind the content, and zeros behind it (RFC 8446, section 5.4).
            let end = sealed[..length].iter().rposition(|&byte| byte != 0)?;
            return Some((sealed[end], 0..end));
        }
        Some((header.kind, explicit..explicit + length))
    }

    /// Decrypts the beginning of a record's body in place, without proof that it is what the keys have closed. Where its plaintext stands, which
    /// may go on into what stands behind it in the record.
    pub(crate) fn decrypt_start(&self, number: u64, body: &mut [u8]) -> Range<usize> {
        let explicit = self.explicit();
        if body.len() <= explicit {
            return 0..0;
        }
        let (before, sealed) = body.split_at_mut(explicit);
        let length = sealed.len();
        if self.is_cbc() {
            let length = length - length % 16;
            self.decrypt_cbc(before, &mut sealed[..length]);
            return explicit..explicit + length;
        }
        let nonce = self.nonce(number, before);
        let key = &self.key[..self.suite.cipher.key_length()];
        let mut counter = [0; 16];
        match self.suite.mode {
            // NIST SP 800-38D, section 7.1: the first counter is the tag's.
            Mode::Gcm => {
                counter[..12].copy_from_slice(&nonce);
                counter[15] = 2;
            }
            // RFC 3610, section 2.3, with a length of three bytes.
            _ => {
                counter[0] = 2;
                counter[1..13].copy_from_slice(&nonce);
                counter[15] = 1;
            }
        }
        match self.suite.cipher {
            Cipher::Aes128 => keystream::<ctr::Ctr32BE<aes::Aes128>>(key, &counter, sealed),
            Cipher::Aes256 => keystream::<ctr::Ctr32BE<aes::Aes256>>(key, &counter, sealed),
            Cipher::Aria128 => keystream::<ctr::Ctr32BE<aria::Aria128>>(key, &counter, sealed),
            Cipher::Aria256 => keystream::<ctr::Ctr32BE<aria::Aria256>>(key, &counter, sealed),
            Cipher::Camellia128 => keystream::<ctr::Ctr32BE<camellia::Camellia128>>(key, &counter, sealed),
            Cipher::Camellia256 => keystream::<ctr::Ctr32BE<camellia::Camellia256>>(key, &counter, sealed),
            Cipher::ChaCha20 => {
                // The first block is the tag's (RFC 8439, section 2.8): 64 bytes.
                if let Ok(mut cipher) = chacha20::ChaCha20::new_from_slices(key, &nonce) {
                    cipher.apply_keystream(&mut [0; 64]);
                    cipher.apply_keystream(sealed);
                }
            }
        }
        explicit..explicit + length
    }

    /// What makes a record's encryption its own (RFC 8446, section 5.3; RFC 5288, section 3; RFC 7905, section 2).
    fn nonce(&self, number: u64, explicit: &[u8]) -> [u8; 12] {
        let mut nonce = self.iv;
        if explicit.is_empty() {
            nonce[4..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, number)| *byte ^= number);
        } else {
            nonce[4..].copy_from_slice(explicit);
        }
        nonce
    }

    /// Opens ciphertext with its tag behind it.
    fn open_sealed(&self, nonce: [u8; 12], aad: &[u8], sealed: &mut [u8]) -> Option<()> {
        let key = &self.key[..self.suite.cipher.key_length()];
        let algorithm = match (self.suite.mode, self.suite.cipher) {
            (Mode::Gcm, Cipher::Aes128) => &aead::AES_128_GCM,
            (Mode::Gcm, Cipher::Aes256) => &aead::AES_256_GCM,
            (Mode::Poly1305, Cipher::ChaCha20) => &aead::CHACHA20_POLY1305,
            (mode, cipher) => {
                let (sealed, tag) = sealed.split_at_mut_checked(sealed.len() - self.suite.tag_length())?;
                return match (mode, cipher) {
                    (Mode::Gcm, Cipher::Aria128) => {
                        detached::<aes_gcm::AesGcm<aria::Aria128, U12>>(key, nonce, aad, sealed, tag)
                    }
                    (Mode::Gcm, Cipher::Aria256) => {
                        detached::<aes_gcm::AesGcm<aria::Aria256, U12>>(key, nonce, aad, sealed, tag)
                    }
                    (Mode::Gcm, Cipher::Camellia128) => {
                        detached::<aes_gcm::AesGcm<camellia::Camellia128, U12>>(key, nonce, aad, sealed, tag)
                    }
                    (Mode::Gcm, Cipher::Camellia256) => {
                        detached::<aes_gcm::AesGcm<camellia::Camellia256, U12>>(key, nonce, aad, sealed, tag)
                    }
                    (Mode::Ccm, Cipher::Aes128) => {
                        detached::<ccm::Ccm<aes::Aes128, U16, U12>>(key, nonce, aad, sealed, tag)
                    }
                    (Mode::Ccm, Cipher::Aes256) => {
                        detached::<ccm::Ccm<aes::Aes256, U16, U12>>(key, nonce, aad, sealed, tag)
                    }
                    (Mode::Ccm8, Cipher::Aes128) => {
                        detached::<ccm::Ccm<aes::Aes128, U8, U12>>(key, nonce, aad, sealed, tag)
                    }
                    (Mode::Ccm8, Cipher::Aes256) => {
                        detached::<ccm::Ccm<aes::Aes256, U8, U12>>(key, nonce, aad, sealed, tag)
                    }
                    _ => None,
                };
            }
        };
        let key = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, key).ok()?);
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        key.open_in_place(nonce, aead::Aad::from(aad), sealed).ok().map(drop)
    }

    /// Opens a record of blocks: where its plaintext stands.
    fn open_cbc(
        &self,
        mac: Mac,
        encrypt_then_mac: bool,
        number: u64,
        header: Header,
        body: &mut [u8],
    ) -> Option<Range<usize>> {
        let key = hmac::Key::new(
            match mac {
                Mac::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                Mac::Sha256 => hmac::HMAC_SHA256,
                Mac::Sha384 => hmac::HMAC_SHA384,
            },
            &self.mac[..mac.length()],
        );
        let is_right = |content: &[u8], code: &[u8]| {
            let mut context = hmac::Context::with_key(&key);
            context.update(&associated(number, header, content.len()));
            context.update(content);
            // Nobody waits for the answer: its time tells nothing.
            context.sign().as_ref() == code
        };
        let blocks = body.len().checked_sub(if encrypt_then_mac { mac.length() } else { 0 })?;
        if blocks < 32 || !blocks.is_multiple_of(16) {
            return None;
        }
        let (blocks, code) = body.split_at_mut(blocks);
        if encrypt_then_mac && !is_right(blocks, code) {
            return None;
        }
        let (iv, content) = blocks.split_at_mut(16);
        self.decrypt_cbc(iv, content);
        let padding = usize::from(*content.last()?);
        let end = content.len().checked_sub(padding + 1)?;
        if content[end..].iter().any(|&byte| usize::from(byte) != padding) {
            return None;
        }
        if encrypt_then_mac {
            return Some(16..16 + end);
        }
        let plain = end.checked_sub(mac.length())?;
        is_right(&content[..plain], &content[plain..end]).then_some(16..16 + plain)
    }

    fn decrypt_cbc(&self, iv: &[u8], blocks: &mut [u8]) {
        let key = &self.key[..self.suite.cipher.key_length()];
        match self.suite.cipher {
            Cipher::Aes128 => decrypt_blocks::<aes::Aes128>(key, iv, blocks),
            Cipher::Aes256 => decrypt_blocks::<aes::Aes256>(key, iv, blocks),
            Cipher::Aria128 => decrypt_blocks::<aria::Aria128>(key, iv, blocks),
            Cipher::Aria256 => decrypt_blocks::<aria::Aria256>(key, iv, blocks),
            Cipher::Camellia128 => decrypt_blocks::<camellia::Camellia128>(key, iv, blocks),
            Cipher::Camellia256 => decrypt_blocks::<camellia::Camellia256>(key, iv, blocks),
            Cipher::ChaCha20 => {}
        }
    }
}

/// The secret that follows another one (RFC 8446, section 7.2).
pub(crate) fn next_secret(suite: Suite, secret: &[u8]) -> Option<[u8; 48]> {
    let mut next = [0; 48];
    expand_label(&prk(suite.hash, secret)?, b"traffic upd", &mut next[..secret.len()])?;
    Some(next)
}

/// What is authenticated beside a record of TLS 1.2 (RFC 5246, section 6.2.3.3).
fn associated(number: u64, header: Header, length: usize) -> [u8; 13] {
    let mut bytes = [0; 13];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..11].copy_from_slice(&header.to_bytes()[..3]);
    bytes[11..].copy_from_slice(&(length as u16).to_be_bytes());
    bytes
}

fn keystream<C: KeyIvInit + StreamCipher>(key: &[u8], counter: &[u8; 16], bytes: &mut [u8]) {
    if let Ok(mut cipher) = C::new_from_slices(key, counter) {
        cipher.apply_keystream(bytes);
    }
}

fn detached<A: KeyInit + AeadInOut<NonceSize = U12>>(
    key: &[u8],
    nonce: [u8; 12],
    aad: &[u8],
    sealed: &mut [u8],
    tag: &[u8],
) -> Option<()> {
    let cipher = A::new_from_slice(key).ok()?;
    let tag = Array::try_from(tag).ok()?;
    cipher.decrypt_inout_detached(&Array(nonce), aad, sealed.into(), &tag).ok()
}

fn decrypt_blocks<C>(key: &[u8], iv: &[u8], blocks: &mut [u8])
where
    C: BlockCipherDecrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    if let Ok(mut cipher) = cbc::Decryptor::<C>::new_from_slices(key, iv) {
        let (blocks, _) = Array::slice_as_chunks_mut(blocks);
        cipher.decrypt_blocks(blocks);
    }
}

fn prk(hash: Hash, secret: &[u8]) -> Option<hkdf::Prk> {
    let (algorithm, length) = match hash {
        Hash::Sha256 => (hkdf::HKDF_SHA256, 32),
        Hash::Sha384 => (hkdf::HKDF_SHA384, 48),
    };
    (secret.len() == length).then(|| hkdf::Prk::new_less_safe(algorithm, secret))
}

/// RFC 8446, section 7.1, with an empty context.
fn expand_label(prk: &hkdf::Prk, label: &[u8], out: &mut [u8]) -> Option<()> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let length = (out.len() as u16).to_be_bytes();
    let label_length = [6 + label.len() as u8];
    let info = [&length[..], &label_length, b"tls13 ", label, &[0]];
    prk.expand(&info, Length(out.len())).and_then(|okm| okm.fill(out)).ok()
}

/// `P_hash` (RFC 5246, section 5).
fn expand_prf(hash: Hash, secret: &[u8], seed: &[u8], out: &mut [u8]) {
    let algorithm = match hash {
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha384 => hmac::HMAC_SHA384,
    };
    let key = hmac::Key::new(algorithm, secret);
    let mut turn = hmac::sign(&key, seed);
    for part in out.chunks_mut(algorithm.digest_algorithm().output_len()) {
        let mut context = hmac::Context::with_key(&key);
        context.update(turn.as_ref());
        context.update(seed);
        part.copy_from_slice(&context.sign().as_ref()[..part.len()]);
        turn = hmac::sign(&key, turn.as_ref());
    }
}

/// The least that a record costs beside what it carries: by as much, numbers go up in bytes that nobody saw.
pub(crate) const LEAST: u64 = record::HEADER as u64 + 9;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        let digits: Vec<_> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let mut bytes = [0; N];
        rollcall_model::hex::fill(&mut bytes, &digits).unwrap();
        bytes
    }

    #[test]
    fn the_traffic_of_rfc_8448_is_opened() {
        // Section 3, simple 1-RTT handshake: the client's application data.
        let secret: [u8; 32] = bytes("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
        let suite = Suite::of_1_3(0x1301).unwrap();
        let keys = Keys::of_traffic_secret(suite, &secret).unwrap();
        assert_eq!(keys.key[..16], bytes::<16>("17422dda596ed5d9acd890e3c63f5051"));
        assert_eq!(keys.iv, bytes::<12>("5b78923dee08579033e523d9"));
        let record: [u8; 72] = bytes(
            "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2\
             977014bd1e3deae63aeebb21694915e4",
        );
        let header = Header::read(*record.first_chunk().unwrap()).unwrap();
        let mut body = record[5..].to_vec();
        let (kind, content) = keys.open(0, header, &mut body).unwrap();
        assert_eq!((kind, &body[content]), (23, &(0..50).collect::<Vec<u8>>()[..]));
        let mut start = record[5..37].to_vec();
        let content = keys.decrypt_start(0, &mut start);
        assert_eq!(start[content], (0..32).collect::<Vec<u8>>()[..]);
        assert!(keys.open(1, header, &mut record[5..].to_vec()).is_none(), "of another number");
        assert!(Keys::of_traffic_secret(suite, &[1; 48]).is_none(), "of another hash");
    }
}
