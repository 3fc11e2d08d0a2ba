//! What the format promises: nothing acknowledged is lost, nothing wrong is read.

use proptest::prelude::*;

use super::*;
use crate::record::{ConversationRecord, EventKind, EventRecord, Phase, Record, Role, TeamRecord};

const EPOCH: u64 = 0x5eed_0000_0007;
const HEADER: SegmentHeader =
    SegmentHeader { stream: 3, segment: 9, epoch: EPOCH, segment_bytes: SEGMENT_FIRST_BYTES as u32 };

fn event(seq: u64, content: &str) -> Record {
    Record::Event(EventRecord {
        conversation: "c-1".into(),
        seq,
        at_ms: 1_762_000_000_000 + seq,
        kind: EventKind::Message,
        role: Role::Visitor,
        from_id: "visitor-17".into(),
        from_name: String::new(),
        client_id: format!("client-{seq}"),
        content: content.into(),
        agent: String::new(),
        phase: Phase::Queued,
    })
}

fn records() -> impl Strategy<Value = Vec<Vec<Record>>> {
    let text = prop_oneof!["\\PC{0,40}", "[a-z]{2000,9000}"];
    let event = (any::<u64>(), text.clone(), "\\PC{0,12}").prop_map(|(seq, content, client_id)| {
        let Record::Event(event) = event(seq, &content) else { unreachable!() };
        Record::Event(EventRecord { client_id, phase: Phase::Closed, kind: EventKind::Note, ..event })
    });
    let conversation = (text, any::<bool>()).prop_map(|(page, vip)| {
        Record::Conversation(ConversationRecord {
            conversation: "c-1".into(),
            site: "default".into(),
            visitor: "v".into(),
            name: "王小明".into(),
            vip,
            page,
            at_ms: 1,
        })
    });
    let team =
        "\\PC{0,40}".prop_map(|team| Record::Team(TeamRecord { conversation: "c-1".into(), team, at_ms: 2 }));
    let record = prop_oneof![4 => event, 1 => conversation, 1 => team];
    prop::collection::vec(prop::collection::vec(record, 1..6), 0..8)
}

/// A segment with these groups, and where each group ends.
struct Written {
    image: Vec<u8>,
    group_ends: Vec<usize>,
    records: Vec<Record>,
    /// How many records there are up to the end of each group.
    records_to: Vec<usize>,
}

fn write(groups: &[Vec<Record>], image_bytes: usize) -> Written {
    let mut written = Written {
        image: HEADER.encode().to_vec(),
        group_ends: Vec::new(),
        records: Vec::new(),
        records_to: Vec::new(),
    };
    let mut writer = Writer::new(HEADER.stream, 1, 0);
    for group in groups {
        for record in group {
            writer.append(record).expect("a small record");
            written.records.push(record.clone());
        }
        while let Some(group) = writer.seal(EPOCH, GROUP_BYTES_MAX) {
            written.image.extend_from_slice(group.bytes);
        }
        written.group_ends.push(written.image.len());
        written.records_to.push(written.records.len());
    }
    written.image.resize(written.image.len().max(image_bytes), 0);
    written
}

fn read(image: &[u8]) -> (Vec<Record>, Stop) {
    let mut reader = Reader::new(image, Some(1), Some(0)).expect("an intact header");
    let records = reader.by_ref().map(|(_, record)| record).collect();
    (records, reader.stop().expect("it ended"))
}

