//! Shards whose port speaks TLS: the move between shards in the middle of records, and peers that are too slow.

use std::{
    io::{Read, Write},
    sync::Arc,
};

use codec::tls::TlsConfig;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};

use super::{super::TlsRefusal, world::World};
use crate::{identity::Class, limits};

const NAME: &str = "desk.example";
const MESSAGES: usize = 30;

/// A port with TLS, and clients who trust it.
pub struct TlsPort {
    pub server: TlsConfig,
    client: Arc<ClientConfig>,
    /// The most bytes that arrive of a client at once.
    piece: usize,
}

impl TlsPort {
    pub fn new(version: &'static SupportedProtocolVersion, piece: usize) -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("makes one");
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate");
        roots.add(root).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("is known")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = TlsConfig::from_pem(certificate.as_bytes(), key.as_bytes()).expect("belong together");
        Self { server, client: Arc::new(client), piece }
    }

    pub fn client(&self) -> TlsClient {
        let name = ServerName::try_from(NAME).expect("a name");
        let connection = ClientConnection::new(Arc::clone(&self.client), name).expect("a client");
        TlsClient { connection, piece: self.piece, has_ended: false, is_mute: false }
    }
}

/// A client's half of TLS.
pub struct TlsClient {
    connection: ClientConnection,
    piece: usize,
    /// The server has said that it is the end.
    has_ended: bool,
    /// It neither reads nor says anything.
    is_mute: bool,
}

impl TlsClient {
    /// What the server's bytes say.
    pub fn hear(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut heard = Vec::new();
        while !bytes.is_empty() && !self.is_mute {
            self.connection.read_tls(&mut bytes).expect("from memory");
            let state = self.connection.process_new_packets().expect("the server's records are in order");
            self.has_ended |= state.peer_has_closed();
            let mut piece = [0; 20_000];
            while let Ok(count @ 1..) = self.connection.reader().read(&mut piece) {
                heard.extend_from_slice(&piece[..count]);
            }
        }
        heard
    }

    /// What is to be sent so that `bytes` are said, and what TLS has to say of itself.
    pub fn say(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.connection.writer().write_all(bytes).expect("into memory");
        let mut sealed = Vec::new();
        while self.connection.wants_write() && !self.is_mute {
            self.connection.write_tls(&mut sealed).expect("into memory");
        }
        sealed.chunks(self.piece).map(<[u8]>::to_vec).collect()
    }
}

/// A visitor with much to say, who does not wait; `turns` of the shards pass between any two of its words.
fn talk_on_the_move(version: &'static SupportedProtocolVersion, piece: usize, turns: usize, new_keys: bool) {
    for shards in [1, 4] {
        for shard in 0..shards {
            let mut world = World::on(Some(TlsPort::new(version, piece)), shards);
            let client = world.connect(shard);
            let token = world.visitor_token("u1", Class::Normal);
            world.send_text(client, &format!(r#"{{"type":"hello","role":"visitor","token":"{token}"}}"#));
            // The handshake has to go there and back before any of it is heard.
            for number in 0..MESSAGES {
                (0..turns).for_each(|_| world.tick());
                if new_keys
                    && number % 5 == 0
                    && world.clients[client].tls.as_mut().is_some_and(TlsClient::renew)
                {
                    world.send_bytes(client, Vec::new());
                }
                world.say(client, &format!("m{number}"), &"words ".repeat(40));
            }
            world.run();
            let acks: Vec<String> = world.acks(client).into_iter().map(|(id, _)| id).collect();
            let expected: Vec<String> = (0..MESSAGES).map(|number| format!("m{number}")).collect();
            assert_eq!(acks, expected, "{version:?}, pieces of {piece}, {turns} turns, {shard} of {shards}");
            world.assert_gapless();
        }
    }
}

impl TlsClient {
    /// New keys from now on; false: the handshake is not through.
    fn renew(&mut self) -> bool {
        self.connection.refresh_traffic_keys().is_ok()
    }
}

#[test]
fn a_visitor_goes_on_in_mid_record_on_the_shard_it_moves_to() {
    for version in [&TLS12, &TLS13] {
        for piece in [1, 13, 100, 100_000] {
            for turns in [0, 1, 2] {
                talk_on_the_move(version, piece, turns, false);
            }
        }
    }
}

#[test]
fn new_keys_asked_for_on_the_move_are_answered_after_it() {
    for piece in [13, 100_000] {
        for turns in [0, 1, 2] {
            talk_on_the_move(&TLS13, piece, turns, true);
        }
    }
}

#[test]
fn the_end_is_told_to_the_peer() {
    for version in [&TLS12, &TLS13] {
        let mut world = World::on(Some(TlsPort::new(version, 1000)), 2);
        let client = world.visitor(0, "u1", "");
        world.send_text(client, "no message");
        world.run();
        assert_eq!(world.clients[client].closed_with, Some(4400));
        assert!(world.clients[client].tls.as_ref().is_some_and(|tls| tls.has_ended), "close_notify");
    }
}

#[test]
fn a_peer_that_says_it_is_the_end_is_gone() {
    for version in [&TLS12, &TLS13] {
        let mut world = World::on(Some(TlsPort::new(version, 1000)), 2);
        let client = world.visitor(0, "u1", "");
        let tls = world.clients[client].tls.as_mut().expect("the port speaks it");
        tls.connection.send_close_notify();
        world.send_bytes(client, Vec::new());
        world.run();
        assert!(world.clients[client].gone);
        assert!(world.shards.iter().all(super::super::Shard::is_empty));
    }
}

#[test]
fn a_handshake_that_is_begun_and_not_ended_is_given_up() {
    let mut world = World::on(Some(TlsPort::new(&TLS13, 100_000)), 1);
    let client = world.connect(0);
    // It has said hello; what it would say next never comes.
    world.clients[client].tls.as_mut().expect("the port speaks it").is_mute = true;
    world.pass_ms(1_000);
    // One that sends a byte now and then is no better.
    for byte in [22, 3] {
        assert!(!world.clients[client].gone);
        world.send_as_is(client, vec![byte]);
        // And as much until all is at rest.
        world.pass_ms(100);
    }
    world.pass_ms(limits::SWEEP_MS);
    assert!(world.clients[client].gone);
    let refused = world.shards[0].counts().refused_tls;
    assert_eq!(refused[TlsRefusal::Timeout as usize], 1, "{refused:?}");
}

#[test]
fn a_record_that_trickles_in_is_no_sign_of_life() {
    let mut world = World::on(Some(TlsPort::new(&TLS13, 100_000)), 2);
    let client = world.visitor(0, "u1", "");
    let tls = world.clients[client].tls.as_mut().expect("the port speaks it");
    let mut record = tls.say(&[b'x'; 1_000]).concat();
    tls.is_mute = true;
    for _ in 0..4 {
        assert!(!world.clients[client].gone);
        world.send_as_is(client, record.drain(..1).collect());
        world.pass_ms(9_000);
    }
    world.pass_ms(20_000);
    assert!(world.clients[client].gone, "two heartbeats without a word");
}
