//! Cipher suites: what each protects records with.
//!
//! Numbers are those of the registry (<https://www.iana.org/assignments/tls-parameters>). What two sides agree on to exchange keys
//! does not matter: the secret that comes of it is given.

/// What derives keys from secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
}

/// What encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    Aes128,
    Aes256,
    Aria128,
    Aria256,
    Camellia128,
    Camellia256,
    ChaCha20,
}

impl Cipher {
    /// Bytes of a key.
    pub(crate) fn key_length(self) -> usize {
        match self {
            Cipher::Aes128 | Cipher::Aria128 | Cipher::Camellia128 => 16,
            Cipher::Aes256 | Cipher::Aria256 | Cipher::Camellia256 | Cipher::ChaCha20 => 32,
        }
    }
}

/// What authenticates a record where the cipher does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mac {
    Sha1,
    Sha256,
    Sha384,
}

impl Mac {
    /// Bytes of a key, and of a code.
    pub(crate) fn length(self) -> usize {
        match self {
            Mac::Sha1 => 20,
            Mac::Sha256 => 32,
            Mac::Sha384 => 48,
        }
    }
}

/// How a record is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Gcm,
    Poly1305,
    /// With a tag of 16 bytes (RFC 6655, section 3).
    Ccm,
    /// With a tag of 8 bytes (RFC 6655, section 4).
    Ccm8,
    Cbc(Mac),
}

/// What a suite protects records with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) cipher: Cipher,
    pub(crate) mode: Mode,
    pub(crate) hash: Hash,
}

impl Suite {
    /// A suite of TLS 1.3, or `None` if records of it can't be read.
    pub(crate) fn of_1_3(number: u16) -> Option<Suite> {
        let (cipher, mode, hash) = match number {
            0x1301 => (Cipher::Aes128, Mode::Gcm, Hash::Sha256),
            0x1302 => (Cipher::Aes256, Mode::Gcm, Hash::Sha384),
            0x1303 => (Cipher::ChaCha20, Mode::Poly1305, Hash::Sha256),
            0x1304 => (Cipher::Aes128, Mode::Ccm, Hash::Sha256),
            0x1305 => (Cipher::Aes128, Mode::Ccm8, Hash::Sha256),
            _ => return None,
        };
        Some(Suite { cipher, mode, hash })
    }

