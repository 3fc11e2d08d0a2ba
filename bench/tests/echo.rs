//! `ringdesk-echo` as a process, over each backend, seen by a client of plain blocking sockets.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    ops::ControlFlow,
    process::{Child, Command, Stdio},
};

use codec::{
    Decoded,
    websocket::{self, Decoder, Incoming, Side},
};

const BACKENDS: [&str; 3] = ["modern", "basic", "epoll"];
const KEY: [u8; 16] = [9; 16];
const FIN: u8 = 0x80;

struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(backend: &str, shards: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_ringdesk-echo"))
            .args(["--listen", "127.0.0.1:0", "--shards", shards, "--backend", backend])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next());
        let address = address.and_then(|text| text.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}"));
        assert!(line.ends_with(&format!("(backend {backend})\n")), "{line:?}");
        Self { process, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().expect("it runs until now");
        self.process.wait().expect("it ends");
    }
}

/// What came back: opcode by name, and payload.
#[derive(Debug, PartialEq)]
enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    Closed(u16),
}

struct Client {
    stream: TcpStream,
    decoder: Decoder,
    heard: Vec<Heard>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        let mut request = Vec::new();
        websocket::request_upgrade("echo", "/any/path", KEY, None, &mut request);
        stream.write_all(&request).expect("sent");
        let mut head = Vec::new();
        loop {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a response");
            head.push(byte[0]);
            match websocket::read_upgrade_response(&head, KEY, None).expect("a right response") {
                Decoded::NeedMore => {}
                Decoded::Complete { .. } => break,
            }
        }
        Self { stream, decoder: Decoder::new(Side::Client, usize::MAX), heard: Vec::new() }
    }

    /// Sends one frame as it is told to: the first byte of the header is the caller's.
    fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match payload.len() {
            0..126 => frame.push(FIN | payload.len() as u8),
            126..65_536 => {
                frame.push(FIN | 126);
                frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
            }
            _ => {
                frame.push(FIN | 127);
                frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        let mask = [0x11, 0x22, 0x33, 0x44];
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
        self.stream.write_all(&frame).expect("the server takes it");
    }

    /// The next message.
    fn hear(&mut self) -> Heard {
        let mut buffer = vec![0; 256 * 1024];
        while self.heard.is_empty() {
            let count = self.stream.read(&mut buffer).expect("readable");
            assert!(count > 0, "the server hung up without a word");
            let heard = &mut self.heard;
            let received = self.decoder.receive(&mut buffer[..count], &mut |message| {
                heard.push(match message {
                    Incoming::Text(text) => Heard::Text(text.to_owned()),
                    Incoming::Binary(bytes) => Heard::Binary(bytes.to_vec()),
                    Incoming::Pong(bytes) => Heard::Pong(bytes.to_vec()),
                    Incoming::Close(code, _) => Heard::Closed(code),
                    Incoming::Ping(_) => panic!("an echo server has nothing to ask"),
                });
                ControlFlow::Continue(())
            });
            received.expect("right frames");
        }
        self.heard.remove(0)
    }

    /// The server ends the connection after its close frame.
    fn hear_the_end(&mut self) {
        assert_eq!(self.stream.read(&mut [0; 16]).expect("an orderly end"), 0);
    }
}

fn each_backend(check: impl Fn(&mut Client)) {
    for backend in BACKENDS {
        let server = Server::start(backend, "1");
        check(&mut Client::connect(server.address));
    }
}

#[test]
fn fragmented_text_comes_back_whole_with_a_ping_answered_between() {
    each_backend(|client| {
        client.send(0x01, "你".as_bytes());
        client.send(FIN | 0x09, b"there?");
        client.send(0x00, b"");
        client.send(FIN, "好".as_bytes());
        assert_eq!(client.hear(), Heard::Pong(b"there?".to_vec()));
        assert_eq!(client.hear(), Heard::Text("你好".to_owned()));
    });
}

#[test]
fn a_message_of_the_largest_size_comes_back_unharmed() {
    each_backend(|client| {
        let large: Vec<u8> = (0..bench::echo::MESSAGE_BYTES_MAX).map(|at| (at % 251) as u8).collect();
        client.send(FIN | 0x02, &large);
        assert!(client.hear() == Heard::Binary(large), "the bytes differ");
    });
}

#[test]
fn a_message_beyond_the_limit_is_refused_with_1009() {
    each_backend(|client| {
        let length = bench::echo::MESSAGE_BYTES_MAX as u64 + 1;
        client.stream.write_all(&[FIN | 0x02, FIN | 127]).expect("sent");
        client.stream.write_all(&length.to_be_bytes()).expect("sent");
        client.stream.write_all(&[0; 4]).expect("sent");
        assert_eq!(client.hear(), Heard::Closed(1009));
    });
}

#[test]
fn bad_utf8_is_refused_with_1007() {
    each_backend(|client| {
        client.send(FIN | 0x01, b"\xce\xba\xff");
        assert_eq!(client.hear(), Heard::Closed(1007));
        client.hear_the_end();
    });
}

#[test]
fn a_close_is_answered_and_ends_the_connection() {
    each_backend(|client| {
        client.send(FIN | 0x08, &[0x0f, 0xa1]);
        assert_eq!(client.hear(), Heard::Closed(4001));
        client.hear_the_end();
    });
}

#[test]
fn several_shards_share_one_port() {
    for backend in BACKENDS {
        let server = Server::start(backend, "3");
        let mut clients: Vec<Client> = (0..24).map(|_| Client::connect(server.address)).collect();
        for client in &mut clients {
            client.send(FIN | 0x01, b"hello");
        }
        for client in &mut clients {
            assert_eq!(client.hear(), Heard::Text("hello".to_owned()));
        }
    }
}
