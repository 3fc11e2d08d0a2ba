//! `permessage-deflate` between a client and a real server, over each backend and across shards.

use codec::websocket::{Compressor, Opcode};
use serde_json::{Value, json};

use crate::desk::{Client, Desk};

const BACKENDS: [&str; 3] = ["modern", "basic", "epoll"];

/// A visitor of any shard who offers compression, and whether it was granted.
fn visitor(desk: &Desk, name: &str) -> (Client, bool) {
    let (mut client, granted) = Client::connect_offering_deflate(desk.address);
    client.send(&json!({"type":"hello","role":"visitor","token":desk.visitor_token(name, "normal")}));
    client.welcome = client.wait_for("welcome");
    (client, granted)
}

fn say_compressed(client: &mut Client, id: &str, text: &str) {
    let message = json!({"type":"message","id":id,"content":{"kind":"text","text":text}}).to_string();
    let mut frame = Vec::new();
    Compressor::default().encode_masked_frame(Opcode::Text, message.as_bytes(), [1, 2, 3, 4], &mut frame);
    assert!(frame.len() < message.len() / 4, "it was compressed");
    client.send_frames(&frame);
}

#[test]
fn long_messages_cost_fewer_bytes_both_ways_once_it_is_switched_on() {
    let text = "Where is my order 20261111-1? ".repeat(200);
    for backend in BACKENDS {
        let folder = tempfile::tempdir().expect("a folder for the data");
        let mut desk = Desk::on(folder.path(), backend, 4);
        desk.set("RINGDESK_WEBSOCKET_DEFLATE", "on");
        desk.start_again();
        desk.add_agent("ann", "agent");
        let mut ann = desk.ready_agent(&desk.login("ann"), 20);
        for name in ["u1", "u2", "u3"] {
            let (mut client, granted) = visitor(&desk, name);
            assert!(granted, "{backend}");
            let before = client.heard_bytes;
            say_compressed(&mut client, "m1", &text);
            let is_it = |event: &Value| event["content"]["text"] == text.as_str();
            assert_eq!(client.wait_for("ack")["seq"], 1);
            client.wait_until("event", is_it);
            assert!(
                client.heard_bytes - before < text.len() / 4,
                "{} bytes came",
                client.heard_bytes - before
            );
            // An agent who offered nothing gets it as ever.
            ann.wait_until("event", |event| is_it(event) && event["conversation"] == client.conversation());
        }
    }
}

#[test]
fn it_is_off_until_it_is_switched_on() {
    let desk = Desk::start("epoll", 1);
    let (mut client, granted) = visitor(&desk, "u1");
    assert!(!granted);
    say_compressed(&mut client, "m1", &"never agreed ".repeat(100));
    assert_eq!(client.wait_for_close(), Some(1002));
}
