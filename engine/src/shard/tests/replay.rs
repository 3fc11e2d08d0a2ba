//! A journal that is read again gives the states that were in memory, hash for hash, however much of it SQL has.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde_json::json;
use store::record::{Phase, Record};

use super::world::World;

/// Of every conversation in which something happened: where it stands and who has it. One that memory has let go is
/// as the record has it.
fn hash_of_states(world: &World) -> u64 {
    let in_memory: BTreeMap<&str, (Phase, Option<&str>)> = world
        .shards
        .iter()
        .flat_map(crate::shard::Shard::conversations)
        .map(|(id, phase, agent)| (id, (phase, agent)))
        .collect();
    let mut hasher = DefaultHasher::new();
    let mut count = 0;
    for id in world.ids() {
        let stored = world.sql_conversation(&id).expect("the record has it");
        let agent = (!stored.agent.is_empty()).then_some(stored.agent.as_str());
        let (phase, agent) = in_memory.get(id.as_str()).copied().unwrap_or((stored.phase, agent));
        (id, phase as u8, agent).hash(&mut hasher);
        count += 1;
    }
    assert_eq!(count, 12);
    hasher.finish()
}

/// A day at the desk, as far as a number: every kind of end, return, clock and hand-over that there is today.
fn a_day(world: &mut World) {
    let ann = world.agent(0, "ann");
    let bob = world.agent(1, "bob");
    let visitors: Vec<usize> =
        (0..12).map(|number| world.visitor(number % 2, &format!("u{number}"), "")).collect();
    for (number, visitor) in visitors.iter().enumerate() {
        world.say(*visitor, "m1", "hello");
        if number % 3 == 0 {
            world.send_text(*visitor, r#"{"type":"human"}"#);
        }
    }
    world.run();
    for (number, visitor) in visitors.iter().enumerate() {
        let conversation = world.conversation(*visitor);
        for agent in [ann, bob] {
            match number % 6 {
                0 => {}
                1 => world.send_text(agent, &json!({"type":"close","conversation":conversation}).to_string()),
                2 => world.send_text(
                    agent,
                    &json!({"type":"transfer","conversation":conversation,"agent":"bob"}).to_string(),
                ),
                _ => world.agent_says(agent, &conversation, "r1", "welcome"),
            }
        }
        if number % 6 == 4 {
            world.send_text(*visitor, r#"{"type":"rate","score":5}"#);
            world.send_text(*visitor, r#"{"type":"close"}"#);
        }
        world.run();
    }
}

#[test]
fn a_journal_read_again_gives_the_same_states_at_every_hour_of_the_day() {
    let mut world = World::new(2);
    a_day(&mut world);
    // Before any clock, after the ratings', the silent agents', the idle visitors'.
    for minutes in [0, 6, 11, 40] {
        world.pass_minutes(minutes);
        let before = hash_of_states(&world);
        let records = world.durable.clone();
        world.crash_without_clocks();
        assert_eq!(hash_of_states(&world), before, "after {minutes} minutes");
        assert_eq!(world.durable, records, "reading a journal writes nothing");
        world.run();
    }
    let events = world.durable.iter().flatten().filter(|record| matches!(record, Record::Event(_))).count();
    assert!(events > 60, "{events} events are no day");
    world.assert_gapless();
}

#[test]
fn whatever_sql_lacks_the_states_are_the_same_and_every_word_is_read_again() {
    let mut world = World::new(2);
    a_day(&mut world);
    let before = hash_of_states(&world);
    let longest = world.durable.iter().map(Vec::len).max().unwrap_or(0);
    assert!(longest > 20, "{longest} records are no day");
    for lacks in 0..=longest {
        world.sql_lacks = lacks;
        world.crash_without_clocks();
        // The comparison asks for conversations that are over and in SQL.
        world.sql_lacks = 0;
        assert_eq!(hash_of_states(&world), before, "SQL lacks {lacks}");
    }
    let read_again = |world: &mut World, number: usize, id: &str| {
        let resume = format!(r#","conversation":"{id}","after":0"#);
        let client = world.visitor(number % 2, &format!("u{number}"), &resume);
        world.say(client, "m1", "hello");
        world.run();
        assert_eq!(world.conversation(client), id);
        assert_eq!(world.acks(client)[0].1, 1, "it was said first, and once");
        let seen = world.seen(client, id);
        world.cut(client);
        seen
    };
    let id_of = |number| {
        let is_its = |id: &String| world.is_with(id, &format!("u{number}"));
        world.ids().into_iter().find(is_its).expect("everybody said something")
    };
    let ids: Vec<String> = (0..12).map(id_of).collect();
    let mut read: Vec<Vec<String>> =
        ids.iter().enumerate().map(|(number, id)| read_again(&mut world, number, id)).collect();
    for lacks in [1, 2, 3, 5, 8, 13, 21, longest] {
        world.sql_lacks = lacks;
        world.crash_without_clocks();
        for (number, id) in ids.iter().enumerate() {
            let again = read_again(&mut world, number, id);
            assert_eq!(again[..read[number].len()], read[number], "SQL lacks {lacks}");
            read[number] = again;
        }
    }
    world.assert_gapless();
}
