//! What a TLS connection at rest costs in memory: `cargo run --release -p codec --example tls_memory`.
//!
//! Many connections are made, each says something both ways, and their clients go; what the process has grown by is
//! theirs. Figures of `docs/promises.md`.

use std::{io::Write, sync::Arc};

use codec::tls::{TlsConfig, TlsConnection};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};

const CONNECTIONS: usize = 10_000;
const NAME: &str = "desk.example";

fn main() {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("makes one");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let server = TlsConfig::from_pem(certificate.as_bytes(), key.as_bytes()).expect("belong together");
    let mut kept = Vec::new();
    for version in [&TLS13, &TLS12] {
        let client = client_config(&certificate, version);
        // Before it is counted, the allocator has what handshakes need for a while.
        drop((0..100).map(|_| connect(&client, &server)).collect::<Vec<_>>());
        let before = resident_bytes();
        let connections: Vec<_> = (0..CONNECTIONS).map(|_| connect(&client, &server)).collect();
        let grown = resident_bytes() - before;
        assert!(connections.iter().all(|connection| !connection.is_handshaking()));
        println!("{version:?}: {} bytes a connection", grown / CONNECTIONS);
        // Or the next would live where these did.
        kept.push(connections);
    }
}

fn client_config(certificate: &str, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate"))
        .expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("is known")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// A connection over which a request and an answer went.
fn connect(client: &Arc<ClientConfig>, server: &TlsConfig) -> Box<TlsConnection> {
    let name = ServerName::try_from(NAME).expect("a name");
    let mut client = ClientConnection::new(Arc::clone(client), name).expect("a client");
    let mut server = Box::new(TlsConnection::new(server));
    client.writer().write_all(&[b'q'; 1000]).expect("into memory");
    let mut plain = Vec::new();
    loop {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("into memory");
        }
        server.receive(&mut bytes, &mut plain).expect("a right client");
        let mut answer = Vec::new();
        server.flush(&mut answer);
        if bytes.is_empty() && answer.is_empty() {
            break;
        }
        let mut answer = answer.as_slice();
        while !answer.is_empty() {
            client.read_tls(&mut answer).expect("from memory");
            client.process_new_packets().expect("a right server");
        }
    }
    assert_eq!(plain.len(), 1000);
    assert!(server.seal(&[b'a'; 1000], &mut Vec::new()));
    server
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux says it");
    let kilobytes: usize = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kilobytes * 1024
}
