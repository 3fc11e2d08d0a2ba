//! How many events a second the projection takes: `cargo run --release -p store --example projection_rate [BATCH…]`.
//!
//! Events go round a number of conversations, as from a busy desk, in batches of so many records.

use std::time::Instant;

use store::{
    record::{ConversationRecord, EventKind, EventRecord, Phase, Record, Role},
    sql::Projection,
};

const CONVERSATIONS: u64 = 20_000;
const EVENTS: u64 = 400_000;
const BATCHES: [usize; 3] = [2_000, 8_000, 32_000];

fn main() {
    let asked: Vec<usize> =
        std::env::args().skip(1).map(|batch| batch.parse().expect("a number of records")).collect();
    for &batch in if asked.is_empty() { &BATCHES[..] } else { &asked } {
        measure(batch);
    }
}

fn measure(batch: usize) {
    let directory = tempfile::tempdir_in(".").expect("a directory on the disk to be measured");
    let mut projection = Projection::open(&directory.path().join("rate.db")).expect("opens");
    let conversations = (0..CONVERSATIONS).map(conversation);
    let events = (0..EVENTS).map(|index| event(index % CONVERSATIONS, index / CONVERSATIONS + 1));
    let records: Vec<_> = (1..).zip(conversations.chain(events)).collect();
    let begin = Instant::now();
    let mut slowest_ms = 0;
    for batch in records.chunks(batch) {
        let begin = Instant::now();
        projection.apply(0, batch).expect("applies");
        slowest_ms = slowest_ms.max(begin.elapsed().as_millis());
    }
    let rate = records.len() as f64 / begin.elapsed().as_secs_f64();
    println!("batches of {batch}: {rate:.0} records a second, the slowest {slowest_ms} ms");
}

fn conversation(index: u64) -> Record {
    Record::Conversation(ConversationRecord {
        conversation: format!("conversation-{index:012}"),
        site: "default".into(),
        visitor: format!("visitor-{index}"),
        name: String::new(),
        vip: false,
        page: "https://shop.example/item/4711".into(),
        at_ms: 1_762_000_000_000,
    })
}

fn event(conversation: u64, seq: u64) -> Record {
    Record::Event(EventRecord {
        conversation: format!("conversation-{conversation:012}"),
        seq,
        at_ms: 1_762_000_000_000 + seq * 10_000,
        kind: EventKind::Message,
        role: Role::Visitor,
        from_id: format!("visitor-{conversation}"),
        from_name: String::new(),
        client_id: format!("0190-{conversation}-{seq}"),
        content: r#"{"kind":"text","text":"你好，请问这件商品什么时候发货？"}"#.into(),
        agent: "agent-17".into(),
        phase: Phase::Unanswered,
    })
}
