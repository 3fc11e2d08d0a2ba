//! The payloads of `permessage-deflate` (RFC 7692 section 7.2): one message at a time, to DEFLATE and back.
//!
//! No state outlives a message, so one [`Compressor`] and one [`Decompressor`] serve all connections of a
//! thread. Both are empty until they are needed.

use std::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::encode::{Payload, encode_payload};
use super::{Deflate, Opcode, WebSocketError};

/// A message of fewer bytes is sent as it is: what it would save is not worth the work.
pub const COMPRESSED_BYTES_MIN: usize = 512;

/// The first level with codes of the message's own: half as many bytes saved cost half as much time with 1, and
/// higher levels save no more of messages as short as ours.
const LEVEL: u32 = 2;
/// The smallest window that zlib compresses with, as a logarithm.
const WINDOW_BITS_MIN: u8 = 9;
const WINDOWS: usize = 7;
/// What a sync flush ends with, and what is not sent (RFC 7692 section 7.2.1).
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];
/// What is read behind a message: the end of the flush that the sender left out, then an empty block that says
/// it is the last. If it is not read as that, the message was cut short.
const END: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];
/// Buffers that grew past this are given back after the message.
const KEPT_BYTES_MAX: usize = 128 * 1024;
/// Room for the beginning of a message. It grows by doubling.
const MESSAGE_BYTES_BEGUN: usize = 2 * 1024;
/// Blocks of one message that may call themselves the last (RFC 7692 section 7.2.3.4): each costs a new beginning.
const LAST_BLOCKS_MAX: usize = 64;

/// Most bytes that a message of `message_bytes_max` may have on the wire when it is compressed: what the worst
/// settings of zlib make of what cannot be compressed.
pub(super) const fn compressed_bytes_max(message_bytes_max: usize) -> usize {
    message_bytes_max.saturating_add(message_bytes_max / 8 + message_bytes_max / 64 + 64)
}

/// Messages to compressed frames. Takes some 310 KB from its first message on, and less again for each smaller
/// window that clients ask for.
#[derive(Default)]
pub struct Compressor {
    /// By size of the window.
    streams: [Option<Compress>; WINDOWS],
    compressed: Vec<u8>,
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl Compressor {
    /// Appends one unmasked frame, compressed where that is worth it, else plain: what a server sends. Control
    /// frames are never compressed.
    pub fn encode_frame(&mut self, deflate: Deflate, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        encode_payload(opcode, self.payload(deflate, opcode, payload), None, out);
        self.give_back();
    }

    /// Appends one masked frame, compressed where that is worth it: what a client sends.
    pub fn encode_masked_frame(&mut self, opcode: Opcode, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
        let payload = self.payload(Deflate::LARGEST_WINDOW, opcode, payload);
        encode_payload(opcode, payload, Some(mask), out);
        self.give_back();
    }

    fn payload<'a>(&'a mut self, deflate: Deflate, opcode: Opcode, plain: &'a [u8]) -> Payload<'a> {
        if opcode.is_control() || plain.len() < COMPRESSED_BYTES_MIN {
            return Payload::Plain(plain);
        }
        self.compress(deflate, plain).map_or(Payload::Plain(plain), Payload::Compressed)
    }

    /// `None`: it would not become shorter.
    fn compress(&mut self, deflate: Deflate, plain: &[u8]) -> Option<&[u8]> {
        // A message that fits into the window refers to nothing outside of it, whatever it is compressed with.
        let fits = plain.len() <= deflate.window_bytes();
        let bits = if fits { Deflate::LARGEST_WINDOW.window_bits() } else { deflate.window_bits() };
        // Nothing compresses with 8 bits (RFC 7692 section 7.1.2.1 lets a client ask for them).
        let index = usize::from(bits.checked_sub(WINDOW_BITS_MIN)?);
        let stream = self.streams[index]
            .get_or_insert_with(|| Compress::new_with_window_bits(Compression::new(LEVEL), false, bits));
        self.compressed.clear();
        self.compressed.reserve(plain.len() + FLUSHED.len());
        let status = stream.compress_vec(plain, &mut self.compressed, FlushCompress::Sync);
        stream.reset();
        // A flush that ends before the buffer's end is whole.
        if status.is_err() || self.compressed.len() == self.compressed.capacity() {
            return None;
        }
        let compressed = self.compressed.strip_suffix(&FLUSHED)?;
        (compressed.len() < plain.len()).then_some(compressed)
    }

    fn give_back(&mut self) {
        if self.compressed.capacity() > KEPT_BYTES_MAX {
            self.compressed = Vec::new();
        }
    }
}

/// Compressed messages to what they were. Takes some 50 KB from its first message on.
#[derive(Default)]
pub struct Decompressor {
    stream: Option<Decompress>,
    message: Vec<u8>,
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").finish_non_exhaustive()
    }
}

