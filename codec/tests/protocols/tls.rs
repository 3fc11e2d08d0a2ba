//! TLS against rustls as a client: every split of the bytes, both versions, resumption, ends, and what is not TLS.

use std::{
    io::{Read, Write},
    sync::Arc,
};

use codec::{
    fuzz::Mutations,
    tls::{HELD_BYTES_MAX, TlsConfig, TlsConfigError, TlsConnection, TlsFault},
};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};

/// Alert is record type 21 (RFC 8446, section 5.1).
const ALERT: u8 = 21;

struct Identity {
    certificate: String,
    key: String,
}

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(["desk.example".to_owned()]).expect("makes one");
    Identity { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

impl Identity {
    fn server_config(&self) -> TlsConfig {
        TlsConfig::from_pem(self.certificate.as_bytes(), self.key.as_bytes()).expect("belong together")
    }

    fn client_config(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate");
        roots.add(root).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("is known")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

fn client_of(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("desk.example").expect("a name");
    ClientConnection::new(Arc::clone(config), name).expect("a client")
}

/// A client and a server that have not spoken.
fn pair(version: &'static SupportedProtocolVersion) -> (ClientConnection, TlsConnection) {
    let identity = identity();
    (client_of(&identity.client_config(version)), TlsConnection::new(&identity.server_config()))
}

/// What the client has to send.
fn sent_by(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).expect("into memory");
    }
    bytes
}

/// The client reads bytes of the server; what they say.
fn heard_by(client: &mut ClientConnection, mut bytes: &[u8]) -> Vec<u8> {
    let mut heard = Vec::new();
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).expect("from memory");
        client.process_new_packets().expect("a right server");
        let mut piece = [0; 20_000];
        while let Ok(count @ 1..) = client.reader().read(&mut piece) {
            heard.extend_from_slice(&piece[..count]);
        }
    }
    heard
}

/// Both speak until nobody has anything to say; the client's bytes arrive in pieces of `piece`. What it said.
fn carry(client: &mut ClientConnection, server: &mut TlsConnection, piece: usize) -> Vec<u8> {
    let mut plain = Vec::new();
    loop {
        let mut to_server = sent_by(client);
        for bytes in to_server.chunks_mut(piece) {
            server.receive(bytes, &mut plain).expect("a right client");
        }
        let mut to_client = Vec::new();
        server.flush(&mut to_client);
        heard_by(client, &to_client);
        if to_server.is_empty() && to_client.is_empty() {
            return plain;
        }
    }
}

#[test]
fn words_go_both_ways_in_both_versions_however_the_bytes_are_split() {
    for version in [&TLS12, &TLS13] {
        for piece in [1, 2, 7, 100, 100_000] {
            let (mut client, mut server) = pair(version);
            let question: Vec<u8> = (0..50_000).map(|number| number as u8).collect();
            client.writer().write_all(&question).expect("into memory");
            assert_eq!(carry(&mut client, &mut server, piece), question, "{version:?} in pieces of {piece}");
            assert!(!server.is_handshaking());
            assert_eq!(server.held_bytes(), 0);

            let answer = vec![b'x'; 100_000];
            let mut sealed = Vec::new();
            assert!(server.seal(&answer, &mut sealed));
            assert!(server.seal(b"y", &mut sealed));
            let mut heard = heard_by(&mut client, &sealed);
            assert_eq!(heard.pop(), Some(b'y'));
            assert_eq!(heard, answer);
        }
    }
}

#[test]
fn nothing_can_be_said_before_the_handshake_is_through() {
    let (mut client, mut server) = pair(&TLS13);
    let mut out = Vec::new();
    assert!(!server.seal(b"early", &mut out));
    server.close(&mut out);
    assert!(out.is_empty());
    let mut hello = sent_by(&mut client);
    server.receive(&mut hello, &mut Vec::new()).expect("a right client");
    assert!(!server.seal(b"early", &mut out));
    assert!(out.windows(5).all(|window| window != b"early"));
    assert!(!out.is_empty(), "its part of the handshake is given to whoever writes next");
}

