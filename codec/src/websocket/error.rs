//! What a peer can do wrong in a WebSocket stream, and the close code it gets.

/// Why the peer's bytes are not WebSocket, or not within the limits. All are the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebSocketError {
    /// A reserved bit is set, and no extension was agreed that gives it a meaning there.
    ReservedBit,
    /// An opcode that means nothing.
    ReservedOpcode,
    /// A client's frame without a mask.
    MaskMissing,
    /// A server's frame with a mask.
    MaskForbidden,
    /// A control frame in several fragments.
    FragmentedControl,
    /// A control frame of more than 125 bytes.
    LongControl,
    /// A continuation of nothing.
    UnexpectedContinuation,
    /// A new message before the last one's end.
    MissingContinuation,
    /// A length in more bytes than it needs.
    LengthNotMinimal,
    /// A 64-bit length with the highest bit set.
    LengthHighBit,
    /// A message beyond its limit.
    MessageTooLarge,
    /// A message in more fragments than anybody needs.
    TooManyFragments,
    /// Text that is not UTF-8.
    TextNotUtf8,
    /// A compressed message that is not whole DEFLATE data.
    BadDeflate,
    /// A close frame of a single byte.
    CloseTooShort,
    /// A close code that may not be sent.
    BadCloseCode,
    /// A close reason that is not UTF-8.
    ReasonNotUtf8,
}

impl WebSocketError {
    /// Every fault, for tests and documents.
    pub const ALL: [Self; 17] = [
        Self::ReservedBit,
        Self::ReservedOpcode,
        Self::MaskMissing,
        Self::MaskForbidden,
        Self::FragmentedControl,
        Self::LongControl,
        Self::UnexpectedContinuation,
        Self::MissingContinuation,
        Self::LengthNotMinimal,
        Self::LengthHighBit,
        Self::MessageTooLarge,
        Self::TooManyFragments,
        Self::TextNotUtf8,
        Self::BadDeflate,
        Self::CloseTooShort,
        Self::BadCloseCode,
        Self::ReasonNotUtf8,
    ];

    /// The close code the peer gets (RFC 6455 section 7.4.1). No wildcard arm: a new fault must choose its
    /// answer here.
    pub const fn close_code(self) -> u16 {
        match self {
            Self::ReservedBit
            | Self::ReservedOpcode
            | Self::MaskMissing
            | Self::MaskForbidden
            | Self::FragmentedControl
            | Self::LongControl
            | Self::UnexpectedContinuation
            | Self::MissingContinuation
            | Self::LengthNotMinimal
            | Self::LengthHighBit
            | Self::CloseTooShort
            | Self::BadCloseCode => 1002,
            Self::TextNotUtf8 | Self::BadDeflate | Self::ReasonNotUtf8 => 1007,
            Self::TooManyFragments => 1008,
            Self::MessageTooLarge => 1009,
        }
    }

    /// What was wrong, in a sentence of at most 123 bytes: it fits a close frame.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ReservedBit => "A reserved bit is set that no agreed extension gives a meaning.",
            Self::ReservedOpcode => "The frame's opcode is reserved.",
            Self::MaskMissing => "The frame is not masked; a client must mask every frame.",
            Self::MaskForbidden => "The frame is masked; a server must not mask.",
            Self::FragmentedControl => "A control frame came in fragments.",
            Self::LongControl => "A control frame has more than 125 bytes.",
            Self::UnexpectedContinuation => "A continuation frame came without a message to continue.",
            Self::MissingContinuation => "A new message began before the one before it was finished.",
            Self::LengthNotMinimal => "The frame's length is not written in the fewest bytes.",
            Self::LengthHighBit => "The frame's length has its highest bit set.",
            Self::MessageTooLarge => "The message is larger than this server takes; send it in parts.",
            Self::TooManyFragments => "The message comes in more fragments than this server takes.",
            Self::TextNotUtf8 => "A text message is not UTF-8.",
            Self::BadDeflate => "A compressed message is not whole DEFLATE data.",
            Self::CloseTooShort => "The close frame has half a code.",
            Self::BadCloseCode => "The close frame's code may not be sent.",
            Self::ReasonNotUtf8 => "The close frame's reason is not UTF-8.",
        }
    }
}
