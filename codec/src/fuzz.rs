//! The bodies of the fuzz targets, each asking for more than "no panic", and seeded mutations of bytes.
//!
//! `codec/fuzz` has one line a target for `cargo fuzz`; an ordinary test runs the same bodies over the kept
//! corpus and over mutations of it, so that the promises hold where no fuzzer is installed.

use std::ops::ControlFlow;

use crate::http::{BodyDecoder, HttpError, Limits, decode_request_head};
use crate::json::{decode_client, decode_server, encode_client, encode_server};
use crate::protocol::Decoded;
use crate::proxy;
use crate::websocket::{
    COMPRESSED_BYTES_MIN, Compressor, Decoder, Decompressor, Deflate, Incoming, Opcode, Side, WebSocketError,
};

const LIMITS: Limits = Limits { head_bytes_max: 1024, headers_max: 16, body_bytes_max: 1024 };
const MESSAGE_BYTES_MAX: usize = 4096;

/// A head is never whole before its end, and its body means the same however it is cut. The first byte says
/// where.
pub fn http(data: &[u8]) {
    let Some((&cut, raw)) = data.split_first() else {
        return;
    };
    let whole = decode_request_head(raw, &LIMITS);
    let cut_at = raw.len() * usize::from(cut) / 256;
    match (decode_request_head(&raw[..cut_at], &LIMITS), &whole) {
        (Ok(Decoded::NeedMore), _) => {}
        (early, whole) => assert_eq!(&early, whole, "a beginning is the whole or nothing yet"),
    }
    if let Ok(Decoded::Complete { value: head, used }) = whole {
        assert!(used <= LIMITS.head_bytes_max.min(raw.len()));
        let rest = &raw[used..];
        let cut_at = rest.len() * usize::from(cut) / 256;
        let read = |pieces: &[&[u8]]| -> Result<(Vec<u8>, usize, bool), HttpError> {
            let mut decoder = BodyDecoder::new(head.body, &LIMITS)?;
            let (mut body, mut taken, mut complete) = (Vec::new(), 0, false);
            for piece in pieces {
                let (used, whole) = decoder.receive(piece, &mut body)?;
                (taken, complete) = (taken + used, whole);
            }
            assert!(body.len() as u64 <= LIMITS.body_bytes_max);
            Ok((body, taken, complete))
        };
        assert_eq!(read(&[rest]), read(&[&rest[..cut_at], &rest[cut_at..]]));
    }
}

/// A stream means the same in one piece, in two and byte by byte, and what is held stays within the limit. The
/// first byte says which side we are, the second where to cut.
pub fn websocket(data: &[u8]) {
    let [side, cut, raw @ ..] = data else {
        return;
    };
    hear_at_every_cut(Decoder::new, *side, *cut, raw);
}

/// The same of a stream whose messages may be compressed; and any bytes, made a message, compressed and heard, are
/// what they were. The first byte says which side we are, the second where to cut.
pub fn deflate(data: &[u8]) {
    let [side, cut, raw @ ..] = data else {
        return;
    };
    hear_at_every_cut(Decoder::with_deflate, *side, *cut, raw);
    let mut frame = Vec::new();
    let message = raw.repeat(COMPRESSED_BYTES_MIN / raw.len().max(1) + 1);
    Compressor::default().encode_frame(Deflate::LARGEST_WINDOW, Opcode::Binary, &message, &mut frame);
    let mut decoder = Decoder::with_deflate(Side::Client, message.len());
    let heard = decoder.receive(&mut frame, &mut |incoming| {
        assert_eq!(incoming, Incoming::Binary(&message));
        ControlFlow::Continue(())
    });
    heard.expect("what we write, we understand");
}

fn hear_at_every_cut(decoder: fn(Side, usize) -> Decoder, side: u8, cut: u8, raw: &[u8]) {
    let side = if side.is_multiple_of(2) { Side::Server } else { Side::Client };
    let decoder = || decoder(side, MESSAGE_BYTES_MAX);
    let (start, end) = raw.split_at(raw.len() * usize::from(cut) / 256);
    let whole = hear(decoder(), &[raw]);
    assert_eq!(whole, hear(decoder(), &[start, end]));
    assert_eq!(whole, hear(decoder(), &raw.chunks(1).collect::<Vec<_>>()));
}

