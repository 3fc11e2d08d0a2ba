//! A real server process and the clients to talk to it, for the tests beside this folder.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    ops::ControlFlow,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use codec::{
    Decoded,
    websocket::{
        Decoder, Incoming, Opcode, Side, encode_masked_frame, read_upgrade_response, request_upgrade,
    },
};
use serde_json::{Value, json};

/// Longest that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);
pub const PASSWORD: &str = "correct horse";

/// A server process on a data folder that outlives it.
pub struct Desk {
    pub data: tempfile::TempDir,
    backend: &'static str,
    shards: usize,
    process: Option<Child>,
    pub address: SocketAddr,
    pub metrics: SocketAddr,
    pub banner: String,
}

impl Desk {
    pub fn start(backend: &'static str, shards: usize) -> Self {
        let data = tempfile::tempdir().expect("a folder for the data");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut desk = Self {
            data,
            backend,
            shards,
            process: None,
            address: nowhere,
            metrics: nowhere,
            banner: String::new(),
        };
        desk.start_again();
        desk
    }

    /// Starts the process on the data there is.
    pub fn start_again(&mut self) {
        let mut command = ringdesk();
        if self.backend == "basic" {
            // The kernel refuses what Linux 5.1 had not; it can since 5.10.
            command.env("RINGDESK_RESTRICT_51", "1");
        }
        let mut process = command
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"])
            .args(["--backend", self.backend, "--shards", &self.shards.to_string(), "--data"])
            .arg(self.data.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(process.stdout.take().expect("piped"));
        self.banner.clear();
        // The banner ends with the line that names the second port.
        while !self.banner.contains("Metrics:") {
            let read = lines.read_line(&mut self.banner).expect("the banner is text");
            assert!(read > 0, "the server ended before it was ready:\n{}", self.banner);
        }
        // What else it prints must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        self.process = Some(process);
        self.address = self.address_after("Console:");
        self.metrics = self.address_after("Metrics:");
    }

    pub fn shards(&self) -> usize {
        self.shards
    }

    fn address_after(&self, word: &str) -> SocketAddr {
        let line = self.banner.lines().find(|line| line.contains(word)).expect("the banner names it");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an URL");
        address.parse().unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// As `kill -9` does it.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().expect("it can be killed");
        process.wait().expect("it ends");
    }

    /// As an operator does it: SIGTERM; the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut process = self.process.take().expect("it runs");
        let id = process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
        process.wait().expect("it ends").code()
    }

    pub fn add_agent(&self, name: &str, role: &str) {
        let mut add = ringdesk()
            .args(["agent", "add", "--name", name, "--role", role, "--password-stdin", "--data"])
            .arg(self.data.path())
            .stdin(Stdio::piped())
            .spawn()
            .expect("it starts");
        add.stdin.take().expect("piped").write_all(PASSWORD.as_bytes()).expect("it reads");
        assert!(add.wait().expect("it ends").success());
    }

    pub fn visitor_token(&self, visitor: &str, class: &str) -> String {
        let output = ringdesk()
            .args(["visitor-token", "--visitor", visitor, "--class", class, "--data"])
            .arg(self.data.path())
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a token is text").trim().to_owned()
    }

    pub fn login(&self, name: &str) -> String {
        let (status, body) =
            self.post("/api/v1/login", &json!({"name": name, "password": PASSWORD}).to_string());
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        body["token"].as_str().expect("a token").to_owned()
    }

