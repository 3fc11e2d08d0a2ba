//! A real server process and the clients to talk to it, for the test targets beside this folder.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
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
    data: PathBuf,
    /// Where the data is, if it is this desk's own.
    _folder: Option<tempfile::TempDir>,
    backend: &'static str,
    shards: usize,
    /// Set for the server beside what this process has.
    environment: Vec<(&'static str, String)>,
    process: Option<Child>,
    log: Log,
    pub address: SocketAddr,
    pub metrics: SocketAddr,
    pub banner: String,
}

/// What the process that was started last has said on standard error.
#[derive(Default)]
struct Log {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Log {
    /// Keeps it, and passes it on to whoever reads the test's own output.
    fn follow(process: &mut Child) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let (kept, lines) = (Arc::clone(&text), BufReader::new(process.stderr.take().expect("piped")));
        let reader = std::thread::spawn(move || {
            for line in lines.lines() {
                let line = line.expect("the log is text");
                eprintln!("{line}");
                kept.lock().expect("nobody panics with it").extend([line.as_str(), "\n"]);
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        self.text.lock().expect("nobody panics with it").clone()
    }

    /// All of it: the process has ended.
    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the log is text");
        }
        self.text()
    }
}

impl Desk {
    pub fn start(backend: &'static str, shards: usize) -> Self {
        Self::start_on(tempfile::tempdir().expect("a folder for the data"), backend, shards)
    }

    /// Starts with variables set.
    pub fn start_with(backend: &'static str, shards: usize, variables: &[(&'static str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the data");
        let mut desk = Self::on(folder.path(), backend, shards);
        desk._folder = Some(folder);
        variables.iter().for_each(|(variable, value)| desk.set(variable, value));
        desk.start_again();
        desk
    }

    /// Starts on data that something else left.
    pub fn start_on(folder: tempfile::TempDir, backend: &'static str, shards: usize) -> Self {
        let mut desk = Self::on(folder.path(), backend, shards);
        desk._folder = Some(folder);
        desk.start_again();
        desk
    }

    /// One that is not started yet, on data that is somebody else's.
    pub fn on(data: &Path, backend: &'static str, shards: usize) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            data: data.to_owned(),
            _folder: None,
            backend,
            shards,
            environment: Vec::new(),
            process: None,
            log: Log::default(),
            address: nowhere,
            metrics: nowhere,
            banner: String::new(),
        }
    }

    /// Sets a variable for servers started from now on.
    pub fn set(&mut self, variable: &'static str, value: &str) {
        self.environment.push((variable, value.to_owned()));
    }

    /// Starts the process on the data there is.
    pub fn start_again(&mut self) {
        if let Err((code, log)) = self.try_start() {
            panic!("the server ended with {code:?} before it was ready:\n{}{log}", self.banner);
        }
    }

    /// Starts the process; where it ends instead, its exit code and what it said.
    pub fn try_start(&mut self) -> Result<(), (Option<i32>, String)> {
        let mut command = ringdesk();
        if self.backend == "basic" {
            // The kernel refuses what Linux 5.1 had not; it can since 5.10.
            command.env("RINGDESK_RESTRICT_51", "1");
        }
        let mut process = command
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"])
            .args(["--backend", self.backend, "--shards", &self.shards.to_string(), "--data"])
            .arg(&self.data)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        self.log = Log::follow(&mut process);
        let mut lines = BufReader::new(process.stdout.take().expect("piped"));
        self.banner.clear();
        // The banner ends with the line that names the second port.
        while !self.banner.contains("Metrics:") {
            if lines.read_line(&mut self.banner).expect("the banner is text") == 0 {
                let code = process.wait().expect("it ends").code();
                return Err((code, self.log.finish()));
            }
        }
        // What else it prints must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        self.process = Some(process);
        self.address = self.address_after(" on ");
        self.metrics = self.address_after("Metrics:");
        Ok(())
    }