/// At least what was acknowledged, at most what was written, and in order.
fn check_keeps(written: &Written, image: &[u8], acknowledged: usize) {
    let (records, stop) = read(image);
    assert!(matches!(stop, Stop::End | Stop::Torn { .. }), "{stop:?}");
    assert!(records.len() >= acknowledged, "{} of {acknowledged}, {stop:?}", records.len());
    assert_eq!(records, written.records[..records.len()]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_list_of_records_comes_back(groups in records()) {
        let written = write(&groups, 64 * BLOCK_BYTES);
        prop_assert_eq!(read(&written.image), (written.records, Stop::End));
    }

    #[test]
    fn a_window_of_any_size_yields_the_same_records(groups in records(), blocks in 33usize..40) {
        let written = write(&groups, 0);
        let mut cursor = Cursor::new(EPOCH, Some(1), Some(0));
        let mut records = Vec::new();
        loop {
            let begin = cursor.offset / BLOCK_BYTES * BLOCK_BYTES;
            let end = (begin + blocks * BLOCK_BYTES).min(written.image.len());
            let before = records.len();
            while let Step::Record { record, .. } = cursor.step(&written.image[begin.min(end)..end], begin) {
                records.push(record);
            }
            if records.len() == before {
                break;
            }
        }
        prop_assert_eq!(records, written.records);
    }

    #[test]
    fn a_file_cut_anywhere_loses_only_what_was_not_acknowledged(groups in records(), at in any::<prop::sample::Index>()) {
        let written = write(&groups, 0);
        let cut = BLOCK_BYTES + at.index(written.image.len() - BLOCK_BYTES + 1);
        let whole = written.group_ends.iter().filter(|&&end| end <= cut).count();
        let acknowledged = if whole == 0 { 0 } else { written.records_to[whole - 1] };
        check_keeps(&written, &written.image[..cut], acknowledged);
    }

    #[test]
    fn a_torn_write_loses_only_itself(
        groups in records(),
        stale in prop::collection::vec(any::<u8>(), 512),
        landed in prop::collection::vec(any::<bool>(), 64),
    ) {
        let written = write(&groups, 0);
        let Some(&end) = written.group_ends.last() else { return Ok(()) };
        let before = written.group_ends.len() - 1;
        let (begin, acknowledged) = match before {
            0 => (BLOCK_BYTES, 0),
            _ => (written.group_ends[before - 1], written.records_to[before - 1]),
        };
        let mut image = written.image.clone();
        for (index, sector) in image[begin..end].chunks_mut(512).enumerate() {
            if !landed[index % landed.len()] {
                sector.copy_from_slice(&stale);
            }
        }
        check_keeps(&written, &image, acknowledged);
    }

    #[test]
    fn what_an_older_segment_left_is_a_clean_end(older in records(), newer in records()) {
        let older = write(&older, 0);
        let mut image = HEADER.encode().to_vec();
        let mut writer = Writer::new(HEADER.stream, 1, 0);
        let mut expected = Vec::new();
        for record in newer.iter().flatten() {
            writer.append(record).expect("a small record");
            expected.push(record.clone());
        }
        let newer_epoch = SegmentHeader { epoch: EPOCH + 1, ..HEADER };
        image[..BLOCK_BYTES].copy_from_slice(&newer_epoch.encode());
        while let Some(group) = writer.seal(EPOCH + 1, GROUP_BYTES_MAX) {
            image.extend_from_slice(group.bytes);
        }
        if let Some(left) = older.image.get(image.len()..) {
            image.extend_from_slice(left);
        }
        prop_assert_eq!(read(&image), (expected, Stop::End));
    }
}

#[test]
fn a_flipped_byte_anywhere_is_never_a_wrong_record() {
    let groups = [
        vec![event(1, "你好"), event(2, "a")],
        vec![event(3, &"long ".repeat(1000)), event(4, "b")],
        vec![event(5, "c"), event(6, "d"), event(7, "e")],
    ];
    let written = write(&groups, 0);
    let last_group = written.group_ends[1];
    for at in 0..written.image.len() {
        let mut image = written.image.clone();
        image[at] ^= 0x41;
        if at < BLOCK_BYTES {
            assert_eq!(Reader::new(&image, Some(1), Some(0)).err(), Some(HeaderError::Damaged), "at {at}");
            continue;
        }
        let (records, stop) = read(&image);
        assert_eq!(records, written.records[..records.len()], "at {at}");
        match stop {
            Stop::Damaged { offset, valid_at } => assert!(offset <= at && at < valid_at, "at {at}: {stop:?}"),
            Stop::Torn { offset } => assert!(at >= last_group && offset <= at, "at {at}: {stop:?}"),
            // The magic or the epoch of the last group: nothing says any more that it was ever there.
            Stop::End => assert!((last_group..last_group + 24).contains(&at), "at {at}"),
            Stop::Unknown { .. } => panic!("at {at}: {stop:?}"),
        }
    }
}

#[test]
fn a_lost_group_before_a_later_one_is_damage() {
    let written = write(&[vec![event(1, "a")], vec![event(2, "b")], vec![event(3, "c")]], 0);
    for bytes in [[0; BLOCK_BYTES], [0xff; BLOCK_BYTES]] {
        let mut image = written.image.clone();
        image[2 * BLOCK_BYTES..3 * BLOCK_BYTES].copy_from_slice(&bytes);
        let (records, stop) = read(&image);
        assert_eq!(records, written.records[..1]);
        let Stop::Damaged { offset, valid_at } = stop else { panic!("{stop:?}") };
        assert!(offset < 2 * BLOCK_BYTES);
        assert_eq!(valid_at, 3 * BLOCK_BYTES);
    }
}

#[test]
fn a_header_comes_back_and_says_what_is_wrong_with_it() {
    let block = HEADER.encode();
    assert_eq!(SegmentHeader::decode(&block), Ok(HEADER));
    assert_eq!(SegmentHeader::decode(&block[1..]), Err(HeaderError::Short));
    assert_eq!(SegmentHeader::decode(&[0; BLOCK_BYTES]), Err(HeaderError::Blank));
    let mut other = block;
    other[8] = 3;
    let checksum = crc32c::crc32c(&other[..36]).to_le_bytes();
    other[36..40].copy_from_slice(&checksum);
    assert_eq!(SegmentHeader::decode(&other), Err(HeaderError::Version(3)));
}

#[test]
fn a_segment_of_the_first_version_is_read_and_its_damaged_header_proved() {
    let mut written = write(&[vec![event(1, "{}"), event(2, "{}")]], HEADER.segment_bytes as usize);
    written.image[..BLOCK_BYTES].copy_from_slice(&HEADER.encode_as(FORMAT_VERSION_OLDEST));
    assert_eq!(read(&written.image), (written.records, Stop::End));
    written.image[24] ^= 1;
    assert_eq!(salvage_header(&written.image, HEADER.stream, HEADER.segment), Some(HEADER));
}

#[test]
fn a_group_takes_what_fits_and_leaves_the_rest() {
    let mut writer = Writer::new(0, 41, 7);
    for seq in 1..=40 {
        writer.append(&event(seq, &"x".repeat(60_000))).expect("fits");
    }
    assert_eq!(writer.seal(EPOCH, BLOCK_BYTES), None);
    let first = writer.seal(EPOCH, usize::MAX).expect("some fit");
    assert!(first.bytes.len() <= GROUP_BYTES_MAX && first.bytes.len() > GROUP_BYTES_MAX - RECORD_BYTES_MAX);
    assert_eq!((first.records, first.last_number), (17, 57));
    let second = writer.seal(EPOCH, 5 * 60_000).expect("some fit");
    assert_eq!((second.records, second.last_number), (4, 61));
    assert_eq!(writer.next_number(), 81);
}

#[test]
fn a_record_longer_than_the_limit_is_refused_and_leaves_no_trace() {
    let mut writer = Writer::new(0, 1, 0);
    assert_eq!(writer.append(&event(1, &"x".repeat(RECORD_BYTES_MAX))), Err(TooLong));
    assert_eq!((writer.pending_bytes(), writer.next_number()), (0, 1));
    assert_eq!(writer.append(&event(1, &"x".repeat(96 * 1024))), Ok(1));
}

#[test]
fn an_intact_record_of_no_known_kind_is_not_taken_for_a_torn_one() {
    let mut image = HEADER.encode().to_vec();
    let mut record = vec![0; RECORD_HEADER_BYTES + 8];
    record[RECORD_HEADER_BYTES..].copy_from_slice(&[0xee; 8]);
    layout::begin(&mut record, 8);
    let seal = layout::Seal { epoch: EPOCH, number: 1, previous: 0, stream: 3, first_in_group: true };
    layout::seal(&mut record, seal);
    record.resize(BLOCK_BYTES, 0);
    image.extend_from_slice(&record);
    assert_eq!(read(&image), (vec![], Stop::Unknown { offset: BLOCK_BYTES }));
}

/// The bytes are the contract with every file ever written: when this fails, the format has changed.
#[test]
fn the_bytes_of_a_record_do_not_change() {
    let mut writer = Writer::new(3, 1, 0);
    let Record::Event(short) = event(2, "{}") else { unreachable!() };
    let short = EventRecord { from_id: "v".into(), client_id: "a longer one".into(), ..short };
    writer.append(&Record::Event(short)).expect("fits");
    let group = writer.seal(EPOCH, BLOCK_BYTES).expect("fits");
    let hex: String = group.bytes[..group.used_bytes].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("golden.hex").trim());
}