fn hear(mut decoder: Decoder, pieces: &[&[u8]]) -> (Vec<String>, Option<WebSocketError>) {
    // Compressed, a message may be a sixth longer.
    const HELD_BYTES_MAX: usize = MESSAGE_BYTES_MAX + MESSAGE_BYTES_MAX / 6 + 125 + 14;
    let mut decompressor = Decompressor::default();
    let mut heard = Vec::new();
    for piece in pieces {
        let mut raw = piece.to_vec();
        let result = decoder.receive_with(&mut raw, &mut decompressor, &mut |incoming| {
            if let Incoming::Binary(message) = incoming {
                assert!(message.len() <= MESSAGE_BYTES_MAX);
            }
            heard.push(format!("{incoming:?}"));
            ControlFlow::Continue(())
        });
        match result {
            Ok(used) => assert_eq!(used, raw.len()),
            Err(error) => return (heard, Some(error)),
        }
        assert!(decoder.held_bytes() <= HELD_BYTES_MAX);
    }
    (heard, None)
}

/// What was understood is written so that it is understood the same again.
pub fn json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(message) = decode_client(text) {
        let mut out = Vec::new();
        encode_client(&message, &mut out);
        let again = std::str::from_utf8(&out).expect("what is written is UTF-8");
        assert_eq!(decode_client(again).as_ref(), Ok(&message), "{again}");
    }
    if let Ok(message) = decode_server(text) {
        let mut out = Vec::new();
        encode_server(&message, &mut out);
        let again = std::str::from_utf8(&out).expect("what is written is UTF-8");
        assert_eq!(decode_server(again).as_ref(), Ok(&message), "{again}");
    }
}

/// A header is never whole before its end, and what stands behind it changes nothing. The first byte says where to cut.
pub fn proxy(data: &[u8]) {
    let Some((&cut, raw)) = data.split_first() else {
        return;
    };
    let whole = proxy::decode(raw);
    let cut_at = raw.len() * usize::from(cut) / 256;
    match proxy::decode(&raw[..cut_at]) {
        Ok(Decoded::NeedMore) => {}
        early => assert_eq!(early, whole, "a beginning is the whole or nothing yet"),
    }
    if let Ok(Decoded::Complete { used, .. }) = whole {
        assert!(used <= raw.len().min(proxy::V2_BYTES_MAX));
        assert_eq!(proxy::decode(&raw[..used]), whole);
        assert_eq!(proxy::decode(&raw[..used - 1]), Ok(Decoded::NeedMore));
    }
}

/// Endless variations of some bytes: the same seed, the same variations.
#[derive(Debug)]
pub struct Mutations<'a> {
    original: &'a [u8],
    state: u64,
}

impl<'a> Mutations<'a> {
    /// Variations of `original`.
    pub const fn new(seed: u64, original: &'a [u8]) -> Self {
        Self { original, state: seed }
    }

    /// A number below `bound`, by SplitMix64 (Steele, Lea and Flood, 2014).
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        (bits % bound.max(1) as u64) as usize
    }

    fn mutate_once(&mut self, bytes: &mut Vec<u8>) {
        /// Bytes at which parsers turn.
        const TURNS: &[u8] = b"\r\n \t:;,\0\"\\{}[]/0\x7e\x7f\x80\x88\xff";
        let at = self.below(bytes.len());
        match self.below(6) {
            _ if bytes.is_empty() => bytes.push(TURNS[self.below(TURNS.len())]),
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = TURNS[self.below(TURNS.len())],
            2 => bytes.insert(at, TURNS[self.below(TURNS.len())]),
            3 => bytes.truncate(at),
            4 => drop(bytes.remove(at)),
            _ => {
                let end = at + self.below((bytes.len() - at).min(32));
                bytes.extend_from_within(at..end);
            }
        }
    }
}

impl Iterator for Mutations<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.original.to_vec();
        for _ in 0..=self.below(4) {
            self.mutate_once(&mut bytes);
        }
        Some(bytes)
    }
}
