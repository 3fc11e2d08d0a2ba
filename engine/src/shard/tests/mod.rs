//! Whole conversations over shards without machines.

mod clocks;
mod deflate;
mod desk;
mod overload;
mod proxies;
mod replay;
mod roles;
mod tls;
mod world;

use codec::websocket::Opcode;
use world::World;

use super::Urgency;
use crate::identity::Class;

#[test]
fn visitor_and_agent_talk_wherever_they_are_connected() {
    for shards in [1, 2, 4] {
        for visitor_at in 0..shards {
            for agent_at in 0..shards {
                let mut world = World::new(shards);
                let agent = world.agent(agent_at, "ann");
                let visitor = world.visitor(visitor_at, "u1", "");
                let conversation = world.conversation(visitor);
                world.say(visitor, "m1", "hello");
                world.run();
                world.agent_says(agent, &conversation, "r1", "welcome");
                world.say(visitor, "m2", "thanks");
                world.run();
                let story = world.seen(agent, &conversation);
                assert_eq!(story[..2], ["1 message: hello", "2 assigned: ann"]);
                assert_eq!(story.len(), 4, "{story:?}");
                assert_eq!(world.seen(visitor, &conversation), story);
                assert_eq!(world.acks(visitor)[0], ("m1".into(), 1));
                assert_eq!(world.acks(visitor).len(), 2);
                assert_eq!(world.acks(agent).len(), 1);
                world.assert_gapless();
            }
        }
    }
}

