//! What each layer costs by itself, in time and in allocations: `cargo bench -p bench`, or `make bench-layers`.
//!
//! No sockets and no disk. Allocations are counted by the allocator that the product uses; the figures are those of
//! one operation in the steady state.

mod desk;

use std::ops::ControlFlow;

use codec::{
    json,
    message::{Event, EventKind, Role, ServerMessage},
    websocket::{Decoder, Opcode, Side, encode_frame, encode_masked_frame},
};
use divan::{AllocProfiler, Bencher, black_box};
use store::{
    journal::{SEGMENT_BYTES, Writer},
    record::{self, EventRecord, Phase, Record},
};

#[global_allocator]
static ALLOCATOR: AllocProfiler<mimalloc::MiMalloc> = AllocProfiler::new(mimalloc::MiMalloc);

/// What a visitor says, as JSON.
const MESSAGE: &str = r#"{"type":"message","id":"00000000000000ff","content":{"kind":"text","text":"Is the blue one still there? 还有蓝色的吗?"}}"#;
const CONTENT: &str = r#"{"kind":"text","text":"Is the blue one still there? 还有蓝色的吗?"}"#;
const CONVERSATION: &str = "76sewd1qmhecc-1hf7yat00";
const AT_MS: u64 = 1_795_392_000_000;

fn main() {
    divan::main();
}

mod codec_layer {
    use super::*;

    /// One masked text frame of a visitor's message, to a checked text.
    #[divan::bench]
    fn frame_in(bencher: Bencher<'_, '_>) {
        let mut frame = Vec::new();
        encode_masked_frame(Opcode::Text, MESSAGE.as_bytes(), [1, 2, 3, 4], &mut frame);
        let (mut decoder, mut bytes) = (Decoder::new(Side::Server, 1 << 16), frame.clone());
        bencher.bench_local(|| {
            // Unmasking changes the bytes.
            bytes.copy_from_slice(&frame);
            let received = decoder.receive(&mut bytes, &mut |incoming| {
                black_box(incoming);
                ControlFlow::Continue(())
            });
            received.expect("a good frame")
        });
    }

    /// The text to a message.
    #[divan::bench]
    fn message_in(bencher: Bencher<'_, '_>) {
        bencher.bench_local(|| black_box(json::decode_client(black_box(MESSAGE)).is_ok()));
    }

    /// An ack to a frame.
    #[divan::bench]
    fn ack_out(bencher: Bencher<'_, '_>) {
        let mut out = Vec::new();
        bencher.bench_local(|| {
            out.clear();
            let ack = ServerMessage::Ack { id: "00000000000000ff".into(), seq: 18, at_ms: AT_MS };
            engine::channel::web::encode_message(black_box(&ack), &mut out);
        });
    }

    /// An event to JSON.
    #[divan::bench]
    fn event_out(bencher: Bencher<'_, '_>) {
        let mut out = Vec::new();
        bencher.bench_local(|| {
            out.clear();
            let event = ServerMessage::Event(Event {
                conversation: CONVERSATION.into(),
                seq: 18,
                at_ms: AT_MS,
                kind: EventKind::Message,
                id: "00000000000000ff".into(),
                role: Role::Visitor,
                from_id: "anon-0000000000000001".into(),
                from_name: "".into(),
                content: CONTENT.into(),
            });
            json::encode_server(black_box(&event), &mut out);
        });
    }

    /// 100 bytes to a frame.
    #[divan::bench]
    fn frame_out(bencher: Bencher<'_, '_>) {
        let mut out = Vec::new();
        bencher.bench_local(|| {
            out.clear();
            encode_frame(Opcode::Text, black_box(&[b'x'; 100]), &mut out);
        });
    }
}

/// One step of the dialog: a visitor's message while an agent serves.
#[divan::bench]
fn dialog_step() -> usize {
    let state = dialog::State::Serving { unanswered: false };
    let event = dialog::Event::VisitorMessage { number: 1, bot: false };
    let (state, actions) = dialog::next_state(black_box(&state), black_box(&event));
    black_box(state);
    actions.len()
}

mod journal {
    use super::*;

    fn event() -> Record {
        Record::Event(EventRecord {
            conversation: CONVERSATION.to_owned(),
            seq: 18,
            at_ms: AT_MS,
            kind: record::EventKind::Message,
            role: record::Role::Visitor,
            from_id: "anon-0000000000000001".to_owned(),
            from_name: String::new(),
            client_id: "00000000000000ff".to_owned(),
            content: CONTENT.to_owned(),
            agent: "agent-000".to_owned(),
            phase: Phase::Unanswered,
        })
    }

    /// A group of so many records, from the records to the bytes that are written.
    #[divan::bench(args = [1, 16, 256])]
    fn group(bencher: Bencher<'_, '_>, records: usize) {
        let mut writer = Writer::new(0, 1, 0);
        let record = event();
        bencher.counter(divan::counter::ItemsCount::new(records)).bench_local(|| {
            for _ in 0..records {
                writer.append(black_box(&record)).expect("a short record");
            }
            writer.seal(1, SEGMENT_BYTES).expect("it fits").bytes.len()
        });
    }
}

mod shard {
    use super::*;
    use crate::desk::OneShard;

    /// So many visitors' messages in one turn: from their bytes to the record, and, when that is durable, to the acks
    /// and to the events for visitor and agent.
    #[divan::bench(args = [1, 16, 256])]
    fn messages(bencher: Bencher<'_, '_>, visitors: usize) {
        let mut shard = OneShard::new(visitors);
        for _ in 0..64 {
            shard.everybody_says_something();
        }
        bencher
            .counter(divan::counter::ItemsCount::new(visitors))
            .bench_local(|| shard.everybody_says_something());
    }

    /// A turn in which nothing happens, with so many visitors connected.
    #[divan::bench(args = [16, 256])]
    fn nothing(bencher: Bencher<'_, '_>, visitors: usize) {
        let mut shard = OneShard::new(visitors);
        bencher.bench_local(|| shard.nothing_happens());
    }
}