impl Decompressor {
    /// The message of a whole compressed `payload`. Stops as soon as it is beyond `bytes_max`: no memory is spent
    /// on what a bomb would come to.
    pub(super) fn decompress(&mut self, payload: &[u8], bytes_max: usize) -> Result<&[u8], WebSocketError> {
        let stream = self.stream.get_or_insert_with(|| Decompress::new(false));
        stream.reset(false);
        self.message.clear();
        let mut rest = payload;
        for _ in 0..LAST_BLOCKS_MAX {
            if !inflate(stream, &mut rest, &mut self.message, bytes_max)? {
                let mut end = END.as_slice();
                let ended = inflate(stream, &mut end, &mut self.message, bytes_max)?;
                return if ended && end.is_empty() {
                    Ok(&self.message)
                } else {
                    Err(WebSocketError::BadDeflate)
                };
            }
            // Some end a message with its last block and leave out what RFC 7692 section 7.2.3.4 has behind it.
            if rest.is_empty() {
                return Ok(&self.message);
            }
            stream.reset(false);
        }
        Err(WebSocketError::BadDeflate)
    }

    /// The message was taken.
    pub(super) fn give_back(&mut self) {
        if self.message.capacity() > KEPT_BYTES_MAX {
            self.message = Vec::new();
        }
    }
}

/// Takes `input` up to its end, or to the end of a block that says it is the last: true.
fn inflate(
    stream: &mut Decompress,
    input: &mut &[u8],
    message: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<bool, WebSocketError> {
    loop {
        if message.len() == message.capacity() {
            // One byte more than may be: it shows that the message goes on.
            let room = message.len().max(MESSAGE_BYTES_BEGUN).min(bytes_max + 1 - message.len());
            message.reserve_exact(room);
        }
        let before = stream.total_in();
        let status = stream.decompress_vec(input, message, FlushDecompress::None);
        *input = &input[(stream.total_in() - before) as usize..];
        if message.len() > bytes_max {
            return Err(WebSocketError::MessageTooLarge);
        }
        match status.map_err(|_| WebSocketError::BadDeflate)? {
            Status::StreamEnd => return Ok(true),
            // With room left, nothing is under way but what is still to come.
            Status::Ok | Status::BufError if message.len() < message.capacity() => {
                return if input.is_empty() { Ok(false) } else { Err(WebSocketError::BadDeflate) };
            }
            Status::Ok | Status::BufError => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bomb(plain_bytes: usize) -> Vec<u8> {
        let mut stream = Compress::new_with_window_bits(Compression::best(), false, 15);
        let mut bomb = Vec::with_capacity(plain_bytes / 500 + 64);
        stream.compress_vec(&vec![0; plain_bytes], &mut bomb, FlushCompress::Sync).expect("zeros compress");
        bomb.strip_suffix(&FLUSHED).expect("flushed").to_vec()
    }

    #[test]
    fn a_bomb_is_refused_before_memory_is_spent_on_it() {
        const BYTES_MAX: usize = 64 * 1024;
        let bomb = bomb(16 * 1024 * 1024);
        assert!(bomb.len() < BYTES_MAX, "{} bytes go through the door", bomb.len());
        let mut decompressor = Decompressor::default();
        assert_eq!(decompressor.decompress(&bomb, BYTES_MAX), Err(WebSocketError::MessageTooLarge));
        assert!(decompressor.message.capacity() <= BYTES_MAX + 1);
    }

    #[test]
    fn a_message_of_exactly_the_limit_is_heard_and_one_byte_more_is_not() {
        for bytes_max in [0, 1, 2_047, 2_048, 2_049, 70_000] {
            let mut decompressor = Decompressor::default();
            let message = decompressor.decompress(&bomb(bytes_max), bytes_max);
            assert_eq!(message.map(<[u8]>::len), Ok(bytes_max));
            let more = decompressor.decompress(&bomb(bytes_max + 1), bytes_max);
            assert_eq!(more, Err(WebSocketError::MessageTooLarge));
        }
    }

    #[test]
    fn a_large_message_leaves_no_large_buffer() {
        let mut decompressor = Decompressor::default();
        decompressor.decompress(&bomb(4 << 20), 4 << 20).expect("within the limit");
        decompressor.give_back();
        assert!(decompressor.message.capacity() <= KEPT_BYTES_MAX);
        let (mut compressor, mut out) = (Compressor::default(), Vec::new());
        compressor.encode_frame(Deflate::LARGEST_WINDOW, Opcode::Binary, &vec![7; 4 << 20], &mut out);
        assert!(out.len() < 64 * 1024, "it was compressed");
        assert!(compressor.compressed.capacity() <= KEPT_BYTES_MAX);
    }
}
