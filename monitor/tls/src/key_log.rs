//! Key logs: lines of `LABEL CLIENT_RANDOM SECRET` in hexadecimal, as `SSLKEYLOGFILE` has programs write them
//! (draft-ietf-tls-keylogfile).

use rollcall_model::{hex, time::Timestamp};
use zeroize::Zeroize;

use super::secret::{Label, Secret};

/// Why a line of a key log can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("it is not a label and two numbers in hexadecimal")]
    Form,
    #[error("a client random has 32 bytes")]
    Random,
    #[error("a secret has 32 or 48 bytes, a master secret 48")]
    Length,
}

/// The secret in one line. `None` in one that is empty or a comment, and in one with a label that reads no traffic, such as
/// `EXPORTER_SECRET`. The secret holds for any time: key logs have none.
pub fn parse(line: &[u8]) -> Result<Option<Secret>, Fault> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (Some(name), Some(random), Some(bytes), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Fault::Form);
    };
    if !random.iter().chain(bytes).all(u8::is_ascii_hexdigit) {
        return Err(Fault::Form);
    }
    let Some(label) = Label::from_name(name) else { return Ok(None) };
    let mut client_random = [0; 32];
    if random.len() != 64 {
        return Err(Fault::Random);
    }
    hex::fill(&mut client_random, random).ok_or(Fault::Form)?;
    let mut secret = [0; 48];
    let length = bytes.len() / 2;
    if bytes.len() % 2 != 0 || length > secret.len() {
        return Err(Fault::Length);
    }
    hex::fill(&mut secret[..length], bytes).ok_or(Fault::Form)?;
    let read = Secret::new(label, &secret[..length], Some(client_random), Timestamp::default());
    secret.zeroize();
    read.map(Some).ok_or(Fault::Length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_secrets_comments_or_faults() {
        let random = "0123456789abcdefABCDEF0123456789".repeat(2);
        let secret = "5a".repeat(48);
        let read = parse(format!("CLIENT_RANDOM {random} {secret}\r\n").as_bytes()).unwrap().unwrap();
        assert_eq!((read.label, read.bytes()), (Label::Master, &[0x5a; 48][..]));
        assert_eq!(read.client_random.unwrap()[..4], [0x01, 0x23, 0x45, 0x67]);
        let short = "5a".repeat(32);
        let read = parse(format!("SERVER_TRAFFIC_SECRET_0\t{random}  {short}").as_bytes()).unwrap().unwrap();
        assert_eq!((read.label, read.bytes().len()), (Label::Server, 32));
        for line in ["", "  \r\n", "# SSL/TLS secrets log file"] {
            assert!(parse(line.as_bytes()).unwrap().is_none(), "{line:?}");
        }
        for label in ["EXPORTER_SECRET", "EARLY_EXPORTER_SECRET", "CLIENT_TRAFFIC_SECRET_1", "ECH_SECRET"] {
            assert!(parse(format!("{label} {random} {short}").as_bytes()).unwrap().is_none(), "{label}");
        }
        for (line, fault) in [
            ("CLIENT_RANDOM".to_owned(), Fault::Form),
            (format!("CLIENT_RANDOM {random}"), Fault::Form),
            (format!("CLIENT_RANDOM {random} {secret} {secret}"), Fault::Form),
            (format!("CLIENT_RANDOM {} {secret}", &random[2..]), Fault::Random),
            (format!("CLIENT_RANDOM {random} {short}"), Fault::Length),
            (format!("CLIENT_RANDOM {random} {secret}5a"), Fault::Length),
            (format!("CLIENT_RANDOM {random} {}zz", &secret[2..]), Fault::Form),
            ("GET / HTTP/1.1".to_owned(), Fault::Form),
        ] {
            assert_eq!(parse(line.as_bytes()).map(drop), Err(fault), "{line}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(line: Vec<u8>, secret: Vec<u8>) {
            drop(parse(&line));
            let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            drop(parse(format!("CLIENT_TRAFFIC_SECRET_0 {} {digits}", "0".repeat(64)).as_bytes()));
        }
    }
}