#[test]
fn a_clock_before_1970_never_gives_two_conversations_one_name() {
    let mut world = World::new(2);
    world.is_before_1970 = true;
    let mut names = Vec::new();
    for round in 0..6 {
        let visitor = world.visitor(round % 2, "u1", "");
        let name = world.conversation(visitor);
        assert!(!names.contains(&name), "{name} again, after {names:?}");
        names.push(name);
        world.say(visitor, "m1", "hello");
        world.run();
        assert_eq!(world.acks(visitor), [("m1".to_owned(), 1)], "it begins with its first message");
        world.send_text(visitor, r#"{"type":"close"}"#);
        world.leave(visitor);
        // It leaves memory, or the server starts anew.
        world.project();
        if round % 3 == 2 {
            world.crash();
        }
    }
    world.assert_gapless();
}

#[test]
fn a_name_that_a_client_made_up_is_taken_only_where_another_can_follow() {
    let mut world = World::new(1);
    let visitor = world.visitor(0, "u1", "");
    let given = world.conversation(visitor);
    world.leave(visitor);
    let hash = &given[..given.len() - 9];
    let named = |world: &mut World, number: &str| {
        let visitor = world.visitor(0, "u1", &format!(r#","conversation":"{hash}{number}""#));
        let name = world.conversation(visitor);
        world.leave(visitor);
        name
    };
    assert_eq!(named(&mut world, "000000001"), format!("{hash}000000001"));
    for number in ["zzzzzzzzz", "g00000000", "1", "0000000000001"] {
        assert_ne!(named(&mut world, number), format!("{hash}{number}"));
    }
    // Far ahead as it is, it is not the last.
    assert_eq!(named(&mut world, "fzzzzzzzz"), format!("{hash}fzzzzzzzz"));
    let next = world.visitor(0, "u1", "");
    assert_eq!(world.conversation(next), format!("{hash}g00000000"));
}

#[test]
fn nothing_is_seen_before_it_is_durable() {
    let mut world = World::new(2);
    let agent = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.disk_waits = true;
    world.say(visitor, "m1", "hello");
    world.run();
    assert!(world.acks(visitor).is_empty());
    assert!(world.seen(visitor, &conversation).is_empty());
    assert!(world.seen(agent, &conversation).is_empty());
    world.disk_goes_on();
    assert_eq!(world.acks(visitor), [("m1".to_owned(), 1)]);
    assert_eq!(world.seen(agent, &conversation), ["1 message: hello", "2 assigned: ann"]);
}

#[test]
fn what_was_not_durable_is_gone_after_a_crash_and_a_resend_takes_its_place() {
    let mut world = World::new(2);
    let visitor = world.visitor(0, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "kept");
    world.run();
    world.disk_waits = true;
    world.say(visitor, "m2", "lost");
    world.run();
    world.crash();
    let more = format!(r#","conversation":"{conversation}","after":1"#);
    let visitor = world.visitor(1, "u1", &more);
    assert_eq!(world.conversation(visitor), conversation);
    world.say(visitor, "m1", "kept");
    world.say(visitor, "m2", "lost");
    world.run();
    assert_eq!(world.acks(visitor), [("m1".to_owned(), 1), ("m2".to_owned(), 4)]);
    // 2 was its place in the queue; 3, after the restart, its place again.
    assert_eq!(world.seen(visitor, &conversation), ["2 queue: 1", "3 queue: 1", "4 message: lost"]);
    world.assert_gapless();
}

#[test]
fn when_the_disk_has_failed_nothing_is_acknowledged_and_all_are_told() {
    let mut world = World::new(2);
    let agent = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "kept");
    world.run();
    world.disk_waits = true;
    world.say(visitor, "m2", "on its way to the disk");
    world.run();
    world.disk_fails();
    assert_eq!(world.acks(visitor), [("m1".to_owned(), 1)]);
    assert_eq!(world.clients[visitor].closed_with, Some(1013));
    assert_eq!(world.of_type(visitor, "error")[0]["code"], "storage_failed");
    world.agent_says(agent, &conversation, "r1", "are you there?");
    world.run();
    assert_eq!(world.refusal(agent).as_deref(), Some("storage_failed"));
    assert!(world.acks(agent).is_empty());
    let again = world.connect(0);
    let token = world.visitor_token("u1", Class::Normal);
    world.send_text(again, &format!(r#"{{"type":"hello","role":"visitor","token":"{token}"}}"#));
    world.run();
    assert_eq!(world.of_type(again, "error")[0]["code"], "storage_failed");
    // The next start reads what the disk has; the client sends again what it has no ack for.
    world.crash();
    let more = format!(r#","conversation":"{conversation}","after":1"#);
    let visitor = world.visitor(1, "u1", &more);
    world.say(visitor, "m2", "on its way to the disk");
    world.run();
    assert_eq!(world.acks(visitor).len(), 1);
    world.assert_gapless();
}

#[test]
fn a_resend_is_answered_with_the_first_number() {
    let mut world = World::new(1);
    let visitor = world.visitor(0, "u1", "");
    world.say(visitor, "m1", "hello");
    world.say(visitor, "m1", "hello");
    world.run();
    world.say(visitor, "m1", "hello");
    world.run();
    let once = ("m1".to_owned(), 1);
    assert_eq!(world.acks(visitor), [once.clone(), once.clone(), once]);
    let conversation = world.conversation(visitor);
    assert_eq!(world.seen(visitor, &conversation), ["1 message: hello", "2 queue: 1"]);
}

#[test]
fn a_client_resumes_after_the_last_it_has_from_memory_and_from_sql() {
    for projected in [false, true] {
        let mut world = World::new(2);
        let visitor = world.visitor(0, "u1", "");
        let conversation = world.conversation(visitor);
        for number in 0..300 {
            world.say(visitor, &format!("m{number}"), &format!("word {number}"));
        }
        world.run();
        if projected {
            world.project();
        }
        let all = world.seen(visitor, &conversation);
        assert_eq!(all.len(), 301);
        world.cut(visitor);
        for after in [0, 1, 150, 300, 301, 9_999] {
            let more = format!(r#","conversation":"{conversation}","after":{after}"#);
            let again = world.visitor(1, "u1", &more);
            assert_eq!(world.seen(again, &conversation), all[after.min(301)..], "after {after}");
        }
    }
}

#[test]
fn who_comes_back_waits_behind_those_who_are_here_unless_it_is_a_vip() {
    for (class, coming, here) in
        [(Class::Normal, Urgency::Later, Urgency::Normal), (Class::Vip, Urgency::Urgent, Urgency::Urgent)]
    {
        let mut world = World::new(1);
        let first = world.visitor_of(0, "grace", class, "");
        world.say(first, "m1", "is my order on its way?");
        world.run();
        let told = world.clients[first].urgencies.split_off(2);
        assert!(told.len() >= 2 && told.iter().all(|urgency| *urgency == here), "{told:?}");
        // What it missed is the message that it does not know to be stored.
        let conversation = world.conversation(first);
        let resume = format!(r#","conversation":"{conversation}","after":0"#);
        let back = world.visitor_of(0, "grace", class, &resume);
        let told = &world.clients[back].urgencies;
        assert_eq!(told[0], Urgency::Later, "the answer to its request: nobody knows yet who it is");
        assert!(told.len() >= 3 && told[1..].iter().all(|urgency| *urgency == coming), "{told:?}");
        let count = told.len();
        world.say(first, "m2", "hello?");
        world.run();
        let told = &world.clients[back].urgencies[count..];
        assert!(!told.is_empty() && told.iter().all(|urgency| *urgency == here), "now it is here: {told:?}");
    }
}

#[test]
fn messages_sent_with_the_hello_are_not_lost_when_the_connection_moves() {
    for shard in 0..4 {
        let mut world = World::new(4);
        let client = world.connect(shard);
        let token = world.visitor_token("u1", Class::Normal);
        world.send_text(client, &format!(r#"{{"type":"hello","role":"visitor","token":"{token}"}}"#));
        for number in 0..5 {
            world.say(client, &format!("m{number}"), "hi");
        }
        world.run();
        assert_eq!(world.acks(client).len(), 5, "connected to shard {shard}");
    }
}

#[test]
fn an_anonymous_visitor_comes_back_with_the_token_it_was_given() {
    let mut world = World::new(4);
    let first = world.connect(2);
    world.send_text(first, r#"{"type":"hello","role":"visitor"}"#);
    world.say(first, "m1", "hello");
    world.run();
    let token = world.of_type(first, "welcome")[0]["token"].as_str().expect("a token").to_owned();
    let conversation = world.conversation(first);
    world.cut(first);
    let again = world.connect(1);
    world.send_text(again, &format!(r#"{{"type":"hello","role":"visitor","token":"{token}"}}"#));
    world.run();
    assert_eq!(world.conversation(again), conversation);
    assert_eq!(world.seen(again, &conversation)[0], "1 message: hello");
    assert!(world.of_type(again, "welcome")[0].get("token").is_none());
}

#[test]
fn another_visitors_conversation_stays_shut() {
    let mut world = World::new(2);
    let victim = world.visitor(0, "u1", "");
    world.say(victim, "m1", "secret");
    world.run();
    let theirs = world.conversation(victim);
    let thief = world.visitor(0, "u2", &format!(r#","conversation":"{theirs}""#));
    assert_ne!(world.conversation(thief), theirs);
    assert!(world.of_type(thief, "event").is_empty());
    let message = format!(
        r#"{{"type":"message","id":"x","conversation":"{theirs}","content":{{"kind":"text","text":"hi"}}}}"#
    );
    world.send_text(thief, &message);
    world.run();
    assert_eq!(world.refusal(thief).as_deref(), Some("not_your_conversation"));
}

#[test]
fn an_agent_speaks_only_in_conversations_of_their_own() {
    let mut world = World::new(2);
    let ann = world.agent(0, "ann");
    let bob = world.agent_away(1, "bob", "");
    let visitor = world.visitor(0, "u1", "");
    world.say(visitor, "m1", "hello");
    world.run();
    let conversation = world.conversation(visitor);
    world.agent_says(bob, &conversation, "r1", "let me");
    world.run();
    assert_eq!(world.refusal(bob).as_deref(), Some("not_your_conversation"));
    world.agent_says(ann, "0000000000000-1", "r1", "hello?");
    world.run();
    assert_eq!(world.refusal(ann).as_deref(), Some("unknown_conversation"));
}

#[test]
fn a_transfer_brings_the_whole_story_to_the_other_agent() {
    let mut world = World::new(4);
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    let transfer = format!(r#"{{"type":"transfer","conversation":"{conversation}","agent":"bob"}}"#);
    world.send_text(ann, &transfer);
    world.run();
    assert_eq!(world.refusal(ann).as_deref(), Some("agent_unavailable"));
    let bob = world.agent(2, "bob");
    world.send_text(ann, &transfer);
    world.run();
    world.agent_says(bob, &conversation, "r1", "I am bob");
    world.say(visitor, "m2", "hi bob");
    world.run();
    let story = world.seen(visitor, &conversation);
    assert_eq!(story[..3], ["1 message: hello", "2 assigned: ann", "3 transferred: ann to bob"]);
    assert_eq!(world.seen(bob, &conversation), story);
    assert_eq!(world.seen(ann, &conversation), story[..3]);
}

#[test]
fn a_dead_agents_visitor_is_with_the_other_agent_when_the_lease_ends() {
    let mut world = World::new(2);
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "anyone?");
    world.run();
    let bob = world.agent(1, "bob");
    world.cut(ann);
    world.pass_ms(5_000);
    assert!(world.seen(bob, &conversation).is_empty(), "the lease still runs");
    world.pass_ms(10_000);
    let story = world.seen(visitor, &conversation);
    assert_eq!(story[1..], ["2 assigned: ann", "3 assigned: nobody", "4 assigned: bob"]);
    assert_eq!(world.seen(bob, &conversation), story);
}

#[test]
fn an_agent_who_reconnects_gets_what_was_missed_and_no_more() {
    let mut world = World::new(2);
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "one");
    world.run();
    world.cut(ann);
    world.say(visitor, "m2", "two");
    world.run();
    let ann = world.agent_away(1, "ann", &format!(r#","conversations":{{"{conversation}":2}}"#));
    assert_eq!(world.seen(ann, &conversation), ["3 message: two"]);
    world.cut(ann);
    world.send_text(visitor, r#"{"type":"close"}"#);
    world.run();
    let ann = world.agent_away(1, "ann", &format!(r#","conversations":{{"{conversation}":3}}"#));
    assert_eq!(world.seen(ann, &conversation), ["4 closed: visitor"]);
}

#[test]
fn after_a_crash_both_sides_go_on() {
    for shards in [1, 4] {
        let mut world = World::new(shards);
        world.agent(0, "ann");
        let visitor = world.visitor(0, "u1", "");
        let conversation = world.conversation(visitor);
        world.say(visitor, "m1", "one");
        world.run();
        world.crash();
        let ann = world.agent_away(shards - 1, "ann", "");
        let visitor =
            world.visitor(shards - 1, "u1", &format!(r#","conversation":"{conversation}","after":2"#));
        world.agent_says(ann, &conversation, "r1", "still here");
        world.run();
        world.say(visitor, "m2", "good");
        world.run();
        assert_eq!(world.seen(visitor, &conversation), ["3 message: still here", "4 message: good"]);
        assert_eq!(world.seen(ann, &conversation).len(), 4);
        world.assert_gapless();
    }
}

#[test]
fn a_closed_conversation_takes_a_rating_and_nothing_else() {
    let mut world = World::new(1);
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(0, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    world.send_text(ann, &format!(r#"{{"type":"close","conversation":"{conversation}"}}"#));
    world.run();
    world.say(visitor, "m2", "wait");
    world.run();
    assert_eq!(world.refusal(visitor).as_deref(), Some("conversation_closed"));
    world.send_text(visitor, r#"{"type":"rate","score":5,"text":"good"}"#);
    world.send_text(visitor, r#"{"type":"rate","score":1}"#);
    world.run();
    assert_eq!(world.refusal(visitor).as_deref(), Some("already_rated"));
    let story = world.seen(visitor, &conversation);
    assert_eq!(story[2..], ["3 closed: agent", "4 rating: 5"]);
    world.leave(visitor);
    world.project();
    let again = world.visitor(0, "u1", "");
    assert_ne!(world.conversation(again), conversation, "a new conversation begins");
    let back = world.visitor(0, "u1", &format!(r#","conversation":"{conversation}","after":0"#));
    assert_eq!(world.seen(back, &conversation), story, "the old one can still be read");
}

#[test]
fn visitors_see_no_notes_and_agents_do() {
    let mut world = World::new(2);
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    world.send_text(
        ann,
        &format!(r#"{{"type":"note","id":"n1","conversation":"{conversation}","text":"rude"}}"#),
    );
    world.run();
    world.say(visitor, "m2", "still there?");
    world.run();
    assert_eq!(world.acks(ann), [("n1".to_owned(), 3)]);
    assert_eq!(world.seen(visitor, &conversation)[2..], ["4 message: still there?"]);
    assert_eq!(world.seen(ann, &conversation)[2..], ["3 note: rude", "4 message: still there?"]);
    let again = world.visitor(0, "u1", &format!(r#","conversation":"{conversation}","after":2"#));
    assert_eq!(world.seen(again, &conversation), ["4 message: still there?"]);
}

#[test]
fn typing_and_reading_reach_the_other_side_only() {
    let mut world = World::new(2);
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    world.send_text(visitor, r#"{"type":"typing","text":"I wa"}"#);
    world.send_text(ann, &format!(r#"{{"type":"typing","conversation":"{conversation}","text":"secret"}}"#));
    world.send_text(ann, &format!(r#"{{"type":"read","conversation":"{conversation}","seq":1}}"#));
    world.run();
    assert_eq!(world.of_type(ann, "typing")[0]["text"], "I wa");
    assert!(world.of_type(visitor, "typing")[0].get("text").is_none());
    assert_eq!(world.of_type(visitor, "read")[0]["seq"], 1);
    assert!(world.of_type(ann, "read").is_empty());
}

/// What a hostile or careless client sends after a good hello, the code it gets, and the close code if the
/// connection is lost.
#[test]
fn bad_input_is_answered_and_costs_nobody_else() {
    let cases: &[(&str, &str, Option<u16>)] = &[
        ("no json", "not_json", Some(4400)),
        (r#"{"type":"dance"}"#, "unknown_type", Some(4400)),
        (r#"{"type":"hello","role":"visitor"}"#, "hello_twice", Some(4400)),
        (r#"{"type":"message","id":"m","content":{"kind":"text","text":"  "}}"#, "bad_field", None),
        (r#"{"type":"message","id":"m","content":{"kind":"song"}}"#, "bad_field", None),
        (r#"{"type":"presence","state":"ready"}"#, "wrong_role", None),
        (r#"{"type":"close"}"#, "wrong_state", None),
        (r#"{"type":"rate","score":5}"#, "wrong_state", None),
    ];
    for (text, code, close_code) in cases {
        let mut world = World::new(2);
        let other = world.visitor(0, "u2", "");
        let client = world.visitor(0, "u1", "");
        world.send_text(client, text);
        world.run();
        let said = world.clients[client].received.last().expect("an answer");
        assert_eq!(said["code"], *code, "{text}");
        assert!(!said["text"].as_str().expect("words").is_empty());
        assert_eq!(world.clients[client].closed_with, *close_code, "{text}");
        assert_eq!(world.clients[client].gone, close_code.is_some(), "{text}");
        world.say(other, "m1", "unharmed");
        world.run();
        assert_eq!(world.acks(other).len(), 1);
    }
}

#[test]
fn before_hello_nothing_else_is_heard_and_forged_tokens_end_it() {
    let mut world = World::new(2);
    let expired = {
        let claims = crate::identity::VisitorClaims {
            sub: "u1".into(),
            name: String::new(),
            class: Class::Vip,
            site: "default".into(),
            exp: 1,
        };
        crate::identity::Identity::new(&[1; 32], &[2; 32]).sign_visitor(&claims)
    };
    let visitors = world.visitor_token("u1", Class::Normal);
    let cases = [
        (r#"{"type":"human"}"#.to_owned(), "hello_first", 4400),
        (r#"{"type":"hello","role":"visitor","token":"x.y.z"}"#.to_owned(), "bad_token", 4401),
        (format!(r#"{{"type":"hello","role":"visitor","token":"{expired}"}}"#), "expired_token", 4401),
        (format!(r#"{{"type":"hello","role":"agent","token":"{visitors}"}}"#), "bad_token", 4401),
        (r#"{"type":"hello","role":"visitor","site":"other"}"#.to_owned(), "unknown_site", 4400),
    ];
    for (text, code, close_code) in cases {
        let client = world.connect(0);
        world.send_text(client, &text);
        world.run();
        assert_eq!(world.of_type(client, "error")[0]["code"], code, "{text}");
        assert_eq!(world.clients[client].closed_with, Some(close_code), "{text}");
        assert!(world.clients[client].gone);
    }
}

#[test]
fn an_agent_whose_account_was_disabled_stays_out() {
    let mut world = World::new(2);
    let fired = world.agent_away(0, "fired", "");
    assert_eq!(world.of_type(fired, "error")[0]["code"], "bad_token");
    assert_eq!(world.clients[fired].closed_with, Some(4401));
}

#[test]
fn what_is_said_while_the_hello_waits_for_sql_is_not_lost() {
    let mut world = World::new(2);
    let ann = world.connect(0);
    let token = world.agent_token("ann");
    world.send_text(ann, &format!(r#"{{"type":"hello","role":"agent","token":"{token}"}}"#));
    world.send_text(ann, r#"{"type":"presence","state":"ready","capacity":8}"#);
    world.run();
    let visitor = world.visitor(0, "u1", "");
    world.say(visitor, "m1", "hello");
    world.run();
    world.send_text(visitor, r#"{"type":"close"}"#);
    world.run();
    let conversation = world.conversation(visitor);
    assert_eq!(world.seen(ann, &conversation).len(), 3, "she was ready");
    world.leave(visitor);
    world.project();
    let again = world.connect(0);
    let token = world.visitor_token("u1", Class::Normal);
    let hello =
        format!(r#"{{"type":"hello","role":"visitor","token":"{token}","conversation":"{conversation}"}}"#);
    world.send_text(again, &hello);
    world.send_text(again, r#"{"type":"rate","score":4}"#);
    world.run();
    assert_eq!(world.seen(again, &conversation).last().map(String::as_str), Some("4 rating: 4"));
}

#[test]
fn under_pressure_messages_are_refused_with_a_time_and_counted() {
    for (journal_full, overloaded, code) in [(true, false, "journal_full"), (false, true, "overloaded")] {
        let mut world = World::new(1);
        let visitor = world.visitor(0, "u1", "");
        world.shards[0].pressure(journal_full, overloaded);
        world.say(visitor, "m1", "hello");
        world.run();
        assert_eq!(world.refusal(visitor).as_deref(), Some(code));
        assert!(world.of_type(visitor, "refused")[0]["retry_after_ms"].as_u64() > Some(0));
        let counts = world.shards[0].counts();
        let refused = [counts.refused_journal[0], counts.refused_overloaded[0], counts.refused_invalid[0]];
        assert_eq!(refused, [u64::from(journal_full), u64::from(overloaded), 0]);
        world.shards[0].pressure(false, false);
        world.say(visitor, "m1", "hello");
        world.run();
        assert_eq!(world.acks(visitor), [("m1".to_owned(), 1)], "nothing of the refused one remained");
    }
}

#[test]
fn what_sql_lacks_has_a_limit_and_vips_have_twice_as_much() {
    let mut world = World::new(1);
    world.keeping(8);
    let normal = world.visitor_of(0, "u1", Class::Normal, "");
    let vip = world.visitor_of(0, "u2", Class::Vip, "");
    let taken = |world: &mut World, client: usize, letter: char| {
        for number in 0..9 {
            world.say(client, &format!("{letter}{number}"), "hello");
            world.run();
        }
        world.acks(client).len()
    };
    let by_normal = taken(&mut world, normal, 'a');
    assert!((1..=8).contains(&by_normal), "{by_normal}");
    assert_eq!(world.refusal(normal).as_deref(), Some("overloaded"));
    let by_vip = taken(&mut world, vip, 'b');
    assert!((1..=8).contains(&by_vip), "{by_vip}");
    assert_eq!(world.refusal(vip).as_deref(), Some("overloaded"));
    world.project();
    world.say(normal, "a9", "hello");
    world.run();
    assert_eq!(world.acks(normal).len(), by_normal + 1, "SQL has caught up");
}

#[test]
fn broken_frames_are_closed_with_the_right_code() {
    let cases: [(Opcode, &[u8], u16); 3] = [
        (Opcode::Binary, b"{}", 1003),
        (Opcode::Text, b"\xff\xfe", 1007),
        (Opcode::Continuation, b"x", 1002),
    ];
    for (opcode, payload, code) in cases {
        let mut world = World::new(1);
        let client = world.visitor(0, "u1", "");
        world.send_frame(client, opcode, payload);
        world.run();
        assert_eq!(world.clients[client].closed_with, Some(code), "{opcode:?}");
        assert!(world.clients[client].gone);
    }
}

#[test]
fn silence_is_asked_then_closed() {
    let mut world = World::new(1);
    let silent = world.visitor(0, "u1", "");
    let never = world.connect(0);
    world.pass_ms(15_000);
    assert_eq!(world.clients[never].closed_with, Some(4408), "no hello");
    assert!(!world.clients[silent].gone);
    world.pass_ms(60_000);
    assert_eq!(world.clients[silent].closed_with, Some(4408));
}

#[test]
fn memory_is_let_go_of() {
    let mut world = World::new(1);
    for number in 0..50 {
        let client = world.visitor(0, &format!("u{number}"), "");
        world.leave(client);
    }
    assert_eq!(world.shards[0].counts().conversations, 0, "nothing was said in them");
    let visitor = world.visitor(0, "u1", "");
    world.say(visitor, "m1", "hello");
    world.run();
    world.send_text(visitor, r#"{"type":"close"}"#);
    world.leave(visitor);
    assert_eq!(world.shards[0].counts().conversations, 1, "SQL does not have it yet");
    world.project();
    assert_eq!(world.shards[0].counts().conversations, 0);
    assert!(world.shards[0].is_settled());
}
