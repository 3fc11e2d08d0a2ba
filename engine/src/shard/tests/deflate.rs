//! Compressed frames: to whom they go, and that a connection takes them along wherever it moves.

use std::sync::Arc;

use codec::websocket::{Compressor, Deflate, Opcode};
use store::record::{EventKind, EventRecord, Phase, Role};

use super::{super::event_frame::EventFrame, world::World};

const OFFER: &str = "permessage-deflate; client_max_window_bits";

fn long(word: &str) -> String {
    format!("{word}{}", " 请问我的订单到哪里了？".repeat(40))
}

#[test]
fn long_events_go_compressed_to_those_who_agreed_and_plain_to_the_others() {
    for shards in [1, 2, 4] {
        let mut world = World::new(shards);
        let plain_agent = world.agent(0, "ann");
        world.offer = Some(OFFER);
        let agent = world.agent_away(shards - 1, "ann", "");
        let visitor = world.visitor(0, "u1", "");
        let conversation = world.conversation(visitor);
        world.say(visitor, "m1", &long("first"));
        world.say(visitor, "m2", "short");
        world.run();
        world.agent_says(agent, &conversation, "r1", &long("second"));
        world.run();
        let story = world.seen(visitor, &conversation);
        assert_eq!(story.len(), 4, "{story:?}");
        assert_eq!(world.seen(agent, &conversation), story);
        assert_eq!(world.seen(plain_agent, &conversation), story);
        let compressed = |client: usize| world.clients[client].compressed;
        assert_eq!((compressed(visitor), compressed(agent), compressed(plain_agent)), (2, 2, 0));
    }
}

#[test]
fn a_compressed_message_is_understood_wherever_the_visitor_belongs() {
    for visitor in ["u1", "u2", "u3", "u4"] {
        let mut world = World::new(4);
        world.offer = Some(OFFER);
        let client = world.visitor(0, visitor, "");
        let said = long("compressed");
        let message =
            format!(r#"{{"type":"message","id":"m1","content":{{"kind":"text","text":"{said}"}}}}"#);
        let mut frame = Vec::new();
        Compressor::default().encode_masked_frame(Opcode::Text, message.as_bytes(), [1, 2, 3, 4], &mut frame);
        assert!(frame[0] & 0x40 != 0 && frame.len() < message.len() / 4);
        let (start, end) = frame.split_at(frame.len() / 2);
        world.send_bytes(client, start.to_vec());
        world.send_bytes(client, end.to_vec());
        world.run();
        assert_eq!(
            world.seen(client, &world.conversation(client)),
            [format!("1 message: {said}"), "2 queue: 1".into()]
        );
    }
}

#[test]
fn a_bomb_costs_its_sender_the_connection() {
    let mut world = World::new(2);
    world.offer = Some(OFFER);
    let client = world.visitor(0, "u1", "");
    let mut frame = Vec::new();
    let bomb = vec![b' '; crate::limits::WEB_MESSAGE_BYTES_MAX + 1];
    Compressor::default().encode_masked_frame(Opcode::Text, &bomb, [1, 2, 3, 4], &mut frame);
    world.send_bytes(client, frame);
    world.run();
    assert_eq!(world.clients[client].closed_with, Some(1009));
}

#[test]
fn who_comes_back_gets_what_was_missed_compressed_or_not() {
    let mut world = World::new(2);
    let agent = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    world.leave(visitor);
    for number in 0..30 {
        world.agent_says(agent, &conversation, &format!("r{number}"), &long(&number.to_string()));
    }
    world.run();
    world.offer = Some(OFFER);
    let more = format!(r#","conversation":"{conversation}","after":2"#);
    let back = world.visitor(0, "u1", &more);
    assert_eq!(world.seen(back, &conversation).len(), 30);
    assert_eq!(world.clients[back].compressed, 8, "the newest; the others go as they are");
    // What SQL has goes as it is; the newest eight stay in memory.
    world.project();
    let again = world.visitor(1, "u1", &more);
    assert_eq!(world.seen(again, &conversation).len(), 30);
    assert!(world.clients[again].compressed <= 8, "{}", world.clients[again].compressed);
}

#[test]
fn without_the_setting_nothing_is_granted() {
    let mut world = World::new(1);
    world.without_deflate();
    world.offer = Some(OFFER);
    let visitor = world.visitor(0, "u1", "");
    world.say(visitor, "m1", &long("plain"));
    world.run();
    assert_eq!(world.seen(visitor, &world.conversation(visitor)).len(), 2);
    assert_eq!(world.clients[visitor].compressed, 0);
}

fn event(text: &str) -> EventRecord {
    EventRecord {
        conversation: "c-1".into(),
        seq: 1,
        at_ms: 0,
        kind: EventKind::Message,
        client_id: "m1".into(),
        role: Role::Visitor,
        from_id: "v".into(),
        from_name: String::new(),
        content: format!(r#"{{"kind":"text","text":"{text}"}}"#),
        phase: Phase::WaitingUserInput,
        agent: String::new(),
    }
}

#[test]
fn an_event_is_compressed_once_for_all_who_agreed() {
    let (mut compressor, agreed) = (Compressor::default(), Some(Deflate::LARGEST_WINDOW));
    let mut frame = EventFrame::of(&event(&long("once")), &mut Vec::new());
    let plain = Arc::clone(frame.plain_for(false));
    assert!(Arc::ptr_eq(&frame.for_reader(false, agreed), &plain), "nobody compressed it yet");
    frame.compress(&mut compressor);
    let first = frame.for_reader(false, agreed);
    frame.compress(&mut compressor);
    assert!(Arc::ptr_eq(&first, &frame.for_reader(false, agreed)));
    assert!(Arc::ptr_eq(&first, &frame.for_reader(true, agreed)), "there is no reason in it");
    assert!(first.len() < plain.len() / 2);
    assert!(Arc::ptr_eq(&frame.for_reader(false, None), &plain));
}

#[test]
fn a_reason_is_told_to_those_only_who_may_know_it_compressed_or_not() {
    let (mut compressor, agreed) = (Compressor::default(), Some(Deflate::LARGEST_WINDOW));
    let content = format!(r#"{{"agent":"{}","why":{{"rule":"least_loaded"}}}}"#, long("li"));
    let assigned = EventRecord { kind: EventKind::Assigned, content, ..event("") };
    let mut frame = EventFrame::of(&assigned, &mut Vec::new());
    let says_why = |json: &[u8]| String::from_utf8_lossy(json).contains("least_loaded");
    for _ in 0..2 {
        assert!(says_why(frame.json(true)) && says_why(&frame.for_reader(true, agreed)));
        assert!(!says_why(frame.json(false)) && !says_why(&frame.for_reader(false, None)));
        frame.compress(&mut compressor);
    }
    assert!(frame.for_reader(false, agreed).len() < frame.plain_for(false).len() / 2);
}
