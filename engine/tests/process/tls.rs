//! The public port speaks TLS: the same conversations, on every backend, over a move between shards, with a new
//! certificate on SIGHUP, and with peers that do not speak it.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use serde_json::json;

use crate::desk::{Client, Desk, ringdesk};

const NAME: &str = "desk.example";
const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
/// How often a test looks whether something is so, each time after a twentieth of a second.
const LOOKS: u32 = 200;

pub type Sealed = StreamOwned<ClientConnection, TcpStream>;

/// Writes a new certificate and its key, and returns the certificate.
pub fn renew(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("makes one");
    fs::write(folder.join("cert.pem"), made.cert.pem()).expect("writes");
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("writes");
    made.cert.pem()
}

pub fn trust(certificate: &str, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
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

/// TLS over a connection.
pub fn over(stream: TcpStream, trust: &Arc<ClientConfig>) -> Sealed {
    let name = ServerName::try_from(NAME).expect("a name");
    let connection = ClientConnection::new(Arc::clone(trust), name).expect("a client");
    StreamOwned::new(connection, stream)
}

fn connect(server: SocketAddr, trust: &Arc<ClientConfig>) -> Sealed {
    over(TcpStream::connect(server).expect("it listens"), trust)
}

/// The status line of `/health/ready`, or why there is none. The connection stays.
fn ask(stream: &mut Sealed) -> String {
    let request = format!("GET /health/ready HTTP/1.1\r\nHost: {NAME}\r\n\r\n");
    let mut answer = Vec::new();
    if let Err(error) = stream.write_all(request.as_bytes()) {
        return error.to_string();
    }
    while !answer.ends_with(b"ready\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => return "an end".to_owned(),
            Ok(_) => answer.push(byte[0]),
            Err(error) => return error.to_string(),
        }
    }
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

fn is_ready(server: SocketAddr, trust: &Arc<ClientConfig>) -> bool {
    ask(&mut connect(server, trust)) == "HTTP/1.1 200 OK"
}

/// A door through which plain clients reach a TLS server, which is told `preface` first.
pub fn tunnel(server: SocketAddr, trust: Arc<ClientConfig>, preface: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for plain in listener.incoming() {
            let mut stream = TcpStream::connect(server).expect("it listens");
            stream.write_all(&preface).expect("it takes bytes");
            let (plain, sealed) = (plain.expect("a client"), over(stream, &trust));
            std::thread::spawn(move || carry(plain, sealed));
        }
    });
    address
}