#[test]
fn a_session_is_resumed_by_its_ticket_and_not_with_another_certificate() {
    for version in [&TLS12, &TLS13] {
        let identity = identity();
        let (config, client_config) = (identity.server_config(), identity.client_config(version));
        let kind = |config: &TlsConfig| {
            let (mut client, mut server) = (client_of(&client_config), TlsConnection::new(config));
            carry(&mut client, &mut server, 1000);
            client.handshake_kind().expect("it is through")
        };
        assert_eq!(kind(&config), HandshakeKind::Full);
        assert_eq!(kind(&config), HandshakeKind::Resumed, "{version:?}");
        // Read again: whoever was let in by an old key has to show up anew.
        assert_eq!(kind(&identity.server_config()), HandshakeKind::Full, "{version:?}");
    }
}

#[test]
fn an_end_is_told_and_heard() {
    for version in [&TLS12, &TLS13] {
        let (mut client, mut server) = pair(version);
        carry(&mut client, &mut server, 1000);
        client.writer().write_all(b"last").expect("into memory");
        client.send_close_notify();
        let mut bytes = sent_by(&mut client);
        bytes.extend_from_slice(b"and noise behind it");
        let mut plain = Vec::new();
        server.receive(&mut bytes, &mut plain).expect("a right client");
        assert_eq!(plain, b"last");
        assert!(server.peer_has_ended());
        assert_eq!(server.held_bytes(), 0, "nothing is kept of what comes after the end");

        let mut sealed = Vec::new();
        assert!(server.seal(b"answered all the same", &mut sealed));
        server.close(&mut sealed);
        assert!(!server.seal(b"too late", &mut sealed));
        assert_eq!(heard_by(&mut client, &sealed), b"answered all the same");
        assert_eq!(client.reader().read(&mut [0]).expect("an end, not a cut"), 0);
    }
}

#[test]
fn new_keys_are_taken_and_answered() {
    let (mut client, mut server) = pair(&TLS13);
    carry(&mut client, &mut server, 1000);
    for round in 0..5_u8 {
        client.refresh_traffic_keys().expect("the handshake is through");
        client.writer().write_all(&[round; 10]).expect("into memory");
        assert_eq!(carry(&mut client, &mut server, 3), [round; 10]);
        let mut sealed = Vec::new();
        assert!(server.seal(&[round], &mut sealed));
        assert_eq!(heard_by(&mut client, &sealed), [round]);
    }
}

#[test]
fn plain_http_is_told_from_other_nonsense() {
    for bytes in
        [&b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n"[..], b"P", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"]
    {
        let (_, mut server) = pair(&TLS13);
        assert_eq!(server.receive(&mut bytes.to_vec(), &mut Vec::new()), Err(TlsFault::PlainHttp));
        assert!(!server.wants_flush(), "an alert would mean nothing to it");
    }
}

#[test]
fn what_is_not_tls_is_refused_with_an_alert() {
    let cases: [&[u8]; 5] = [
        &[0; 64],
        // A record longer than any, an empty one, one that only comes later, a version 1.0 of long ago.
        &[22, 3, 1, 255, 255, 1],
        &[22, 3, 1, 0, 0],
        &[23, 3, 3, 0, 1, 0],
        &[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 16],
    ];
    for bytes in cases {
        for piece in [1, bytes.len()] {
            let (_, mut server) = pair(&TLS13);
            let mut plain = Vec::new();
            let refused = bytes
                .to_vec()
                .chunks_mut(piece)
                .map(|bytes| server.receive(bytes, &mut plain))
                .find_map(Result::err);
            assert!(matches!(refused, Some(TlsFault::Malformed(_))), "{bytes:?}: {refused:?}");
            assert!(plain.is_empty());
            let mut alert = Vec::new();
            server.flush(&mut alert);
            assert_eq!(alert.first(), Some(&ALERT), "{bytes:?}");
            assert_eq!(alert.len(), 7, "one alert: {alert:?}");
            assert!(!server.seal(b"x", &mut alert));
        }
    }
}

