//! What can be wrong with a request, and what the peer is answered.

/// Why a request is not one. All are the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// A control character where only text may be.
    ControlCharacter,
    /// A carriage return without a line feed.
    BareCarriageReturn,
    /// A line feed without a carriage return.
    BareLineFeed,
    /// A field continued on a line that begins with white space.
    FoldedField,
    /// Not `method SP target SP version`.
    BadRequestLine,
    /// A version other than 1.0 and 1.1.
    UnsupportedVersion,
    /// A target that is neither a path nor an absolute address of this host.
    BadTarget,
    /// A request line beyond the limit of the head.
    TargetTooLong,
    /// A head beyond its limit.
    HeadTooLarge,
    /// More fields than the limit.
    TooManyHeaders,
    /// A field name that is not a token, or white space before its colon.
    BadHeaderName,
    /// A field value with characters that may not be there.
    BadHeaderValue,
    /// HTTP/1.1 without `Host`.
    MissingHost,
    /// More than one `Host`.
    RepeatedHost,
    /// A `Host` that is no host name with an optional port.
    BadHost,
    /// An absolute target that names another host than `Host` does.
    HostMismatch,
    /// More than one `Content-Length`.
    RepeatedContentLength,
    /// A `Content-Length` that is not a number.
    BadContentLength,
    /// Both `Content-Length` and `Transfer-Encoding`.
    ContentLengthWithTransferEncoding,
    /// More than one `Transfer-Encoding`.
    RepeatedTransferEncoding,
    /// `Transfer-Encoding` in HTTP/1.0.
    TransferEncodingInHttp10,
    /// A `Transfer-Encoding` other than `chunked`.
    UnsupportedTransferEncoding,
    /// An `Expect` other than `100-continue`.
    UnsupportedExpectation,
    /// A body beyond its limit.
    BodyTooLarge,
    /// A chunk that does not begin with its size, or whose size line is malformed.
    BadChunkSize,
    /// A chunk without a line end behind its data.
    BadChunkEnd,
    /// A malformed line behind the last chunk.
    BadTrailer,
    /// Chunk extensions and trailers beyond their limit.
    ChunkOverheadTooLarge,
}

impl HttpError {
    /// Every fault, for tests and documents.
    pub const ALL: [Self; 28] = [
        Self::ControlCharacter,
        Self::BareCarriageReturn,
        Self::BareLineFeed,
        Self::FoldedField,
        Self::BadRequestLine,
        Self::UnsupportedVersion,
        Self::BadTarget,
        Self::TargetTooLong,
        Self::HeadTooLarge,
        Self::TooManyHeaders,
        Self::BadHeaderName,
        Self::BadHeaderValue,
        Self::MissingHost,
        Self::RepeatedHost,
        Self::BadHost,
        Self::HostMismatch,
        Self::RepeatedContentLength,
        Self::BadContentLength,
        Self::ContentLengthWithTransferEncoding,
        Self::RepeatedTransferEncoding,
        Self::TransferEncodingInHttp10,
        Self::UnsupportedTransferEncoding,
        Self::UnsupportedExpectation,
        Self::BodyTooLarge,
        Self::BadChunkSize,
        Self::BadChunkEnd,
        Self::BadTrailer,
        Self::ChunkOverheadTooLarge,
    ];

    /// The status the peer gets; the connection is closed after it. No wildcard arm: a new fault must
    /// choose its answer here.
    pub const fn status(self) -> u16 {
        match self {
            Self::ControlCharacter
            | Self::BareCarriageReturn
            | Self::BareLineFeed
            | Self::FoldedField
            | Self::BadRequestLine
            | Self::BadTarget
            | Self::BadHeaderName
            | Self::BadHeaderValue
            | Self::MissingHost
            | Self::RepeatedHost
            | Self::BadHost
            | Self::HostMismatch
            | Self::RepeatedContentLength
            | Self::BadContentLength
            | Self::ContentLengthWithTransferEncoding
            | Self::RepeatedTransferEncoding
            | Self::TransferEncodingInHttp10
            | Self::BadChunkSize
            | Self::BadChunkEnd
            | Self::BadTrailer => 400,
            Self::BodyTooLarge | Self::ChunkOverheadTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::UnsupportedExpectation => 417,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::UnsupportedTransferEncoding => 501,
            Self::UnsupportedVersion => 505,
        }
    }

    /// What was wrong, in a sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ControlCharacter => "The head has a control character; only text and CR LF may be there.",
            Self::BareCarriageReturn => "A carriage return has no line feed behind it; end lines with CR LF.",
            Self::BareLineFeed => "A line feed has no carriage return before it; end lines with CR LF.",
            Self::FoldedField => "A header field goes on over a second line; write it on one.",
            Self::BadRequestLine => "The request line is not METHOD, space, target, space, HTTP/1.1.",
            Self::UnsupportedVersion => "The version is not HTTP/1.1 or HTTP/1.0.",
            Self::BadTarget => "The target is not a path that begins with / nor an absolute http address.",
            Self::TargetTooLong => "The request line is longer than this server takes.",
            Self::HeadTooLarge => "The head is larger than this server takes; send fewer or shorter fields.",
            Self::TooManyHeaders => "There are more header fields than this server takes.",
            Self::BadHeaderName => "A header field's name is not a token directly followed by a colon.",
            Self::BadHeaderValue => "A header field's value has characters that may not be there.",
            Self::MissingHost => "The Host field is missing; HTTP/1.1 needs exactly one.",
            Self::RepeatedHost => "The Host field is there more than once; send exactly one.",
            Self::BadHost => "The Host field is not a host name with an optional port.",
            Self::HostMismatch => "The target names another host than the Host field does.",
            Self::RepeatedContentLength => "Content-Length is there more than once; send exactly one.",
            Self::BadContentLength => "Content-Length is not a number of decimal digits.",
            Self::ContentLengthWithTransferEncoding => {
                "Content-Length and Transfer-Encoding are both there; send one of them."
            }
            Self::RepeatedTransferEncoding => "Transfer-Encoding is there more than once; send exactly one.",
            Self::TransferEncodingInHttp10 => "HTTP/1.0 has no Transfer-Encoding; send Content-Length.",
            Self::UnsupportedTransferEncoding => {
                "The only Transfer-Encoding that this server knows is chunked."
            }
            Self::UnsupportedExpectation => "The only Expect that this server knows is 100-continue.",
            Self::BodyTooLarge => "The body is larger than this server takes.",
            Self::BadChunkSize => "A chunk does not begin with its size in hexadecimal digits and CR LF.",
            Self::BadChunkEnd => "A chunk's data does not end with CR LF.",
            Self::BadTrailer => "A line behind the last chunk is not a header field.",
            Self::ChunkOverheadTooLarge => {
                "Chunk extensions and trailers together are larger than this server takes."
            }
        }
    }
}
