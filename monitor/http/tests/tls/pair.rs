//! A client and a server of TLS in memory, whose bytes are written down.

use std::{
    io::{Read, Write},
    sync::{Arc, Mutex},
};

use rcgen::{CertificateParams, KeyPair};
use rollcall_model::time::Timestamp;
use rollcall_tls::{Label, Secret};
use rustls::{
    ClientConfig, ClientConnection, KeyLog, RootCertStore, ServerConfig, ServerConnection,
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    version,
};

/// Bytes that one side sent at once.
#[derive(Clone, Debug)]
pub enum Turn {
    Client(Vec<u8>),
    Server(Vec<u8>),
}

/// What happens on a connection.
#[derive(Clone, Debug)]
pub enum Step {
    Request(Vec<u8>),
    Answer(Vec<u8>),
    /// The client changes its keys.
    ClientKeys,
    /// The server does.
    ServerKeys,
}

/// Secrets, as programs that do the handshake tell them.
#[derive(Debug, Default)]
pub struct Log(Mutex<Vec<Secret>>);

impl KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let random = client_random.try_into().unwrap();
        let Some(label) = Label::from_name(label.as_bytes()) else { return };
        self.0.lock().unwrap().push(Secret::new(label, secret, Some(random), Timestamp::default()).unwrap());
    }
}

/// The two sides' settings, which keep what sessions are resumed with.
pub struct Sides {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    log: Arc<Log>,
}

/// What one connection carried.
pub struct Talk {
    pub turns: Vec<Turn>,
    pub secrets: Vec<Secret>,
}

pub struct Options {
    pub version: &'static SupportedProtocolVersion,
    pub suite: SupportedCipherSuite,
    pub fragment: Option<usize>,
    pub early: bool,
    /// The client offers a group first that the server does not take.
    pub retry: bool,
}

impl Options {
    pub fn new(suite: SupportedCipherSuite) -> Options {
        let version = if suite.tls13().is_some() { &version::TLS13 } else { &version::TLS12 };
        Options { version, suite, fragment: None, early: false, retry: false }
    }
}

impl Sides {
    pub fn new(options: &Options) -> Sides {
        let key = if format!("{:?}", options.suite.suite()).contains("RSA") {
            KeyPair::from_pem(RSA).unwrap()
        } else {
            KeyPair::generate().unwrap()
        };
        let certificate =
            CertificateParams::new(["api.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        let der = CertificateDer::from(certificate.der().to_vec());
        let mut roots = RootCertStore::empty();
        roots.add(der.clone()).unwrap();
        let provider = |groups: Vec<&'static dyn rustls::crypto::SupportedKxGroup>| {
            let kx_groups = groups;
            Arc::new(CryptoProvider {
                cipher_suites: vec![options.suite],
                kx_groups,
                ..ring::default_provider()
            })
        };
        let (x25519, p256) = (ring::kx_group::X25519, ring::kx_group::SECP256R1);
        let log = Arc::new(Log::default());
        let mut client = ClientConfig::builder_with_provider(provider(vec![x25519, p256]))
            .with_protocol_versions(&[options.version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.enable_early_data = options.early;
        client.max_fragment_size = options.fragment;
        client.key_log = log.clone();
        let groups = if options.retry { vec![p256] } else { vec![x25519, p256] };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut server = ServerConfig::builder_with_provider(provider(groups))
            .with_protocol_versions(&[options.version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![der], key)
            .unwrap();
        server.max_early_data_size = if options.early { 16 * 1024 } else { 0 };
        server.max_fragment_size = options.fragment;
        if !options.early {
            server.ticketer = ring::Ticketer::new().unwrap();
        }
        Sides { client: Arc::new(client), server: Arc::new(server), log }
    }

    /// A server that has forgotten its sessions.
    pub fn forget(&mut self) {
        let mut server = (*self.server).clone();
        server.session_storage = rustls::server::ServerSessionMemoryCache::new(8);
        self.server = Arc::new(server);
    }

    /// Has a connection carry `steps`; of them `early` are sent before the server's first word.
    pub fn talk(&self, early: &[Step], steps: &[Step]) -> Talk {
        let name = ServerName::try_from("api.example").unwrap();
        let mut both = Both {
            client: ClientConnection::new(self.client.clone(), name).unwrap(),
            server: ServerConnection::new(self.server.clone()).unwrap(),
            turns: Vec::new(),
        };
        for step in early {
            if let Step::Request(bytes) = step {
                both.client.early_data().expect("a resumed session").write_all(bytes).unwrap();
            }
        }
        both.handshake();
        let mut again = Vec::new();
        if !early.is_empty() && !both.client.is_early_data_accepted() {
            again.extend(early.iter().filter(|step| matches!(step, Step::Request(_))).cloned());
        }
        let answers = early.iter().filter(|step| matches!(step, Step::Answer(_)));
        for step in again.iter().chain(answers).chain(steps) {
            both.step(step);
        }
        both.client.send_close_notify();
        both.flush_client();
        let secrets = std::mem::take(&mut *self.log.0.lock().unwrap());
        Talk { turns: both.turns, secrets }
    }
}

/// The same in clear.
pub fn in_clear(steps: &[Step]) -> Vec<Turn> {
    let turns = steps.iter().filter_map(|step| match step {
        Step::Request(bytes) => Some(Turn::Client(bytes.clone())),
        Step::Answer(bytes) => Some(Turn::Server(bytes.clone())),
        Step::ClientKeys | Step::ServerKeys => None,
    });
    turns.collect()
}

struct Both {
    client: ClientConnection,
    server: ServerConnection,
    turns: Vec<Turn>,
}

impl Both {
    fn handshake(&mut self) {
        while self.client.is_handshaking() || self.server.is_handshaking() {
            let before = self.turns.len();
            self.flush_client();
            self.flush_server();
            assert!(self.turns.len() > before, "the handshake stands still");
        }
        self.flush_client();
        self.flush_server();
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Request(bytes) => {
                self.client.writer().write_all(bytes).unwrap();
                self.flush_client();
            }
            Step::Answer(bytes) => {
                let mut left = &bytes[..];
                // rustls holds 64 KiB at most.
                while !left.is_empty() {
                    let written = self.server.writer().write(left).unwrap();
                    left = &left[written..];
                    self.flush_server();
                }
            }
            Step::ClientKeys => {
                self.client.refresh_traffic_keys().unwrap();
                self.flush_client();
            }
            Step::ServerKeys => {
                self.server.refresh_traffic_keys().unwrap();
                self.flush_server();
            }
        }
    }

    fn flush_client(&mut self) {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        if bytes.is_empty() {
            return;
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            self.server.read_tls(&mut rest).unwrap();
            self.server.process_new_packets().unwrap();
            if let Some(mut early) = self.server.early_data() {
                early.read_to_end(&mut Vec::new()).unwrap();
            }
            drop(self.server.reader().read_to_end(&mut Vec::new()));
        }
        self.turns.push(Turn::Client(bytes));
    }

    fn flush_server(&mut self) {
        let mut bytes = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut bytes).unwrap();
        }
        if bytes.is_empty() {
            return;
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).unwrap();
            self.client.process_new_packets().unwrap();
            drop(self.client.reader().read_to_end(&mut Vec::new()));
        }
        // What follows on one request follows it at once.
        if let Some(Turn::Server(last)) = self.turns.last_mut() {
            last.extend_from_slice(&bytes);
        } else {
            self.turns.push(Turn::Server(bytes));
        }
    }
}