    /// A request as written, the whole answer as text.
    pub fn raw(&self, request: &[u8]) -> String {
        let mut stream = connect(self.address);
        stream.write_all(request).expect("it takes the request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers and closes");
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn request(&self, head: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nhost: desk\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        split_answer(&self.raw(request.as_bytes()))
    }

    pub fn post(&self, path: &str, body: &str) -> (u16, String) {
        self.request(&format!("POST {path}"), body)
    }

    pub fn get(&self, path: &str, token: &str) -> (u16, String) {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: desk\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        split_answer(&self.raw(request.as_bytes()))
    }

    pub fn metrics_text(&self) -> String {
        let mut stream = connect(self.metrics);
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: desk\r\nconnection: close\r\n\r\n").expect("taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer
    }

    pub fn visitor(&self, hello: Value) -> Client {
        let mut client = Client::connect(self.address);
        let mut message = json!({"type": "hello", "role": "visitor"});
        message.as_object_mut().expect("an object").extend(hello.as_object().expect("an object").clone());
        client.send(&message);
        client.welcome = client.wait_for("welcome");
        client
    }

    pub fn agent(&self, token: &str, conversations: Value) -> Client {
        let mut client = Client::connect(self.address);
        client.send(&json!({"type":"hello","role":"agent","token":token,"conversations":conversations}));
        client.welcome = client.wait_for("welcome");
        client
    }

    pub fn ready_agent(&self, token: &str, capacity: u16) -> Client {
        let mut client = self.agent(token, json!({}));
        client.send(&json!({"type":"presence","state":"ready","capacity":capacity}));
        client
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}

/// The program under test.
pub fn ringdesk() -> Command {
    Command::new(Path::new(env!("CARGO_BIN_EXE_ringdesk")))
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is a timeout");
    stream
}

fn split_answer(answer: &str) -> (u16, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

/// A WebSocket client that waits.
pub struct Client {
    stream: TcpStream,
    decoder: Decoder,
    pub welcome: Value,
    inbox: VecDeque<Value>,
    pub closed_with: Option<u16>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let mut stream = connect(address);
        let mut request = Vec::new();
        request_upgrade("desk", "/ws", [9; 16], Some("ringdesk.v1"), &mut request);
        stream.write_all(&request).expect("it takes the request");
        let mut head = Vec::new();
        while let Decoded::NeedMore =
            read_upgrade_response(&head, [9; 16], Some("ringdesk.v1")).expect("an upgrade")
        {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a whole head");
            head.push(byte[0]);
        }
        let decoder = Decoder::new(Side::Client, 1 << 20);
        Self { stream, decoder, welcome: Value::Null, inbox: VecDeque::new(), closed_with: None }
    }

    pub fn send(&mut self, message: &Value) {
        self.send_frame(Opcode::Text, message.to_string().as_bytes());
    }

    pub fn send_frame(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut bytes = Vec::new();
        encode_masked_frame(opcode, payload, [1, 2, 3, 4], &mut bytes);
        self.stream.write_all(&bytes).expect("the server reads");
    }

    pub fn conversation(&self) -> String {
        self.welcome["conversation"].as_str().expect("a visitor's welcome names it").to_owned()
    }

    pub fn say(&mut self, id: &str, text: &str) {
        self.send(&json!({"type":"message","id":id,"content":{"kind":"text","text":text}}));
    }

    pub fn say_in(&mut self, conversation: &str, id: &str, text: &str) {
        let content = json!({"kind":"text","text":text});
        self.send(&json!({"type":"message","id":id,"conversation":conversation,"content":content}));
    }

    /// The next message of that type; others stay for later.
    pub fn wait_for(&mut self, kind: &str) -> Value {
        self.wait_until(kind, |_| true)
    }

    pub fn wait_until(&mut self, kind: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let found = self.inbox.iter().position(|message| message["type"] == kind && is_it(message));
            if let Some(index) = found {
                return self.inbox.remove(index).expect("found there");
            }
            self.receive(kind);
        }
    }

    /// Reads until the server closes; every message is kept.
    pub fn wait_for_close(&mut self) -> Option<u16> {
        while self.closed_with.is_none() {
            self.receive("close");
        }
        self.closed_with
    }

    fn receive(&mut self, wanted: &str) {
        let mut buffer = [0; 16 * 1024];
        let length = self.stream.read(&mut buffer).unwrap_or_else(|error| {
            panic!("waiting for {wanted}: {error}; what came: {:?}", self.inbox);
        });
        assert!(length > 0, "closed while waiting for {wanted}; what came: {:?}", self.inbox);
        let (inbox, closed_with) = (&mut self.inbox, &mut self.closed_with);
        let result = self.decoder.receive(&mut buffer[..length], &mut |incoming| {
            match incoming {
                Incoming::Text(text) => inbox.push_back(serde_json::from_str(text).expect("JSON")),
                Incoming::Close(code, _) => *closed_with = Some(code),
                Incoming::Binary(_) | Incoming::Ping(_) | Incoming::Pong(_) => {}
            }
            ControlFlow::Continue(())
        });
        result.expect("servers keep to RFC 6455");
    }

    /// Waits for the events of a conversation up to the message with these words, each as `seq kind words`.
    pub fn story_until(&mut self, conversation: &str, words: &str) -> Vec<String> {
        let mut story: Vec<String> = Vec::new();
        let mut last = 0;
        loop {
            let event = self.wait_until("event", |event| event["conversation"] == conversation);
            let seq = event["seq"].as_u64().expect("a number");
            assert!(seq > last, "{seq} after {last}");
            last = seq;
            let text = event["content"]["text"].as_str().unwrap_or_default();
            story.push(format!("{seq} {} {text}", event["kind"].as_str().expect("a word")));
            if text == words {
                return story;
            }
        }
    }
}