#[test]
fn a_handshake_message_of_16_mib_is_refused_when_its_length_is_read() {
    let (_, mut server) = pair(&TLS13);
    let mut bytes = [22, 3, 1, 0, 5, 1, 0xff, 0xff, 0xff, 0];
    assert!(server.receive(&mut bytes, &mut Vec::new()).is_err());
    assert_eq!(server.held_bytes(), 0);
}

#[test]
fn a_handshake_in_crumbs_is_given_up_before_it_costs_much() {
    let (_, mut server) = pair(&TLS13);
    // A handshake message of 60,000 bytes is within the rules; each of these records has one byte of it.
    let mut first = vec![22, 3, 1, 0, 4, 1, 0, 0xea, 0x60];
    let mut plain = Vec::new();
    let mut result = server.receive(&mut first, &mut plain);
    let mut most = 0;
    while result.is_ok() {
        result = server.receive(&mut [22, 3, 1, 0, 1, 0], &mut plain);
        most = most.max(server.held_bytes());
    }
    assert_eq!(result, Err(TlsFault::MessageTooLong));
    assert!(most <= HELD_BYTES_MAX);
    assert_eq!(server.held_bytes(), 0);
}

#[test]
fn a_byte_changed_on_the_way_is_a_fault_and_never_another_word() {
    for version in [&TLS12, &TLS13] {
        for at in 0..22 {
            let (mut client, mut server) = pair(version);
            carry(&mut client, &mut server, 1000);
            client.writer().write_all(b"words").expect("into memory");
            let mut sent = sent_by(&mut client);
            // Behind type, version and length.
            sent[5 + at] ^= 1 << (at % 8);
            let mut plain = Vec::new();
            assert!(matches!(server.receive(&mut sent, &mut plain), Err(TlsFault::Malformed(_))), "{at}");
            assert!(plain.is_empty(), "{plain:?}");
            assert!(server.wants_flush(), "the alert");
        }
    }
}

#[test]
fn a_handshake_of_noise_ends_in_a_fault_or_waits_but_never_panics() {
    for version in [&TLS12, &TLS13] {
        for seed in 0..1_000 {
            let (mut client, mut server) = pair_of_noise(version);
            let hello = sent_by(&mut client);
            let mut noise = Mutations::new(seed, &hello).next().expect("they never end");
            let mut plain = Vec::new();
            let result = noise.chunks_mut(97).try_for_each(|bytes| server.receive(bytes, &mut plain));
            assert!(plain.is_empty(), "{result:?}");
            assert!(server.is_handshaking());
        }
    }
}

/// As [`pair`], with one identity for all: making one is slow.
fn pair_of_noise(version: &'static SupportedProtocolVersion) -> (ClientConnection, TlsConnection) {
    static IDENTITY: std::sync::LazyLock<Identity> = std::sync::LazyLock::new(identity);
    (client_of(&IDENTITY.client_config(version)), TlsConnection::new(&IDENTITY.server_config()))
}

#[test]
fn files_that_are_of_no_use_say_which_and_why() {
    let (one, other) = (identity(), identity());
    let error = |certificate: &str, key: &str| {
        TlsConfig::from_pem(certificate.as_bytes(), key.as_bytes()).expect_err("is of no use")
    };
    assert_eq!(error("", &one.key), TlsConfigError::NoCertificate);
    assert_eq!(error(&one.key, &one.key), TlsConfigError::NoCertificate);
    assert_eq!(error(&one.certificate, ""), TlsConfigError::NoKey);
    assert_eq!(error(&one.certificate, &one.certificate), TlsConfigError::NoKey);
    assert_eq!(error(&one.certificate, &other.key), TlsConfigError::Mismatch);
    let cut = &one.certificate[..one.certificate.len() / 2];
    assert_eq!(error(cut, &one.key), TlsConfigError::NoCertificate);
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(error(garbled, &one.key), TlsConfigError::Unusable(_)));
}
