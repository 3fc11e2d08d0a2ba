//! What can still be proved to be a segment's after damage. For the operator's tools only: a server that
//! starts never guesses.
//!
//! The proof is the epoch: no other segment of the folder ever had it, and nobody could guess it. So an
//! intact record that carries it was written into this segment, wherever it lies in it.

use std::collections::BTreeSet;

use rkyv::rancor;

use super::{
    BLOCK_BYTES, FORMAT_VERSION, FORMAT_VERSION_OLDEST, RECORD_HEADER_BYTES, SegmentHeader,
    layout::{self, ALIGNMENT},
};
use crate::record::Record;

/// Where the header has its epoch, and its checksum.
const EPOCH_AT: usize = 24;
const CHECKSUM_AT: usize = 36;

/// Every intact record of `epoch` from `offset` on, in the order of their numbers, each number once.
pub fn salvage(image: &[u8], epoch: u64, offset: usize) -> Vec<(u64, Record)> {
    let mut found = Vec::new();
    let mut at = offset.next_multiple_of(ALIGNMENT);
    while at + RECORD_HEADER_BYTES <= image.len() {
        let Some(framed) = layout::read(&image[at..]).ok().filter(|framed| framed.epoch == epoch) else {
            at += ALIGNMENT;
            continue;
        };
        at += framed.record_bytes;
        if let Ok(record) = rkyv::from_bytes::<Record, rancor::Failure>(framed.payload) {
            found.push((framed.number, record));
        }
    }
    found.sort_by_key(|&(number, _)| number);
    found.dedup_by_key(|&mut (number, _)| number);
    found
}

/// The header of the segment that the file's name and length speak of, where what is left of its first block
/// and its records prove the epoch: the block's checksum is right for it, or the block still has it and some
/// group carries it.
pub fn salvage_header(image: &[u8], stream: u32, segment: u32) -> Option<SegmentHeader> {
    let segment_bytes = u32::try_from(image.len()).ok()?;
    let block = image.get(..BLOCK_BYTES)?;
    let written = layout::u64_at(block, EPOCH_AT);
    let carried: BTreeSet<u64> = (BLOCK_BYTES..image.len())
        .step_by(BLOCK_BYTES)
        .filter_map(|at| layout::read(&image[at..]).ok())
        .filter(|framed| framed.first_in_group)
        .map(|framed| framed.epoch)
        .collect();
    let header = |epoch| SegmentHeader { stream, segment, epoch, segment_bytes };
    let is_checked = |epoch| {
        (FORMAT_VERSION_OLDEST..=FORMAT_VERSION).any(|version| {
            let encoded = header(epoch).encode_as(version);
            layout::u32_at(&encoded, CHECKSUM_AT) == layout::u32_at(block, CHECKSUM_AT)
        })
    };
    // The checksum first: an epoch with a flipped bit may be the one of an older group in the file.
    let checked = carried.iter().copied().chain([written]).find(|&epoch| is_checked(epoch));
    checked.or_else(|| carried.contains(&written).then_some(written)).map(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{Reader, Stop, Writer},
        record::ConversationRecord,
    };

    const EPOCH: u64 = 0x5eed_0000_0007;
    const HEADER: SegmentHeader =
        SegmentHeader { stream: 3, segment: 17, epoch: EPOCH, segment_bytes: 10 * BLOCK_BYTES as u32 };

    fn record(number: u64) -> Record {
        Record::Conversation(ConversationRecord {
            conversation: format!("conversation {number}"),
            site: "default".into(),
            visitor: "v".into(),
            name: String::new(),
            vip: false,
            page: String::new(),
            at_ms: number,
        })
    }

    /// Three groups of four records, in front of a group that an older segment left there.
    fn image() -> Vec<u8> {
        let mut image = HEADER.encode().to_vec();
        let mut writer = Writer::new(3, 1, 0);
        for epoch in [EPOCH, EPOCH, EPOCH, EPOCH - 1] {
            for _ in 0..4 {
                writer.append(&record(writer.next_number())).expect("fits");
            }
            image.extend(writer.seal(epoch, usize::MAX).expect("pending").bytes);
        }
        image.resize(HEADER.segment_bytes as usize, 0);
        image
    }

    #[test]
    fn whatever_byte_is_flipped_the_other_records_are_salvaged() {
        let intact = image();
        let every = 1..=12;
        for at in BLOCK_BYTES..4 * BLOCK_BYTES {
            let mut bytes = intact.clone();
            bytes[at] ^= 1;
            let saved: Vec<u64> =
                salvage(&bytes, EPOCH, BLOCK_BYTES).into_iter().map(|(number, _)| number).collect();
            let lost: Vec<u64> = every.clone().filter(|number| !saved.contains(number)).collect();
            // Padding holds nothing.
            assert!(lost.len() <= 1, "{at}: {lost:?}");
            assert!(saved.iter().all(|number| every.contains(number)), "{at}: {saved:?}");
        }
    }

    #[test]
    fn a_header_with_one_flipped_byte_is_proved_by_the_rest() {
        for at in 0..BLOCK_BYTES {
            let mut bytes = image();
            bytes[at] ^= 1;
            assert!(Reader::new(&bytes, None, None).is_err(), "{at}");
            assert_eq!(salvage_header(&bytes, 3, 17), Some(HEADER), "{at}");
        }
    }

    #[test]
    fn a_header_that_is_gone_proves_nothing() {
        let mut bytes = image();
        bytes[..BLOCK_BYTES].fill(0);
        assert_eq!(salvage_header(&bytes, 3, 17), None);
    }

    #[test]
    fn what_a_reader_reads_is_what_is_salvaged() {
        let bytes = image();
        let mut reader = Reader::new(&bytes, None, None).expect("a segment");
        let read: Vec<_> = reader.by_ref().collect();
        assert_eq!((salvage(&bytes, EPOCH, BLOCK_BYTES), reader.stop()), (read, Some(Stop::End)));
    }
}