    /// A suite of TLS 1.2, or `None` if records of it can't be read: RC4, DES and those without encryption, which servers
    /// refuse by default.
    pub(crate) fn of_1_2(number: u16) -> Option<Suite> {
        use Cipher::{Aes128, Aes256, Aria128, Aria256, Camellia128, Camellia256, ChaCha20};
        use Hash::{Sha256, Sha384};
        let (cipher, mode, hash) = match number {
            0x009c | 0x009e | 0x00a0 | 0x00a2 | 0x00a4 | 0x00a6 | 0x00a8 | 0x00aa | 0x00ac => {
                (Aes128, Mode::Gcm, Sha256)
            }
            0x009d | 0x009f | 0x00a1 | 0x00a3 | 0x00a5 | 0x00a7 | 0x00a9 | 0x00ab | 0x00ad => {
                (Aes256, Mode::Gcm, Sha384)
            }
            0xc02b | 0xc02d | 0xc02f | 0xc031 | 0xd001 => (Aes128, Mode::Gcm, Sha256),
            0xc02c | 0xc02e | 0xc030 | 0xc032 | 0xd002 => (Aes256, Mode::Gcm, Sha384),
            0xcca8..=0xccae => (ChaCha20, Mode::Poly1305, Sha256),
            0xc09c | 0xc09e | 0xc0a4 | 0xc0a6 | 0xc0ac | 0xd005 => (Aes128, Mode::Ccm, Sha256),
            0xc09d | 0xc09f | 0xc0a5 | 0xc0a7 | 0xc0ad => (Aes256, Mode::Ccm, Sha256),
            0xc0a0 | 0xc0a2 | 0xc0a8 | 0xc0aa | 0xc0ae | 0xd003 => (Aes128, Mode::Ccm8, Sha256),
            0xc0a1 | 0xc0a3 | 0xc0a9 | 0xc0ab | 0xc0af => (Aes256, Mode::Ccm8, Sha256),
            0x002f..=0x0034 | 0x008c | 0x0090 | 0x0094 => (Aes128, Mode::Cbc(Mac::Sha1), Sha256),
            0xc004 | 0xc009 | 0xc00e | 0xc013 | 0xc018 | 0xc01d..=0xc01f | 0xc035 => {
                (Aes128, Mode::Cbc(Mac::Sha1), Sha256)
            }
            0x0035..=0x003a | 0x008d | 0x0091 | 0x0095 => (Aes256, Mode::Cbc(Mac::Sha1), Sha256),
            0xc005 | 0xc00a | 0xc00f | 0xc014 | 0xc019 | 0xc020..=0xc022 | 0xc036 => {
                (Aes256, Mode::Cbc(Mac::Sha1), Sha256)
            }
            0x003c | 0x003e | 0x003f | 0x0040 | 0x0067 | 0x006c | 0x00ae | 0x00b2 | 0x00b6 => {
                (Aes128, Mode::Cbc(Mac::Sha256), Sha256)
            }
            0xc023 | 0xc025 | 0xc027 | 0xc029 | 0xc037 => (Aes128, Mode::Cbc(Mac::Sha256), Sha256),
            0x003d | 0x0068..=0x006b | 0x006d => (Aes256, Mode::Cbc(Mac::Sha256), Sha256),
            0xc024 | 0xc026 | 0xc028 | 0xc02a | 0xc038 | 0x00af | 0x00b3 | 0x00b7 => {
                (Aes256, Mode::Cbc(Mac::Sha384), Sha384)
            }
            0x0041..=0x0046 => (Camellia128, Mode::Cbc(Mac::Sha1), Sha256),
            0x0084..=0x0089 => (Camellia256, Mode::Cbc(Mac::Sha1), Sha256),
            0x00ba..=0x00bf => (Camellia128, Mode::Cbc(Mac::Sha256), Sha256),
            0x00c0..=0x00c5 => (Camellia256, Mode::Cbc(Mac::Sha256), Sha256),
            // From here on, even numbers have keys of 128 bits.
            0xc03c..=0xc04f | 0xc064..=0xc069 | 0xc070..=0xc071 if number.is_multiple_of(2) => {
                (Aria128, Mode::Cbc(Mac::Sha256), Sha256)
            }
            0xc03c..=0xc04f | 0xc064..=0xc069 | 0xc070..=0xc071 => (Aria256, Mode::Cbc(Mac::Sha384), Sha384),
            0xc050..=0xc063 | 0xc06a..=0xc06f if number.is_multiple_of(2) => (Aria128, Mode::Gcm, Sha256),
            0xc050..=0xc063 | 0xc06a..=0xc06f => (Aria256, Mode::Gcm, Sha384),
            0xc072..=0xc079 | 0xc094..=0xc09b if number.is_multiple_of(2) => {
                (Camellia128, Mode::Cbc(Mac::Sha256), Sha256)
            }
            0xc072..=0xc079 | 0xc094..=0xc09b => (Camellia256, Mode::Cbc(Mac::Sha384), Sha384),
            0xc07a..=0xc093 if number.is_multiple_of(2) => (Camellia128, Mode::Gcm, Sha256),
            0xc07a..=0xc093 => (Camellia256, Mode::Gcm, Sha384),
            _ => return None,
        };
        Some(Suite { cipher, mode, hash })
    }

    /// Bytes before the ciphertext of a record of TLS 1.2: what its nonce or its first block is made with.
    pub(crate) fn explicit_1_2(self) -> usize {
        match self.mode {
            Mode::Gcm | Mode::Ccm | Mode::Ccm8 => 8,
            Mode::Poly1305 => 0,
            Mode::Cbc(_) => 16,
        }
    }

    /// Bytes of the tag behind the ciphertext.
    pub(crate) fn tag_length(self) -> usize {
        match self.mode {
            Mode::Gcm | Mode::Poly1305 | Mode::Ccm => 16,
            Mode::Ccm8 => 8,
            Mode::Cbc(mac) => mac.length(),
        }
    }
}
