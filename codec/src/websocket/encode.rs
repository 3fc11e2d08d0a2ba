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
/// Headers without a mask, by the length of the payload (RFC 6455 section 5.2).
const SHORT_HEADER_BYTES: usize = 2;
const MEDIUM_HEADER_BYTES: usize = 4;
const LONG_HEADER_BYTES: usize = 10;

/// Appends one unmasked, unfragmented frame: what a server sends. A control frame's payload has at most
/// [`CONTROL_BYTES_MAX`] bytes.
pub fn encode_frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    encode_payload(opcode, Payload::Plain(payload), None, out);
}

/// As [`encode_frame`], of a payload that `write` appends: so it is written where it is sent from.
pub fn encode_frame_with(opcode: Opcode, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; MEDIUM_HEADER_BYTES]);
    let written = out.len();
    write(out);
    let length = out.len() - written;
    debug_assert!(!opcode.is_control() || length <= CONTROL_BYTES_MAX, "a control frame is short");
    let (header, header_bytes) = header(LAST | opcode as u8, length, 0);
    // Most messages have a header of this length, and only the others have to move.
    if header_bytes != MEDIUM_HEADER_BYTES {
        out.resize(start + MEDIUM_HEADER_BYTES.max(header_bytes) + length, 0);
        out.copy_within(written..written + length, start + header_bytes);
        out.truncate(start + header_bytes + length);
    }
    out[start..start + header_bytes].copy_from_slice(&header[..header_bytes]);
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
    let masked = if mask.is_some() { MASKED } else { 0 };
    let (header, header_bytes) = header(flags | opcode as u8, payload.len(), masked);
    out.extend_from_slice(&header[..header_bytes]);
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

/// A header without its mask, and how many bytes it has.
fn header(first: u8, length: usize, masked: u8) -> ([u8; LONG_HEADER_BYTES], usize) {
    let mut header = [0; LONG_HEADER_BYTES];
    header[0] = first;
    let header_bytes = match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => {
            header[1] = masked | short;
            SHORT_HEADER_BYTES
        }
        (_, Ok(medium)) => {
            header[1] = masked | 126;
            header[2..4].copy_from_slice(&medium.to_be_bytes());
            MEDIUM_HEADER_BYTES
        }
        (_, Err(_)) => {
            header[1] = masked | 127;
            header[2..].copy_from_slice(&(length as u64).to_be_bytes());
            LONG_HEADER_BYTES
        }
    };
    (header, header_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_written_in_place_makes_the_same_frame() {
        for length in [0, 1, 125, 126, 300, 65_535, 65_536, 70_000] {
            let payload: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let (mut copied, mut in_place) = (b"before".to_vec(), b"before".to_vec());
            encode_frame(Opcode::Binary, &payload, &mut copied);
            encode_frame_with(Opcode::Binary, &mut in_place, |out| out.extend_from_slice(&payload));
            assert!(in_place == copied, "{length} bytes");
        }
    }
}
