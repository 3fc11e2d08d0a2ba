//! The first block of a segment: whose it is. Written before the segment gets its name, never after.

use super::{BLOCK_BYTES, FORMAT_VERSION, FORMAT_VERSION_OLDEST, layout};

const MAGIC: [u8; 8] = *b"ringdesk";
/// Where the checksum lies; it covers all before it. All after it is zero.
const CHECKSUM_AT: usize = 36;

/// Whose segment it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Which stream: the number of the shard that wrote it.
    pub stream: u32,
    /// The how many-eth segment of the stream it is; the next one's is one more.
    pub segment: u32,
    /// Unlike that of any segment ever made in this data directory: older bytes of a recycled file carry
    /// another one.
    pub epoch: u64,
    /// The file's length.
    pub segment_bytes: u32,
}

/// Why a block is not a segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Fewer bytes than a block.
    Short,
    /// All zero: a file that was never a segment.
    Blank,
    /// It does not begin as a segment does, or its checksum is wrong, or there is something after it.
    Damaged,
    /// Intact, and of a version before [`FORMAT_VERSION_OLDEST`] or after [`FORMAT_VERSION`].
    Version(u32),
}

impl SegmentHeader {
    /// The block.
    pub fn encode(&self) -> [u8; BLOCK_BYTES] {
        self.encode_as(FORMAT_VERSION)
    }

    /// The block as a program of that version wrote it.
    pub(super) fn encode_as(&self, version: u32) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block[..8].copy_from_slice(&MAGIC);
        block[8..12].copy_from_slice(&version.to_le_bytes());
        block[12..16].copy_from_slice(&self.stream.to_le_bytes());
        block[16..20].copy_from_slice(&self.segment.to_le_bytes());
        block[20..24].copy_from_slice(&self.segment_bytes.to_le_bytes());
        block[24..32].copy_from_slice(&self.epoch.to_le_bytes());
        // 32..36 is reserved, zero.
        let checksum = crc32c::crc32c(&block[..CHECKSUM_AT]);
        block[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&checksum.to_le_bytes());
        block
    }

    /// Reads the header from the first block of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let block = bytes.get(..BLOCK_BYTES).ok_or(HeaderError::Short)?;
        if block.iter().all(|&byte| byte == 0) {
            return Err(HeaderError::Blank);
        }
        let checksum = layout::u32_at(block, CHECKSUM_AT);
        let rest_is_zero = block[CHECKSUM_AT + 4..].iter().all(|&byte| byte == 0);
        if block[..8] != MAGIC || crc32c::crc32c(&block[..CHECKSUM_AT]) != checksum || !rest_is_zero {
            return Err(HeaderError::Damaged);
        }
        match layout::u32_at(block, 8) {
            FORMAT_VERSION_OLDEST..=FORMAT_VERSION => Ok(Self {
                stream: layout::u32_at(block, 12),
                segment: layout::u32_at(block, 16),
                segment_bytes: layout::u32_at(block, 20),
                epoch: layout::u64_at(block, 24),
            }),
            other => Err(HeaderError::Version(other)),
        }
    }
}
