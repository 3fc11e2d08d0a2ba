//! One record's bytes: header, payload, padding. What a record means is not known here.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | magic |
//! | 4 | 4 | CRC32C of all that follows, to the end of the payload |
//! | 8 | 4 | payload length |
//! | 12 | 4 | flags: bit 0, the first record of its group |
//! | 16 | 8 | epoch of the segment |
//! | 24 | 8 | number |
//! | 32 | 4 | checksum of the record before it |
//! | 36 | 4 | stream |
//! | 40 | … | payload, then zeros to a multiple of 8 |

use super::{BLOCK_BYTES, RECORD_BYTES_MAX};

/// Bytes before a record's payload.
pub const RECORD_HEADER_BYTES: usize = 40;

const MAGIC: [u8; 4] = *b"RDr1";
/// Records begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;
const FIRST_IN_GROUP: u32 = 1;
const CHECKSUM_AT: usize = 4;
const COVERED_FROM: usize = 8;

const _: () = assert!(RECORD_HEADER_BYTES.is_multiple_of(ALIGNMENT));
const _: () = assert!(BLOCK_BYTES.is_multiple_of(ALIGNMENT));

/// What is only known when the group is sealed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seal {
    pub epoch: u64,
    pub number: u64,
    pub previous: u32,
    pub stream: u32,
    pub first_in_group: bool,
}

/// A record whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framed<'a> {
    pub epoch: u64,
    pub number: u64,
    pub previous: u32,
    pub first_in_group: bool,
    pub checksum: u32,
    pub payload: &'a [u8],
    /// With header and padding.
    pub record_bytes: usize,
}

/// Why there is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotFramed {
    /// It goes on after the end of what was given.
    Short,
    /// No record begins here, or it is not intact.
    Bad,
}

/// With header and padding.
pub(super) const fn record_bytes(payload_bytes: usize) -> usize {
    (RECORD_HEADER_BYTES + payload_bytes).next_multiple_of(ALIGNMENT)
}

/// The length of the payload, from a header not sealed yet.
pub(super) fn payload_bytes(record: &[u8]) -> usize {
    u32_at(record, 8) as usize
}

/// Begins a record whose payload has `payload_bytes`: all of its header that is known before the seal.
pub(super) fn begin(header: &mut [u8], payload_bytes: usize) {
    let length = u32::try_from(payload_bytes).expect("a payload is not longer than RECORD_BYTES_MAX");
    header[8..12].copy_from_slice(&length.to_le_bytes());
}

/// Completes the header of `record` (header and payload, no padding) and returns its checksum.
pub(super) fn seal(record: &mut [u8], seal: Seal) -> u32 {
    record[..4].copy_from_slice(&MAGIC);
    record[12..16].copy_from_slice(&(seal.first_in_group as u32).to_le_bytes());
    record[16..24].copy_from_slice(&seal.epoch.to_le_bytes());
    record[24..32].copy_from_slice(&seal.number.to_le_bytes());
    record[32..36].copy_from_slice(&seal.previous.to_le_bytes());
    record[36..40].copy_from_slice(&seal.stream.to_le_bytes());
    let checksum = crc32c::crc32c(&record[COVERED_FROM..]);
    record[CHECKSUM_AT..COVERED_FROM].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

/// Reads the record at the beginning of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Framed<'_>, NotFramed> {
    let header = bytes.get(..RECORD_HEADER_BYTES).ok_or(NotFramed::Short)?;
    let payload_bytes = u32_at(header, 8) as usize;
    if header[..4] != MAGIC || payload_bytes > RECORD_BYTES_MAX - RECORD_HEADER_BYTES {
        return Err(NotFramed::Bad);
    }
    let record_bytes = record_bytes(payload_bytes);
    let record = bytes.get(..record_bytes).ok_or(NotFramed::Short)?;
    let end = RECORD_HEADER_BYTES + payload_bytes;
    let checksum = u32_at(header, CHECKSUM_AT);
    if crc32c::crc32c(&record[COVERED_FROM..end]) != checksum || record[end..].iter().any(|&byte| byte != 0) {
        return Err(NotFramed::Bad);
    }
    Ok(Framed {
        epoch: u64_at(header, 16),
        number: u64_at(header, 24),
        previous: u32_at(header, 32),
        first_in_group: u32_at(header, 12) & FIRST_IN_GROUP != 0,
        checksum,
        payload: &record[RECORD_HEADER_BYTES..end],
        record_bytes,
    })
}

/// Whether a record of `epoch` was begun here, intact or not.
pub(super) fn begins(bytes: &[u8], epoch: u64) -> bool {
    bytes.len() >= RECORD_HEADER_BYTES && bytes[..4] == MAGIC && u64_at(bytes, 16) == epoch
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