/// Both ways in turns: whoever has something says it within a few milliseconds.
fn carry(mut plain: TcpStream, mut sealed: Sealed) {
    sealed.conn.complete_io(&mut sealed.sock).expect("a handshake");
    let turn = Some(std::time::Duration::from_millis(2));
    plain.set_read_timeout(turn).expect("a time");
    sealed.sock.set_read_timeout(turn).expect("a time");
    let mut buffer = [0; 16 * 1024];
    loop {
        match plain.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => sealed.write_all(&buffer[..length]).expect("the server reads"),
            Err(_) => {}
        }
        match sealed.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => plain.write_all(&buffer[..length]).expect("the test reads"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

fn desk(backend: &'static str, shards: usize, folder: &Path) -> Desk {
    let mut desk = Desk::on(&folder.join("data"), backend, shards);
    desk.set("RINGDESK_TLS_CERT", folder.join("cert.pem").to_str().expect("a path in text"));
    desk.set("RINGDESK_TLS_KEY", folder.join("key.pem").to_str().expect("a path in text"));
    desk.start_again();
    desk
}

/// Runs a test on every backend and number of shards there is.
fn everywhere(test: impl Fn(Desk, &Path, String)) {
    for backend in ["modern", "basic", "epoll"] {
        for shards in [1, 4] {
            eprintln!("backend {backend}, {shards} shards");
            let folder = tempfile::tempdir().expect("a folder");
            let certificate = renew(folder.path());
            test(desk(backend, shards, folder.path()), folder.path(), certificate);
        }
    }
}

#[test]
fn conversations_over_tls_move_to_their_shards_and_go_on() {
    everywhere(|mut desk, _, certificate| {
        let text = "long words ".repeat(300);
        for version in VERSIONS {
            let door = tunnel(desk.address, trust(&certificate, version), Vec::new());
            for number in 0..6 {
                let mut client = Client::connect(door);
                let token = desk.visitor_token(&format!("{version:?}-{number}"), "normal");
                // All at once: some of it comes while the connection is on its way to its shard.
                client.send(&json!({"type": "hello", "role": "visitor", "token": token}));
                for message in 0..20 {
                    client.say(&format!("m{message}"), &text);
                }
                client.wait_for("welcome");
                for message in 0..20 {
                    assert_eq!(client.wait_for("ack")["id"], format!("m{message}"));
                }
                let conversation =
                    client.wait_for("event")["conversation"].as_str().expect("an id").to_owned();
                client.say("last", "the end");
                let story = client.story_until(&conversation, "the end");
                assert_eq!(story.iter().filter(|event| event.contains(&text)).count(), 19);
            }
        }
        assert_eq!(desk.stop(), Some(0));
    });
}

#[test]
fn a_large_answer_arrives_whole_and_its_end_is_told() {
    everywhere(|desk, _, certificate| {
        for version in VERSIONS {
            let mut stream = connect(desk.address, &trust(&certificate, version));
            let request =
                format!("GET /api/v1/openapi.json HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).expect("it reads");
            let mut answer = String::new();
            // An end without `close_notify` would be an error here.
            stream.read_to_string(&mut answer).expect("a whole answer and an end");
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            serde_json::from_str::<serde_json::Value>(body).expect("the whole document");
        }
    });
}

#[test]
fn sessions_are_resumed_whichever_shard_takes_the_connection() {
    everywhere(|desk, _, certificate| {
        for version in VERSIONS {
            let trust = trust(&certificate, version);
            let kind = || {
                let mut stream = connect(desk.address, &trust);
                assert_eq!(ask(&mut stream), "HTTP/1.1 200 OK");
                stream.conn.handshake_kind().expect("it is through")
            };
            assert_eq!(kind(), HandshakeKind::Full);
            for _ in 0..8 {
                assert_eq!(kind(), HandshakeKind::Resumed, "{version:?}");
            }
        }
    });
}

#[test]
fn on_sighup_new_connections_get_the_new_certificate_and_old_ones_go_on() {
    everywhere(|mut desk, folder, old| {
        let trust_old = trust(&old, &TLS13);
        let mut long_lived = connect(desk.address, &trust_old);
        assert_eq!(ask(&mut long_lived), "HTTP/1.1 200 OK");

        fs::write(folder.join("key.pem"), "no key").expect("writes");
        hang_up(&desk);
        wait_until(|| desk.log().contains("certificate and key, and all else, stay as they were"));
        assert!(desk.log().contains("key.pem has no private key in PEM"), "{}", desk.log());
        assert_eq!(desk.log().matches("ERROR").count(), 1, "{}", desk.log());
        assert!(is_ready(desk.address, &trust_old));

        let trust_new = trust(&renew(folder), &TLS13);
        hang_up(&desk);
        // Each shard hears of it in a turn of its own.
        for _ in 0..10 {
            wait_until(|| is_ready(desk.address, &trust_new));
        }
        wait_until(|| !is_ready(desk.address, &trust_old));
        assert_eq!(ask(&mut long_lived), "HTTP/1.1 200 OK", "it was let in by the old one");
        assert_eq!(desk.stop(), Some(0));
    });
}

#[test]
fn sighup_without_tls_ends_nothing() {
    let mut desk = Desk::start("epoll", 1);
    hang_up(&desk);
    wait_until(|| desk.log().contains("settings were read again"));
    assert_eq!(desk.stop(), Some(0));
}

pub fn hang_up(desk: &Desk) {
    let id = desk.process_id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().expect("kill runs").success());
}

pub fn wait_until(is_so: impl Fn() -> bool) {
    for _ in 0..LOOKS {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("it never comes about");
}

#[test]
fn who_does_not_speak_tls_gets_a_clear_answer_and_harms_nobody() {
    everywhere(|desk, _, certificate| {
        let trust = trust(&certificate, &TLS13);
        let mut other = connect(desk.address, &trust);
        assert_eq!(ask(&mut other), "HTTP/1.1 200 OK");

        let answer = desk.raw(b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("this port speaks TLS; use https:// or wss://"), "{answer}");
        for nonsense in [&[0; 64][..], &[22, 3, 1, 255, 255, 1], b"\x80\x2e\x01\x00\x02 as long ago"] {
            let mut plain = TcpStream::connect(desk.address).expect("it listens");
            plain.write_all(nonsense).expect("it takes bytes");
            let mut answer = Vec::new();
            plain.read_to_end(&mut answer).expect("an end");
            assert_eq!(answer.first(), Some(&21), "an alert (RFC 8446, section 5.1)");
        }
        // One that does not trust our certificate, and one that leaves in the middle.
        let stranger = renewed_elsewhere();
        assert!(!is_ready(desk.address, &stranger));
        let mut half = TcpStream::connect(desk.address).expect("it listens");
        half.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).expect("it takes bytes");
        drop(half);

        for (reason, count) in [("plain_http", 1.0), ("malformed", 3.0), ("alert", 1.0)] {
            let labels = format!("ringdesk_tls_refused_total{{reason=\"{reason}\"}}");
            desk.wait_for_metric(|name, value| name == labels && value == count);
        }
        assert_eq!(ask(&mut other), "HTTP/1.1 200 OK");
    });
}

/// Trust in somebody else.
fn renewed_elsewhere() -> Arc<ClientConfig> {
    let folder = tempfile::tempdir().expect("a folder");
    trust(&renew(folder.path()), &TLS13)
}

#[test]
fn files_that_are_of_no_use_stop_the_start_and_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    renew(folder.path());
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let mut desk = desk("epoll", 1, folder.path());
    assert_eq!(desk.stop(), Some(0));
    let mut refused = |expected: &[&str]| {
        let (code, log) = desk.try_start().expect_err("it cannot serve");
        assert_eq!(code, Some(1));
        expected.iter().for_each(|expected| assert!(log.contains(expected), "no `{expected}` in {log}"));
    };
    let right = fs::read(&certificate).expect("it is there");
    fs::write(&certificate, "no certificate").expect("writes");
    refused(&["cert.pem has no certificate in PEM; it must have"]);
    let other = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("makes one");
    fs::write(&certificate, other.cert.pem()).expect("writes");
    refused(&["cert.pem and ", "key.pem do not belong together; the key must be"]);
    fs::write(&certificate, right).expect("writes");
    fs::remove_file(&key).expect("it is there");
    refused(&["cannot read ", "key.pem", "check the path"]);

    let one_only = ringdesk().args(["serve", "--tls-cert", "cert.pem"]).output().expect("it runs");
    assert_eq!(one_only.status.code(), Some(2));
    let said = String::from_utf8_lossy(&one_only.stderr);
    assert!(said.contains("--tls-cert goes with --tls-key; give both or none"), "{said}");
}
