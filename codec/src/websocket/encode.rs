//! Frames to bytes. Nothing is ever sent in fragments.

use super::header::apply_mask;
use super::{CONTROL_BYTES_MAX, NO_CODE, Opcode, REASON_BYTES_MAX, Side};

const LAST: u8 = 0x80;
const MASKED: u8 = 0x80;
/// RSV1: the message is compressed (RFC 7692 section 6).
pub(super) const COMPRESSED: u8 = 0x40;

/// The payload of one frame.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload<'a> {
    Plain(&'a [u8]),
    Compressed(&'a [u8]),
}

/// Appends one unmasked, unfragmented frame: what a server sends. A control frame's payload has at most
/// [`CONTROL_BYTES_MAX`] bytes.
pub fn encode_frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    encode_payload(opcode, Payload::Plain(payload), None, out);
}

/// Appends one masked frame: what a client sends. The mask is the caller's, because randomness is.
pub fn encode_masked_frame(opcode: Opcode, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    encode_payload(opcode, Payload::Plain(payload), Some(mask), out);
}

pub(super) fn encode_payload(opcode: Opcode, payload: Payload<'_>, mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let (flags, payload) = match payload {
        Payload::Plain(payload) => (LAST, payload),
        Payload::Compressed(payload) => (LAST | COMPRESSED, payload),
    };
    debug_assert!(!opcode.is_control() || payload.len() <= CONTROL_BYTES_MAX, "a control frame is short");
    out.push(flags | opcode as u8);
    encode_length(payload.len(), if mask.is_some() { MASKED } else { 0 }, out);
    let Some(mask) = mask else { return out.extend_from_slice(payload) };
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], mask, 0);
}

/// Appends a close frame; a reason of more than 123 bytes is cut at a character. Code 1005 means no code:
/// the frame is then empty.
///
/// A client's close is masked with zeros. Masks keep a hostile page from choosing the bytes on the wire
/// (RFC 6455 section 10.3); of a close frame, the program chooses them.
pub fn encode_close(side: Side, code: u16, reason: &str, out: &mut Vec<u8>) {
    debug_assert!(!matches!(code, 1004 | 1006 | 1015), "{code} is never sent");
    let mut payload = [0; CONTROL_BYTES_MAX];
    let length = if code == NO_CODE { 0 } else { 2 + reason.floor_char_boundary(REASON_BYTES_MAX) };
    if length > 0 {
        payload[..2].copy_from_slice(&code.to_be_bytes());
        payload[2..length].copy_from_slice(&reason.as_bytes()[..length - 2]);
    }
    match side {
        Side::Server => encode_frame(Opcode::Close, &payload[..length], out),
        Side::Client => encode_masked_frame(Opcode::Close, &payload[..length], [0; 4], out),
    }
}

fn encode_length(length: usize, masked: u8, out: &mut Vec<u8>) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => out.push(masked | short),
        (_, Ok(medium)) => {
            out.push(masked | 126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(masked | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}
