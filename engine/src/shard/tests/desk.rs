//! Teams, supervisors and second thoughts, over shards without machines.

use serde_json::{Value, json};

use super::world::World;
use crate::desk::teams::{Team, Teams};

fn teams(teams: &[(&str, Value)]) -> Teams {
    let team = |settings: &Value| Team::new(serde_json::from_value(settings.clone()).expect("settings"));
    Teams::new(teams.iter().map(|(name, settings)| ((*name).into(), team(settings).expect("right"))))
}

fn tell(world: &mut World, client: usize, message: Value) {
    world.send_text(client, &message.to_string());
    world.run();
}

/// The contents of a kind of event, as the client saw them.
fn contents(world: &World, client: usize, kind: &str) -> Vec<Value> {
    let events = world.of_type(client, "event").into_iter().filter(|event| event["kind"] == kind);
    events.map(|event| event["content"].clone()).collect()
}

#[test]
fn only_a_supervisor_is_told_why_a_conversation_went_to_whom() {
    let mut world = World::new(2);
    let ann = world.agent(0, "ann");
    let boss = world.agent_away(1, "boss", "");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    tell(&mut world, boss, json!({"type":"watch","conversation":conversation}));
    for reader in [ann, visitor] {
        assert_eq!(contents(&world, reader, "assigned"), [json!({"agent":"ann"})]);
    }
    let why =
        json!({"rule":"least_loaded","team":"default","serving":0,"capacity":8,"candidates":1,"waited_ms":0});
    assert_eq!(contents(&world, boss, "assigned"), [json!({"agent":"ann","why":why})]);
    assert_eq!(world.seen(boss, &conversation), world.seen(ann, &conversation));
    // What comes from SQL says the same to each.
    world.project();
    for _ in 0..12 {
        world.say(visitor, &format!("x{}", world.acks(visitor).len()), "more");
        world.run();
    }
    world.project();
    let late = world.agent_away(0, "boss", "");
    tell(&mut world, late, json!({"type":"watch","conversation":conversation}));
    assert_eq!(contents(&world, late, "assigned")[0]["why"], why);
    let again = world.visitor(0, "u1", "");
    assert_eq!(contents(&world, again, "assigned"), [json!({"agent":"ann"})]);
}

#[test]
fn a_supervisor_reads_along_whispers_and_takes_over() {
    let mut world = World::new(2);
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    let boss = world.agent_away(1, "boss", "");
    tell(&mut world, boss, json!({"type":"watch","conversation":conversation}));
    tell(
        &mut world,
        boss,
        json!({"type":"whisper","id":"w1","conversation":conversation,"text":"offer a refund"}),
    );
    assert_eq!(contents(&world, ann, "note"), [json!({"text":"offer a refund","whisper":true})]);
    assert!(contents(&world, visitor, "note").is_empty());
    world.agent_says(boss, &conversation, "b1", "I am not asked yet");
    world.run();
    assert_eq!(world.refusal(boss).as_deref(), Some("not_your_conversation"));
    tell(&mut world, boss, json!({"type":"takeover","conversation":conversation}));
    world.agent_says(boss, &conversation, "b2", "let me see");
    world.agent_says(ann, &conversation, "a1", "but");
    world.run();
    assert_eq!(world.refusal(ann).as_deref(), Some("not_your_conversation"));
    let taken = json!({"from":"ann","to":"boss","takeover":true});
    assert_eq!(contents(&world, visitor, "transferred"), [taken]);
    assert_eq!(contents(&world, boss, "transferred")[0]["why"]["rule"], "took_over");
    assert_eq!(world.presence(boss, "ann"), Some(0));
    assert_eq!(world.presence(boss, "boss"), Some(1));
    world.assert_gapless();
}