/// Made for these tests: rcgen makes none.
const RSA: &str = "\
-----BEGIN PRIVATE KEY-----
MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDgDRtpDP51irV6
kE4Qo63OdB0hdiNv8SGQZUvgPdCqgeqLU7diPaEtv4dBdu9ZNq1MjN6jtJRMY75P
Nr9gXGM7CNr2R2XHACsRSSJk9FAsssLnai4M6VLFNS+JhIcmNRhfBy65VkGyX3V3
BZ9wgNMu2buPOB4VqRZy48S0OUjd8utNxnN4YEoLIJwnPqqDO9Bz9cqiWvWOZDc4
BqJqB53n3l8DJvR9dKwqnwAJTJUTUKMpB9fk08Z1u31xUPIxcUSuShEZusAk3Xso
ek+FKcqPiODkz88/xBidtRooXDg4PFzm18WD5WTBIRi8l1DNms84nwBu633zhfOl
7y/3vTPLAgMBAAECggEAX+lcfYkBeSHq9E/IC1l2MvYD7mobW3VXD/A9Hf54UDWT
SReKXnTRhbsC1KRsa717TFTVjjDkdxsPwetG26JRHFl7GoiP6jOJPDoZjiwEEk5o
HxaWJhLPyvosomroTBPYnf1+I/rn3sr8hvoSOd/8B4dPwkycnFso7//PGfOX3OKu
Ni3ps5YRlKcHj2JA8vGsuHbZJGicbdb46Hz3YYI40LOWHySjhB8bc7D3AooTPyQF
LWm1ZFJPkvQ++q3JvaesmJx1Pa+mcls/GmBhaSpk2Orl3WBHtvRdEFaJx37ksLk4
Ddhg2pVrQZxzMjyjUJxicymmyi76p7AaNK/V+b5H4QKBgQD9bT3bOTsGQm+fUKjW
eTDCCvVQKKBslXwXi0wOuTV0vtaBPn/mBMhDwzrJ5AQ6AUDr/GY/UDX+30tyzUQd
XJludHlMsmlDzrWkA5ZN7p79ewtuH8TrgMH0jdVHetSNl5k8gs+WFZxWfvxNYKQ3
ahV5DhZ4qgNHtV6WULlaTtDq2wKBgQDiU4GwL5lJaqTsLB1uTbU/nEwLq0nVoHIr
A0eq9s29ybLqLjiaMc21ZuLCQR89oa0geNyp2o/IbxCyHIUFaurHI8Tn+KSafpBK
ESPPRv4oi6ek3PLTjBcsdaz6Tp/fjjupM0YEwPtubP9Bk1bnFKp5eYI5t0t3GxkV
xJa+ljSV0QKBgG69s8/+HDrKATje6EiAQLwqSbQzbJbGY6luJ1gvupo/YkCr7Pu4
j0J9J01dpDMspQ/6BTwZct7i+Hc8F021Tx6jKvZG6BTHWTxIjP+VDEi74ezHWSeH
5jlVWSOZGxSccEuu5cMxwlVRvDKbzmagpq11aIBl2nUVXjXVJIm/8y8NAoGBANux
M7JSgflCC9U0/VyVEdstXKP3ITS9ChW2mVrbN9uCbqnjNA55SbVMqdDmZeztg6CB
sbEu92MYbJx4EqevoTatAfYq5Z0SPf2npZsOzqeM6K6fyxaOZfBCSiavK4FWD5Ou
scjriyUlqKF+5FxrMw+3YzGjOx3ir/bxXWKja2gBAoGBAOQtn1p3/nESW0+BdvqE
SAD/+xSTPqh6sPjCaqzOmNFfGBzf/TJfdigwMTs6yxN0SjCUluCRsbcBarexhiQ7
1nsVC2YbLfibkA6GHsy3y8DYzrvt3NL493s2cKu1bkAMC4zsVXshe1Cqr+YnGKDg
Q6uTTeUzQ8Jg5k6imw6PfmwC
-----END PRIVATE KEY-----
";