    /// Waits until the log has these words.
    pub fn wait_for_log(&self, words: &str) {
        let began = std::time::Instant::now();
        while !self.log().contains(words) {
            assert!(began.elapsed() < PATIENCE, "never `{words}` in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the server that was started last has written to its log.
    pub fn log(&self) -> String {
        self.log.text()
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn shards(&self) -> usize {
        self.shards
    }

    fn address_after(&self, word: &str) -> SocketAddr {
        let line = self.banner.lines().find(|line| line.contains(word)).expect("the banner names it");
        let behind = line.split_once(word).expect("found above").1.trim();
        let behind = behind.split_once("://").map_or(behind, |(_, rest)| rest);
        let address = behind.split('/').next().expect("a first part");
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
        self.terminate();
        self.wait()
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Sends SIGTERM and waits for nothing.
    pub fn terminate(&self) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
    }

    /// Waits for its end; the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let mut process = self.process.take().expect("it runs");
        let code = process.wait().expect("it ends").code();
        self.log.finish();
        code
    }

    pub fn add_agent(&self, name: &str, role: &str) {
        let mut add = ringdesk()
            .args(["agent", "add", "--name", name, "--role", role, "--password-stdin", "--data"])
            .arg(&self.data)
            .stdin(Stdio::piped())
            .spawn()
            .expect("it starts");
        add.stdin.take().expect("piped").write_all(PASSWORD.as_bytes()).expect("it reads");
        assert!(add.wait().expect("it ends").success());
    }

    pub fn visitor_token(&self, visitor: &str, class: &str) -> String {
        let output = ringdesk()
            .args(["visitor-token", "--visitor", visitor, "--class", class, "--data"])
            .arg(&self.data)
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
        get_plain(self.metrics, "/metrics").1
    }

    /// The statuses of a path on the public port and on the second one.
    /// Waits until some metric, by its name and value, is as it must be.
    pub fn wait_for_metric(&self, is_it: impl Fn(&str, f64) -> bool) {
        let began = std::time::Instant::now();
        loop {
            let text = self.metrics_text();
            let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
            if lines
                .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
                .any(|(name, value)| is_it(name, value))
            {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "no metric is as it must be:\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    pub fn both_ports(&self, path: &str) -> [u16; 2] {
        [self.address, self.metrics].map(|address| get_plain(address, path).0)
    }

    pub fn visitor(&self, hello: Value) -> Client {
        Client::connect(self.address).hello(&hello)
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

/// The request that makes a connection a WebSocket.
pub fn upgrade_request(fields: &str) -> Vec<u8> {
    let mut request = Vec::new();
    request_upgrade("desk", "/ws", [9; 16], Some("ringdesk.v1"), &mut request);
    request.truncate(request.len() - 2);
    request.extend_from_slice(fields.as_bytes());
    request.extend_from_slice(b"\r\n");
    request
}

/// The program under test.
pub fn ringdesk() -> Command {
    Command::new(Path::new(env!("CARGO_BIN_EXE_ringdesk")))
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is a timeout");
    stream
}

fn get_plain(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = connect(address);
    let request = format!("GET {path} HTTP/1.1\r\nhost: desk\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it takes the request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers with text and closes");
    split_answer(&answer)
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
    /// Bytes that came since the upgrade.
    pub heard_bytes: usize,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self::upgrade(connect(address), "")
    }

    /// Over a connection that is there already, with fields of one's own, each with its CR LF.
    pub fn upgrade(mut stream: TcpStream, fields: &str) -> Self {
        stream.write_all(&upgrade_request(fields)).expect("it takes the request");
        let mut head = Vec::new();
        while let Decoded::NeedMore =
            read_upgrade_response(&head, [9; 16], Some("ringdesk.v1")).expect("an upgrade")
        {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a whole head");
            head.push(byte[0]);
        }
        Self::upgraded(stream, Decoder::new(Side::Client, 1 << 20))
    }

    fn upgraded(stream: TcpStream, decoder: Decoder) -> Self {
        let (welcome, inbox) = (Value::Null, VecDeque::new());
        Self { stream, decoder, welcome, inbox, closed_with: None, heard_bytes: 0 }
    }

    /// Connects and offers compression; whether it was granted.
    pub fn connect_offering_deflate(address: SocketAddr) -> (Self, bool) {
        let mut stream = connect(address);
        let mut request = Vec::new();
        request_upgrade("desk", "/ws", [9; 16], Some("ringdesk.v1"), &mut request);
        request.truncate(request.len() - 2);
        request.extend_from_slice(
            b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
        );
        stream.write_all(&request).expect("it takes the request");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a whole head");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("a head is text");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let granted = head.contains("\r\nSec-WebSocket-Extensions: permessage-deflate;");
        let decoder = if granted { Decoder::with_deflate } else { Decoder::new };
        (Self::upgraded(stream, decoder(Side::Client, 1 << 20)), granted)
    }

    /// Sends frames as they are.
    pub fn send_frames(&mut self, frames: &[u8]) {
        self.stream.write_all(frames).expect("the server reads");
    }

    /// Says hello as a visitor over it.
    pub fn hello(mut self, hello: &Value) -> Self {
        let mut message = json!({"type": "hello", "role": "visitor"});
        message.as_object_mut().expect("an object").extend(hello.as_object().expect("an object").clone());
        self.send(&message);
        self.welcome = self.wait_for("welcome");
        self
    }

    /// The next message of one of these types.
    pub fn wait_until_any(&mut self, kinds: &[&str]) -> Value {
        loop {
            let is_it = |message: &Value| kinds.iter().any(|kind| message["type"] == *kind);
            if let Some(index) = self.inbox.iter().position(is_it) {
                return self.inbox.remove(index).expect("found there");
            }
            self.receive(kinds[0]);
        }
    }

    /// Sends bytes as they are, to a server that may have gone; whether it has not.
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> bool {
        let sent = self.stream.write_all(bytes);
        if let Err(error) = &sent {
            assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        }
        sent.is_ok()
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
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

    /// As [`Self::say`], to a server that may have gone; whether it has not.
    pub fn try_say(&mut self, id: &str, text: &str) -> bool {
        let message = json!({"type":"message","id":id,"content":{"kind":"text","text":text}});
        let mut bytes = Vec::new();
        encode_masked_frame(Opcode::Text, message.to_string().as_bytes(), [1, 2, 3, 4], &mut bytes);
        self.try_send_raw(&bytes)
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

    /// The ack or refusal of the message with this id; nothing if the connection ends before.
    pub fn answer_to(&mut self, id: &str) -> Option<Value> {
        loop {
            if let Some(index) = self.inbox.iter().position(|message| is_answer(message, id)) {
                return self.inbox.remove(index);
            }
            if self.closed_with.is_some() || !self.read(id) {
                return None;
            }
        }
    }

    /// The newest message of that type that nobody took.
    /// The answer to a message, if it comes within that time.
    pub fn answer_within(&mut self, id: &str, patience: Duration) -> Option<Value> {
        self.stream.set_read_timeout(Some(patience)).expect("a time that is not zero");
        let answer = loop {
            if let Some(index) = self.inbox.iter().position(|message| is_answer(message, id)) {
                break self.inbox.remove(index);
            }
            // Only looks: what comes is read as always.
            match self.stream.peek(&mut [0]) {
                Ok(1..) => self.receive(id),
                Ok(0) | Err(_) => break None,
            }
        };
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
        answer
    }

    pub fn last_of(&self, kind: &str) -> Option<&Value> {
        self.inbox.iter().rfind(|message| message["type"] == kind)
    }

    /// Reads until the server closes; every message is kept.
    pub fn wait_for_close(&mut self) -> Option<u16> {
        while self.closed_with.is_none() {
            self.receive("close");
        }
        self.closed_with
    }

    fn receive(&mut self, wanted: &str) {
        let is_open = self.read(wanted);
        let (closed_with, inbox) = (self.closed_with, &self.inbox);
        assert!(is_open, "closed ({closed_with:?}) while waiting for {wanted}; what came: {inbox:?}");
    }

    /// Waits for what the server sends next; false: nothing any more.
    fn read(&mut self, wanted: &str) -> bool {
        let mut buffer = [0; 16 * 1024];
        let length = match self.stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            result => result.unwrap_or_else(|error| {
                panic!("waiting for {wanted}: {error}; what came: {:?}", self.inbox);
            }),
        };
        self.heard_bytes += length;
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
        length > 0
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

fn is_answer(message: &Value, id: &str) -> bool {
    message["id"] == id && (message["type"] == "ack" || message["type"] == "refused")
}