#[test]
fn what_a_supervisor_may_no_agent_may() {
    let mut world = World::new(1);
    let ann = world.agent(0, "ann");
    let bob = world.agent_away(0, "bob", "");
    let visitor = world.visitor(0, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    for (client, message, code) in [
        (bob, json!({"type":"watch","conversation":conversation}), "wrong_role"),
        (bob, json!({"type":"whisper","id":"w","conversation":conversation,"text":"psst"}), "wrong_role"),
        (bob, json!({"type":"takeover","conversation":conversation}), "not_your_conversation"),
        (bob, json!({"type":"decline","conversation":conversation}), "not_your_conversation"),
        (bob, json!({"type":"accept","conversation":conversation}), "not_your_conversation"),
        (visitor, json!({"type":"takeover","conversation":conversation}), "wrong_role"),
        (visitor, json!({"type":"whisper","id":"w","conversation":conversation,"text":"psst"}), "wrong_role"),
    ] {
        tell(&mut world, client, message.clone());
        assert_eq!(world.refusal(client).as_deref(), Some(code), "{message}");
    }
    assert_eq!(world.seen(ann, &conversation).len(), 2);
}

#[test]
fn a_declined_conversation_goes_to_somebody_else_and_an_answered_one_stays() {
    let mut world = World::new(2);
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    let bob = world.agent(1, "bob");
    tell(&mut world, ann, json!({"type":"decline","conversation":conversation}));
    assert_eq!(
        world.seen(visitor, &conversation),
        ["1 message: hello", "2 assigned: ann", "3 assigned: nobody", "4 assigned: bob"]
    );
    world.agent_says(bob, &conversation, "b1", "welcome");
    world.run();
    tell(&mut world, bob, json!({"type":"decline","conversation":conversation}));
    assert_eq!(world.refusal(bob).as_deref(), Some("wrong_state"));
    world.assert_gapless();
}

#[test]
fn what_is_not_accepted_in_time_goes_on_and_what_is_stays() {
    let mut world = World::with_teams(2, teams(&[("default", json!({"accept_within_s":20}))]));
    let ann = world.agent(0, "ann");
    let visitors: Vec<usize> = ["u1", "u2"].map(|name| world.visitor(1, name, "")).into();
    let conversations: Vec<String> = visitors.iter().map(|visitor| world.conversation(*visitor)).collect();
    for visitor in &visitors {
        world.say(*visitor, "m1", "hello");
    }
    world.run();
    for given in contents(&world, ann, "assigned") {
        assert_eq!(given["accept_within_s"], 20, "the console can say how long there is");
    }
    tell(&mut world, ann, json!({"type":"accept","conversation":conversations[0]}));
    world.pass_ms(25_000);
    assert_eq!(world.seen(visitors[0], &conversations[0]).len(), 2);
    let lost = json!({"agent":null,"reason":"not_accepted"});
    assert_eq!(contents(&world, visitors[1], "assigned")[1], lost);
}

#[test]
fn a_conversation_given_to_a_team_with_a_remark_waits_there_also_after_a_restart() {
    let settings = teams(&[("returns", json!({"members":[{"agent":"bob"}]}))]);
    let mut world = World::with_teams(2, settings);
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    let transfer = json!({"type":"transfer","conversation":conversation,"team":"returns","note":"二次投诉"});
    tell(&mut world, ann, transfer);
    assert_eq!(contents(&world, ann, "note"), [json!({"text":"二次投诉"})]);
    let given = json!({"agent":null,"reason":"given_to_team","by":"ann","team":"returns"});
    assert_eq!(contents(&world, visitor, "assigned")[1], given);
    assert_eq!(contents(&world, visitor, "queue"), [json!({"place":1,"waiting":1,"team":"returns"})]);
    world.crash();
    world.agent(0, "ann");
    assert_eq!(world.phase(&conversation).as_deref(), Some("Queued"), "ann is not of that team");
    let bob = world.agent(1, "bob");
    assert_eq!(world.phase(&conversation).as_deref(), Some("Unanswered"));
    assert_eq!(contents(&world, bob, "note"), [json!({"text":"二次投诉"})]);
    world.assert_gapless();
}

#[test]
fn at_night_a_message_is_left_and_an_agent_takes_it() {
    let closed = json!({"hours":{"zone":"Asia/Shanghai","week":{}}});
    let mut world = World::with_teams(2, teams(&[("default", closed)]));
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    world.say(visitor, "m2", "please call me");
    world.run();
    assert_eq!(
        world.seen(visitor, &conversation),
        ["1 message: hello", "2 assigned: nobody", "3 message: please call me"]
    );
    assert_eq!(contents(&world, visitor, "assigned"), [json!({"agent":null,"reason":"closed"})]);
    assert_eq!(world.phase(&conversation).as_deref(), Some("LeaveMessage"));
    world.leave(visitor);
    world.project();
    assert_eq!(world.phase(&conversation), None, "what is left need not be in memory");
    // Whoever has no room does not get it, and asking does not keep it in memory.
    tell(&mut world, ann, json!({"type":"presence","state":"ready","capacity":1}));
    let other = world.visitor(0, "u2", "");
    world.say(other, "m1", "hello");
    world.run();
    let taken = world.conversation(other);
    tell(&mut world, ann, json!({"type":"takeover","conversation":taken}));
    tell(&mut world, ann, json!({"type":"takeover","conversation":conversation}));
    assert_eq!(world.refusal(ann).as_deref(), Some("agent_unavailable"));
    world.project();
    assert_eq!(world.phase(&conversation), None);
    tell(&mut world, ann, json!({"type":"presence","state":"ready","capacity":2}));
    tell(&mut world, ann, json!({"type":"takeover","conversation":conversation}));
    world.agent_says(ann, &conversation, "a1", "good morning");
    world.run();
    assert_eq!(world.seen(ann, &conversation).len(), 5);
    assert_eq!(world.acks(ann).len(), 1);
    world.assert_gapless();
}

#[test]
fn a_visitor_who_comes_back_is_given_the_same_agent() {
    let mut world = World::new(2);
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(1, "u1", "");
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    tell(&mut world, ann, json!({"type":"close","conversation":conversation}));
    world.leave(visitor);
    world.project();
    // The least loaded is another one now.
    let other = world.visitor(0, "u2", "");
    world.say(other, "m1", "hello");
    world.run();
    world.agent(1, "bob");
    let again = world.visitor(0, "u1", "");
    let next = world.conversation(again);
    assert_ne!(next, conversation);
    world.say(again, "m1", "me again");
    world.run();
    assert_eq!(world.seen(again, &next)[1], "2 assigned: ann");
}

#[test]
fn a_hello_names_the_team_of_a_new_conversation() {
    let settings = teams(&[("returns", json!({"members":[{"agent":"bob"}]}))]);
    let mut world = World::with_teams(2, settings);
    world.agent(0, "ann");
    let bob = world.agent(1, "bob");
    let visitor = world.visitor(1, "u1", r#","team":"returns""#);
    let conversation = world.conversation(visitor);
    world.say(visitor, "m1", "hello");
    world.run();
    assert_eq!(world.seen(bob, &conversation), ["1 message: hello", "2 assigned: bob"]);
}
