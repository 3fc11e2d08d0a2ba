//! Request bodies: counted by `Content-Length`, or chunked (RFC 9112 section 7.1).
//!
//! Chunk extensions and trailers are read strictly and thrown away: nobody here knows any.

use super::{BodyLength, HttpError, Limits, is_token};

/// Most bytes of chunk extensions and trailers together that one body may have.
pub const OVERHEAD_BYTES_MAX: u32 = 8 * 1024;

/// Most digits of a chunk's size, so that leading zeros cannot go on for ever.
const SIZE_DIGITS_MAX: u8 = 16;

/// Reads the body that a head announced, piece by piece.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
    /// Body bytes that may still be announced.
    body_bytes_left: u64,
    /// Extension and trailer bytes that may still come.
    overhead_bytes_left: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing more belongs to the body.
    Done,
    /// So many bytes of a counted body are to come.
    Counted(u64),
    /// In the digits of a chunk's size.
    Size { value: u64, digits: u8 },
    /// Behind the `;` of an extension.
    Extension { size: u64 },
    /// Behind the carriage return of a size line.
    SizeEnd { size: u64 },
    /// So many bytes of the chunk are to come.
    Data(u64),
    /// Behind a chunk's data.
    DataEnd,
    /// Behind the carriage return of a chunk's data.
    DataLineFeed,
    /// At the beginning of a trailer line.
    TrailerStart,
    /// Within a trailer line.
    Trailer,
    /// Behind a trailer line's carriage return.
    TrailerLineFeed,
    /// Behind the carriage return that ends everything.
    LastLineFeed,
}

impl BodyDecoder {
    /// For one request. A body that is too large by its `Content-Length` is refused here.
    pub fn new(length: BodyLength, limits: &Limits) -> Result<Self, HttpError> {
        let state = match length {
            BodyLength::None | BodyLength::Exactly(0) => State::Done,
            BodyLength::Exactly(bytes) if bytes > limits.body_bytes_max => {
                return Err(HttpError::BodyTooLarge);
            }
            BodyLength::Exactly(bytes) => State::Counted(bytes),
            BodyLength::Chunked => State::Size { value: 0, digits: 0 },
        };
        let body_bytes_left = limits.body_bytes_max;
        Ok(Self { state, body_bytes_left, overhead_bytes_left: OVERHEAD_BYTES_MAX })
    }

    /// Takes bytes from `raw`, appends what is body to `body`. Returns how many bytes of `raw` it took and
    /// whether the body is complete; bytes after the body are left.
    pub fn receive(&mut self, raw: &[u8], body: &mut Vec<u8>) -> Result<(usize, bool), HttpError> {
        let mut used = 0;
        loop {
            let rest = &raw[used..];
            match self.state {
                State::Done => return Ok((used, true)),
                _ if rest.is_empty() => return Ok((used, false)),
                State::Counted(left) | State::Data(left) => {
                    let taken = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    body.extend_from_slice(&rest[..taken]);
                    used += taken;
                    self.state = self.after_data(left - taken as u64);
                }
                _ => {
                    self.state = self.step(rest[0])?;
                    used += 1;
                }
            }
        }
    }

    const fn after_data(&self, left: u64) -> State {
        match (self.state, left) {
            (State::Counted(_), 0) => State::Done,
            (State::Counted(_), _) => State::Counted(left),
            (_, 0) => State::DataEnd,
            (_, _) => State::Data(left),
        }
    }

    /// One byte of what frames the chunks.
    fn step(&mut self, byte: u8) -> Result<State, HttpError> {
        match (self.state, byte) {
            (State::Size { value, digits }, _) => self.size(value, digits, byte),
            (State::Extension { size }, b'\r') => Ok(State::SizeEnd { size }),
            (State::Extension { size }, _) => {
                self.spend(byte, HttpError::BadChunkSize).map(|()| State::Extension { size })
            }
            (State::SizeEnd { size: 0 }, b'\n') => Ok(State::TrailerStart),
            (State::SizeEnd { size }, b'\n') => Ok(State::Data(size)),
            (State::SizeEnd { .. }, _) => Err(HttpError::BadChunkSize),
            (State::DataEnd, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Ok(State::Size { value: 0, digits: 0 }),
            (State::DataEnd | State::DataLineFeed, _) => Err(HttpError::BadChunkEnd),
            (State::TrailerStart, b'\r') => Ok(State::LastLineFeed),
            (State::TrailerStart, _) if !is_token(&[byte]) => Err(HttpError::BadTrailer),
            (State::Trailer, b'\r') => Ok(State::TrailerLineFeed),
            (State::TrailerStart | State::Trailer, _) => {
                self.spend(byte, HttpError::BadTrailer).map(|()| State::Trailer)
            }
            (State::TrailerLineFeed, b'\n') => Ok(State::TrailerStart),
            (State::LastLineFeed, b'\n') => Ok(State::Done),
            (State::TrailerLineFeed | State::LastLineFeed, _) => Err(HttpError::BadTrailer),
            (State::Done | State::Counted(_) | State::Data(_), _) => {
                unreachable!("receive handles data itself")
            }
        }
    }

    /// One byte of a chunk's size. A size beyond the limit is refused before its data comes.
    fn size(&mut self, value: u64, digits: u8, byte: u8) -> Result<State, HttpError> {
        match (byte, char::from(byte).to_digit(16)) {
            (_, Some(digit)) if digits < SIZE_DIGITS_MAX => {
                let value = value.checked_mul(16).ok_or(HttpError::BodyTooLarge)? + u64::from(digit);
                if value > self.body_bytes_left {
                    return Err(HttpError::BodyTooLarge);
                }
                Ok(State::Size { value, digits: digits + 1 })
            }
            (b'\r' | b';', _) if digits > 0 => {
                self.body_bytes_left -= value;
                let end = byte == b'\r';
                Ok(if end { State::SizeEnd { size: value } } else { State::Extension { size: value } })
            }
            _ => Err(HttpError::BadChunkSize),
        }
    }

    /// Counts a byte that is thrown away; control characters in it are refused.
    fn spend(&mut self, byte: u8, bad: HttpError) -> Result<(), HttpError> {
        if byte.is_ascii_control() && byte != b'\t' {
            return Err(bad);
        }
        self.overhead_bytes_left =
            self.overhead_bytes_left.checked_sub(1).ok_or(HttpError::ChunkOverheadTooLarge)?;
        Ok(())
    }
}
