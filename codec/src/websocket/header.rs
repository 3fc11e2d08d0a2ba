//! Frame headers and masks (RFC 6455 sections 5.2 and 5.3).

use super::encode::COMPRESSED;
use super::{CONTROL_BYTES_MAX, Opcode, Side, WebSocketError};

/// Longest header: two bytes, a 64-bit length, a mask.
pub(super) const HEADER_BYTES_MAX: usize = 14;
/// RSV1 to RSV3.
const RESERVED: u8 = 0x70;

/// A frame of which the header has been read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) opcode: Opcode,
    pub(super) last: bool,
    /// Begins a compressed message.
    pub(super) compressed: bool,
    /// Payload bytes, within the limit of its kind.
    pub(super) length: usize,
    pub(super) mask: Option<[u8; 4]>,
}

/// What of the connection a header is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) side: Side,
    /// Whether a message is under way.
    pub(super) in_message: bool,
    /// How many bytes the message, new or under way, may still get.
    pub(super) message_bytes_left: usize,
    /// The same for a new message that is compressed; `None` where none may be.
    pub(super) compressed_bytes_max: Option<usize>,
}

/// Reads a header from the beginning of `raw`: the frame and the header's length, or `None` where more is
/// needed. Each fault is found at the first byte that shows it, so that no split changes the answer.
pub(super) fn parse(raw: &[u8], expected: &Expected) -> Result<Option<(Frame, usize)>, WebSocketError> {
    let [first, second, rest @ ..] = raw else {
        return Ok(None);
    };
    let (opcode, last, masked) = first_bytes(*first, *second, expected)?;
    let compressed = first & COMPRESSED != 0;
    let Some((length, length_bytes)) = payload_length(second & 0x7F, rest)? else {
        return Ok(None);
    };
    let bytes_left = match expected.compressed_bytes_max {
        Some(bytes_max) if compressed => bytes_max,
        _ => expected.message_bytes_left,
    };
    if !opcode.is_control() && length > bytes_left as u64 {
        return Err(WebSocketError::MessageTooLarge);
    }
    let length = usize::try_from(length).map_err(|_| WebSocketError::MessageTooLarge)?;
    if !masked {
        return Ok(Some((Frame { opcode, last, compressed, length, mask: None }, 2 + length_bytes)));
    }
    let Some(mask) = rest[length_bytes..].first_chunk::<4>() else {
        return Ok(None);
    };
    Ok(Some((Frame { opcode, last, compressed, length, mask: Some(*mask) }, 2 + length_bytes + 4)))
}

fn first_bytes(first: u8, second: u8, expected: &Expected) -> Result<(Opcode, bool, bool), WebSocketError> {
    let (last, masked) = (first & 0x80 != 0, second & 0x80 != 0);
    let allowed = if expected.compressed_bytes_max.is_some() { COMPRESSED } else { 0 };
    if first & RESERVED & !allowed != 0 {
        return Err(WebSocketError::ReservedBit);
    }
    let opcode = opcode(first & 0x0F)?;
    // Only a message's first frame says that it is compressed (RFC 7692 section 6.1).
    if first & COMPRESSED != 0 && !matches!(opcode, Opcode::Text | Opcode::Binary) {
        return Err(WebSocketError::ReservedBit);
    }
    match (expected.side, masked) {
        (Side::Server, false) => return Err(WebSocketError::MaskMissing),
        (Side::Client, true) => return Err(WebSocketError::MaskForbidden),
        (Side::Server, true) | (Side::Client, false) => {}
    }
    match (opcode, expected.in_message) {
        (Opcode::Close | Opcode::Ping | Opcode::Pong, _) if !last => {
            return Err(WebSocketError::FragmentedControl);
        }
        (Opcode::Close | Opcode::Ping | Opcode::Pong, _)
            if usize::from(second & 0x7F) > CONTROL_BYTES_MAX =>
        {
            return Err(WebSocketError::LongControl);
        }
        (Opcode::Continuation, false) => return Err(WebSocketError::UnexpectedContinuation),
        (Opcode::Text | Opcode::Binary, true) => return Err(WebSocketError::MissingContinuation),
        _ => {}
    }
    Ok((opcode, last, masked))
}

const fn opcode(bits: u8) -> Result<Opcode, WebSocketError> {
    match bits {
        0x0 => Ok(Opcode::Continuation),
        0x1 => Ok(Opcode::Text),
        0x2 => Ok(Opcode::Binary),
        0x8 => Ok(Opcode::Close),
        0x9 => Ok(Opcode::Ping),
        0xA => Ok(Opcode::Pong),
        _ => Err(WebSocketError::ReservedOpcode),
    }
}

/// The payload's length and how many bytes it took behind the first two.
fn payload_length(short: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, WebSocketError> {
    match short {
        126 => match rest.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes)) {
            None => Ok(None),
            Some(length) if length < 126 => Err(WebSocketError::LengthNotMinimal),
            Some(length) => Ok(Some((u64::from(length), 2))),
        },
        127 => match rest.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)) {
            None => Ok(None),
            Some(length) if length > i64::MAX as u64 => Err(WebSocketError::LengthHighBit),
            Some(length) if length <= u64::from(u16::MAX) => Err(WebSocketError::LengthNotMinimal),
            Some(length) => Ok(Some((length, 8))),
        },
        _ => Ok(Some((u64::from(short), 0))),
    }
}

/// Masks or unmasks `bytes`, the part of a payload that begins `offset` bytes into it. Eight bytes a step,
/// which the compiler widens further.
pub(super) fn apply_mask(bytes: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut mask = mask;
    mask.rotate_left(offset % 4);
    let [a, b, c, d] = mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let chunk: &mut [u8; 8] = chunk.try_into().expect("chunks_exact_mut makes pieces of eight");
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (index, byte) in chunks.into_remainder().iter_mut().enumerate() {
        *byte ^= mask[index % 4];
    }
}
