//! A tiny blocking HTTP client for what happens before and after a run: logins and questions. One request a
//! connection; no TLS.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use codec::http::{BodyDecoder, BodyLength, Limits};

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer, in bytes.
const LIMITS: Limits =
    Limits { head_bytes_max: 32 * 1024, headers_max: 64, body_bytes_max: 64 * 1024 * 1024 };
/// Most header fields of an answer.
const HEADERS_MAX: usize = 64;

/// Why there is no good answer.
#[derive(Debug)]
pub enum HttpFault {
    /// The server cannot be reached, or hangs up.
    Io(io::Error),
    /// What came is not HTTP/1.1 within the limits.
    NotHttp,
    /// Another status than 200: the body says why.
    Status(u16, String),
    /// The body is not the JSON that was expected.
    NotJson(serde_json::Error),
}

impl fmt::Display for HttpFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::NotHttp => f.write_str("the answer is not HTTP/1.1"),
            Self::Status(status, body) => write!(f, "status {status}: {}", body.trim()),
            Self::NotJson(error) => write!(f, "the answer is not the JSON expected: {error}"),
        }
    }
}

impl std::error::Error for HttpFault {}

impl From<io::Error> for HttpFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Asks and returns the body of a 200.
pub fn request(
    address: SocketAddr,
    host: &str,
    method: &str,
    target: &str,
    token: Option<&str>,
    body: &str,
) -> Result<Vec<u8>, HttpFault> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{authorization}Content-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    read_answer(&mut stream)
}

fn read_answer(stream: &mut impl Read) -> Result<Vec<u8>, HttpFault> {
    let mut raw = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let head = loop {
        if let Some(head) = parse_head(&raw)? {
            break head;
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 || raw.len() > LIMITS.head_bytes_max {
            return Err(HttpFault::NotHttp);
        }
        raw.extend_from_slice(&buffer[..count]);
    };
    let mut decoder = BodyDecoder::new(head.length, &LIMITS).map_err(|_| HttpFault::NotHttp)?;
    let mut body = Vec::new();
    let mut rest = raw.split_off(head.used);
    loop {
        let (_, whole) = decoder.receive(&rest, &mut body).map_err(|_| HttpFault::NotHttp)?;
        if whole {
            break;
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(HttpFault::NotHttp);
        }
        rest = buffer[..count].to_vec();
    }
    match head.status {
        200 => Ok(body),
        other => Err(HttpFault::Status(other, String::from_utf8_lossy(&body).into_owned())),
    }
}

struct Head {
    status: u16,
    length: BodyLength,
    used: usize,
}

fn parse_head(raw: &[u8]) -> Result<Option<Head>, HttpFault> {
    let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&raw[..end]).map_err(|_| HttpFault::NotHttp)?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status = status.ok_or(HttpFault::NotHttp)?;
    let mut length = BodyLength::None;
    for line in lines.take(HEADERS_MAX) {
        let (name, value) = line.split_once(':').ok_or(HttpFault::NotHttp)?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = BodyLength::Exactly(value.parse().map_err(|_| HttpFault::NotHttp)?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            length = BodyLength::Chunked;
        }
    }
    Ok(Some(Head { status, length, used: end + 4 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes one at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn check(answer: &str, expected: Result<&str, &str>) {
        let got = [read_answer(&mut answer.as_bytes()), read_answer(&mut Slowly(answer.as_bytes()))];
        for got in got {
            let got =
                got.map(|body| String::from_utf8(body).expect("text")).map_err(|fault| fault.to_string());
            assert_eq!(got.as_deref().map_err(String::as_str), expected);
        }
    }

    #[test]
    fn answers_are_read_as_they_are_framed() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Ok("{}"));
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", Ok("{}"));
        check("HTTP/1.1 200 OK\r\n\r\n", Ok(""));
        check("HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno\n", Err("status 401: no"));
        check("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", Err("the answer is not HTTP/1.1"));
        check("SSH-2.0\r\n\r\n", Err("the answer is not HTTP/1.1"));
    }
}
