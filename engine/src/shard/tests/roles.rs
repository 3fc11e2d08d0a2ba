//! The table of `crate::roles`, row by row, over shards without machines.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::world::World;
use crate::{
    desk::teams::{Team, Teams},
    roles::{ACTS, Act, Grant, SIGHTS, Sight, Who, grant, shows},
};

/// A conversation, as somebody stands to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Own,
    Others,
    Left,
}

/// Somebody of this role at a desk, and a conversation that stands to them as wanted; nothing, where there is none.
fn at(who: Who, place: Place) -> Option<(World, usize, String)> {
    let hours =
        if place == Place::Left { json!({"hours":{"zone":"Asia/Shanghai","week":{}}}) } else { json!({}) };
    let team = Team::new(serde_json::from_value(hours).expect("settings")).expect("right");
    let mut world = World::with_teams(2, Teams::new([("default".into(), team)]));
    let name = match who {
        Who::Visitor if place == Place::Left => return None, // It is its own, which is another row.
        Who::Visitor => "",
        Who::Agent => "ann",
        Who::Supervisor => "boss",
        Who::Admin => "root",
    };
    let owner = if place == Place::Own { name } else { "somebody" };
    world.agent(0, if owner.is_empty() { "ann" } else { owner });
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    let client = match (who, place) {
        (Who::Visitor, Place::Own) => visitor,
        (Who::Visitor, _) => world.visitor(0, "u2", ""),
        _ => world.agent_away(1, name, ""),
    };
    Some((world, client, conversation))
}

/// The act as a message about the conversation; `names` says whether it can be about another than the client's own.
fn message(act: Act, conversation: &str) -> (Value, bool) {
    let names = !matches!(act, Act::Human | Act::Rate | Act::Presence);
    let message = match act {
        Act::Message => json!({"id":"x1","content":{"kind":"text","text":"hi"}}),
        Act::Note | Act::Whisper => json!({"id":"x1","text":"hi"}),
        Act::Read | Act::Watch => json!({"seq":1,"after":0}),
        Act::Rate => json!({"score":5}),
        Act::Presence => json!({"state":"away"}),
        Act::Transfer => json!({"agent":"somebody else"}),
        Act::Typing | Act::Human | Act::Close | Act::Accept | Act::Decline | Act::TakeOver => json!({}),
    };
    let mut message = message;
    message["type"] = json!(act.name());
    if names {
        message["conversation"] = json!(conversation);
    }
    (message, names)
}

#[test]
fn every_role_may_do_what_its_row_says_and_nothing_else() {
    let mut looked_at = 0;
    for who in Who::ALL {
        for (act, ..) in ACTS {
            for place in [Place::Own, Place::Others, Place::Left] {
                let Some((mut world, client, conversation)) = at(who, place) else { continue };
                let (message, names) = message(act, &conversation);
                if !names && place != Place::Own {
                    continue;
                }
                world.send_text(client, &message.to_string());
                world.run();
                let may = match grant(who, act) {
                    Grant::Never => false,
                    Grant::Own => place == Place::Own,
                    Grant::Left => place == Place::Left,
                    Grant::Any => true,
                };
                let refusal = world.refusal(client);
                let is_forbidden = refusal
                    .as_deref()
                    .is_some_and(|code| ["wrong_role", "not_your_conversation"].contains(&code));
                assert_eq!(!is_forbidden, may, "{who:?} {act:?} {place:?}: {refusal:?}");
                looked_at += 1;
            }
        }
    }
    // All but those that have no conversation to name, and a visitor's own that is also one left.
    assert_eq!(looked_at, Who::ALL.len() * ACTS.len() * 3 - 14 - 3 - 3 * 3 * 2);
}

/// What of the table a client was shown.
fn shown(world: &World, client: usize) -> BTreeSet<&'static str> {
    let received = |kind: &str| world.of_type(client, kind);
    let has = |kind: &str| received("event").iter().any(|event| event["kind"] == kind);
    let is_shown = |sight: Sight| match sight {
        Sight::Message => has("message"),
        Sight::Assigned => has("assigned"),
        Sight::Queue => has("queue"),
        Sight::Transferred => has("transferred"),
        Sight::Closed => has("closed"),
        Sight::Rating => has("rating"),
        Sight::Note => has("note"),
        Sight::Why => received("event").iter().any(|event| event["content"]["why"].is_object()),
        Sight::Preview => received("typing").iter().any(|typing| typing["text"].is_string()),
        Sight::Presence => !received("presence").is_empty(),
        Sight::Shedding => !received("shedding").is_empty(),
    };
    SIGHTS.iter().filter(|(sight, ..)| is_shown(*sight)).map(|(_, word, _)| *word).collect()
}

#[test]
fn every_role_sees_what_its_row_says_and_nothing_else() {
    let mut world = World::new(1);
    let visitor = world.visitor(0, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    world.pass_ms(1_000); // It waits and is told its place.
    let readers = [
        (Who::Visitor, visitor),
        (Who::Agent, world.agent(0, "ann")),
        (Who::Supervisor, world.agent_away(0, "boss", "")),
        (Who::Admin, world.agent_away(0, "root", "")),
    ];
    for (_, watcher) in &readers[2..] {
        world.send_text(*watcher, &json!({"type":"watch","conversation":conversation}).to_string());
    }
    world.run();
    let (ann, bob) = (readers[1].1, world.agent(0, "bob"));
    for (client, message) in [
        (visitor, json!({"type":"typing","text":"I wonder"})),
        (ann, json!({"type":"typing","conversation":conversation,"text":"dear"})),
        (ann, json!({"type":"note","id":"n1","conversation":conversation,"text":"hm"})),
        (ann, json!({"type":"transfer","conversation":conversation,"agent":"bob"})),
        (bob, json!({"type":"transfer","conversation":conversation,"agent":"ann"})),
    ] {
        world.send_text(client, &message.to_string());
        world.run();
    }
    world.say(visitor, "m2", "more");
    [0, 60, 40].into_iter().for_each(|ms| world.wait_ms(ms)); // So slowly that something is given up.
    world.run();
    world.send_text(visitor, r#"{"type":"rate","score":5}"#);
    world.run();
    world.send_text(visitor, r#"{"type":"close"}"#);
    world.run();
    for (who, client) in readers {
        let expected: BTreeSet<_> =
            SIGHTS.iter().filter(|(sight, ..)| shows(who, *sight)).map(|(_, word, _)| *word).collect();
        assert_eq!(shown(&world, client), expected, "{who:?}");
    }
}
