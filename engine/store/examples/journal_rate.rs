//! How fast records become groups and groups records: `cargo run --release -p store --example journal_rate`.
//!
//! In memory, one core: what a shard pays to journal a message, and what a start pays to read a journal.

use std::time::Instant;

use store::{
    journal::{GROUP_BYTES_MAX, Reader, SEGMENT_BYTES, SegmentHeader, Writer},
    record::{EventKind, EventRecord, Phase, Record, Role},
};

const SEGMENTS: u32 = 32;
/// As a shard has them at twenty thousand messages a second and some thousand commits.
const RECORDS_A_GROUP: u64 = 16;

fn main() {
    let record = event();
    let mut image = Vec::with_capacity(SEGMENT_BYTES);
    let mut writer = Writer::new(0, 1, 0);
    let (mut write, mut read, mut records) = (0.0, 0.0, 0u64);
    for segment in 1..=SEGMENTS {
        let header =
            SegmentHeader { stream: 0, segment, epoch: segment.into(), segment_bytes: SEGMENT_BYTES as u32 };
        image.clear();
        image.extend_from_slice(&header.encode());
        let begin = Instant::now();
        loop {
            for _ in 0..RECORDS_A_GROUP {
                writer.append(&record).expect("a small record");
            }
            let room = (SEGMENT_BYTES - image.len()).min(GROUP_BYTES_MAX);
            let Some(group) = writer.seal(header.epoch, room) else { break };
            image.extend_from_slice(group.bytes);
        }
        write += begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        records += Reader::new(&image, None, None).expect("a header").count() as u64;
        read += begin.elapsed().as_secs_f64();
    }
    let bytes = f64::from(SEGMENTS) * SEGMENT_BYTES as f64;
    println!("write: {:.0} ns a record, {:.0} MB/s", write * 1e9 / records as f64, bytes / write / 1e6);
    println!("read: {:.0} ns a record, {:.0} MB/s", read * 1e9 / records as f64, bytes / read / 1e6);
}

fn event() -> Record {
    Record::Event(EventRecord {
        conversation: "0190a1b2c3d4e5f60718".into(),
        seq: 17,
        at_ms: 1_762_000_000_000,
        kind: EventKind::Message,
        role: Role::Visitor,
        from_id: "visitor-4711".into(),
        from_name: "小明".into(),
        client_id: "0190-4711-17".into(),
        content: r#"{"kind":"text","text":"你好，请问这件商品什么时候发货？"}"#.into(),
        agent: "agent-17".into(),
        phase: Phase::Unanswered,
    })
}
