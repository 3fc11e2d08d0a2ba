//! How a response is framed (RFC 9112, section 6), and its head.

use http::{HeaderMap, Method, Request, StatusCode, Version, header, response::Parts};

/// What the request decides about its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framing {
    head_only: bool,
    chunks_understood: bool,
    /// Whether the connection ends with this response.
    pub(super) close: bool,
}

/// How the end of the body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// There is none, and its length is not told.
    None,
    /// To HEAD: as the answer to GET, without its body.
    HeadOnly,
    /// By its length.
    Length(u64),
    /// By the last chunk.
    Chunked,
    /// By the end of the connection, for clients that do not know chunks.
    UntilClose,
}

impl Framing {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let old = request.version() < Version::HTTP_11;
        Self {
            head_only: request.method() == Method::HEAD,
            chunks_understood: !old,
            close: old || asks_to_close(request.headers()),
        }
    }

    pub(super) fn body(self, status: StatusCode, length: Option<u64>) -> BodyFraming {
        let bodiless =
            status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        match length {
            _ if bodiless => BodyFraming::None,
            _ if self.head_only => BodyFraming::HeadOnly,
            Some(length) => BodyFraming::Length(length),
            None if self.chunks_understood => BodyFraming::Chunked,
            None => BodyFraming::UntilClose,
        }
    }
}

fn asks_to_close(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case("close"))
}

impl BodyFraming {
    pub(super) const fn has_body(self) -> bool {
        !matches!(self, Self::None | Self::HeadOnly)
    }

    /// What goes before so many bytes of body.
    pub(super) fn prefix(self, bytes: usize) -> String {
        // An empty chunk would be the last one.
        if self == Self::Chunked && bytes > 0 { format!("{bytes:x}\r\n") } else { String::new() }
    }

    /// What goes behind each part of the body that has a prefix.
    pub(super) fn suffix(self, bytes: usize) -> &'static [u8] {
        if self == Self::Chunked && bytes > 0 { b"\r\n" } else { b"" }
    }

    /// What ends the body.
    pub(super) fn end(self) -> &'static [u8] {
        if self == Self::Chunked { b"0\r\n\r\n" } else { b"" }
    }
}

/// Writes status line and fields. The fields that frame the message are ours, whatever the router said.
pub(super) fn encode_head(parts: &Parts, body: BodyFraming, close: bool, date: &str, out: &mut Vec<u8>) {
    let length;
    let mut ours: Vec<(&str, &[u8])> = vec![("date", date.as_bytes())];
    match body {
        BodyFraming::Length(bytes) => {
            length = bytes.to_string();
            ours.push(("content-length", length.as_bytes()));
        }
        BodyFraming::Chunked => ours.push(("transfer-encoding", b"chunked")),
        BodyFraming::HeadOnly => {
            if let Some(told) = parts.headers.get(header::CONTENT_LENGTH) {
                ours.push(("content-length", told.as_bytes()));
            }
        }
        BodyFraming::None | BodyFraming::UntilClose => {}
    }
    if close {
        ours.push(("connection", b"close"));
    }
    let theirs = parts.headers.iter().filter(|(name, _)| {
        ![header::DATE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION].contains(name)
    });
    let fields = theirs.map(|(name, value)| (name.as_str(), value.as_bytes())).chain(ours);
    codec::http::encode_response_head(parts.status.as_u16(), fields, out);
}
