//! Stories told to the desk, one line each, and what it decides.

use super::*;

const SETTINGS: DeskSettings = DeskSettings { lease_ms: 10_000, capacity: 2 };

/// Runs a story against a desk. A line is `SECONDS: WORDS => DECISIONS`; decisions are what `decided` prints,
/// joined by `, `, without presence.
fn check(story: &str) {
    let mut desk = Desk::new(SETTINGS);
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (seconds, rest) = line.split_once(": ").expect("a line has a time");
        let (words, expected) = rest.split_once("=>").expect("a line has an outcome");
        let now_ms = seconds.parse::<u64>().expect("whole seconds") * 1_000;
        let mut out = Vec::new();
        let words: Vec<&str> = words.split_whitespace().collect();
        if let Some(input) = input(&words, now_ms) {
            desk.handle(now_ms, input, &mut out);
        } else {
            desk.tick(now_ms, &mut out);
        }
        let decisions: Vec<String> = out.iter().filter_map(decided).collect();
        assert_eq!(decisions.join(", "), expected.trim(), "after `{line}`");
        never_above_capacity(&desk);
    }
}

fn input(words: &[&str], now_ms: u64) -> Option<DeskInput> {
    let key = |word: &str| Arc::<str>::from(word);
    let address = |number: &str| Address { shard: 0, connection: number.parse().expect("a number") };
    Some(match words {
        ["tick"] => return None,
        [who, "asks"] => enqueue(who, false, now_ms, false),
        [who, "asks", "vip"] => enqueue(who, true, now_ms, false),
        [who, "returns"] => enqueue(who, false, now_ms, true),
        [who, "leaves"] => DeskInput::Leave { conversation: key(who) },
        [agent, "had", who] => DeskInput::Restore { conversation: key(who), agent: key(agent) },
        [agent, "connects", at] => DeskInput::Arrived { agent: key(agent), address: address(at) },
        [agent, "drops", at] => DeskInput::Departed { agent: key(agent), address: address(at) },
        [agent, "away"] => {
            DeskInput::Presence { agent: key(agent), state: PresenceState::Away, capacity: None }
        }
        [agent, "ready", capacity] => DeskInput::Presence {
            agent: key(agent),
            state: PresenceState::Ready,
            capacity: Some(capacity.parse().expect("a number")),
        },
        [from, "gives", who, to] => DeskInput::Transfer {
            conversation: key(who),
            from: key(from),
            to: key(to),
            asked_by: Address { shard: 0, connection: 0 },
        },
        _ => panic!("no such line: {words:?}"),
    })
}

fn enqueue(who: &str, vip: bool, since_ms: u64, at_head: bool) -> DeskInput {
    DeskInput::Enqueue { conversation: who.into(), vip, since_ms, at_head }
}

fn decided(output: &DeskOutput) -> Option<String> {
    Some(match output {
        DeskOutput::Assign { conversation, agent } => format!("{conversation} to {agent}"),
        DeskOutput::Place { conversation, place, waiting } => format!("{conversation} {place}/{waiting}"),
        DeskOutput::AgentGone { conversation, agent } => format!("{conversation} lost {agent}"),
        DeskOutput::TransferRefused { reason, .. } => format!("{reason:?}"),
        DeskOutput::PresenceChanged(_) => return None,
    })
}

fn never_above_capacity(desk: &Desk) {
    let seats: usize = desk.agents.values().map(|agent| agent.serving.len()).sum();
    assert_eq!(seats, desk.served_by.len(), "a conversation has two agents or a seat is lost");
    for conversation in desk.ranks.keys() {
        assert!(!desk.served_by.contains_key(conversation), "{conversation} waits and is served");
    }
    assert_eq!(desk.ranks.len(), desk.queue.len());
}

#[test]
fn the_least_loaded_agent_gets_the_next_conversation() {
    check(
        "0: ann connects 1 =>
         0: bob connects 2 =>
         0: ann ready 4 =>
         0: bob ready 2 =>
         1: a asks => a to ann
         1: b asks => b to bob
         1: c asks => c to ann
         1: d asks => d to ann
         1: e asks => e to bob",
    );
}

#[test]
fn vip_is_served_before_those_who_waited_longer_and_each_knows_the_place() {
    check(
        "0: a asks => a 1/1
         1: b asks => b 2/2
         2: v asks vip => v 1/3
         3: tick => a 2/3, b 3/3
         3: ann connects 1 =>
         3: ann ready 1 => v to ann
         4: v leaves => a to ann
         5: tick => b 1/1",
    );
}

#[test]
fn capacity_is_never_passed_and_a_free_seat_is_filled_at_once() {
    check(
        "0: ann connects 1 =>
         0: ann ready 1 =>
         0: a asks => a to ann
         0: b asks => b 1/1
         1: ann ready 2 => b to ann
         1: ann ready 1 =>
         2: c asks => c 1/1
         3: a leaves =>
         3: b leaves => c to ann",
    );
}

#[test]
fn a_dead_connection_keeps_its_conversations_until_the_lease_ends() {
    check(
        "0: ann connects 1 =>
         0: ann ready 2 =>
         0: a asks => a to ann
         5: ann drops 1 =>
         6: b asks => b 1/1
         14: tick =>
         15: tick => a lost ann
         15: a returns => a 1/2
         15: bob connects 2 =>
         15: bob ready 1 => a to bob
         16: tick =>",
    );
}

#[test]
fn an_agent_who_comes_back_in_time_keeps_everything() {
    check(
        "0: ann connects 1 =>
         0: ann ready 1 =>
         0: a asks => a to ann
         5: ann drops 1 =>
         9: ann connects 2 =>
         30: tick =>
         31: a leaves =>
         32: b asks => b to ann",
    );
}

#[test]
fn one_of_two_windows_closing_ends_no_lease() {
    check(
        "0: ann connects 1 =>
         0: ann connects 2 =>
         0: ann ready 1 =>
         0: a asks => a to ann
         1: ann drops 1 =>
         60: tick =>",
    );
}

#[test]
fn after_a_restart_agents_have_the_lease_to_come_back() {
    check(
        "0: ann had a =>
         0: bob had b =>
         4: ann connects 1 =>
         10: tick => b lost bob",
    );
}

#[test]
fn a_transfer_needs_a_ready_agent_with_room_and_the_right_giver() {
    check(
        "0: ann connects 1 =>
         0: ann ready 1 =>
         0: bob connects 2 =>
         0: a asks => a to ann
         1: ann gives a bob => NotReady
         1: ann gives a ann => ToYourself
         1: bob ready 1 =>
         1: bob gives a bob => NotYours
         2: ann gives a bob => a to bob
         3: b asks => b to ann
         4: ann gives b bob => Full
         4: ann gives b cat => NotReady",
    );
}

#[test]
fn asking_twice_changes_nothing() {
    check(
        "0: a asks => a 1/1
         1: a asks =>
         2: a leaves =>
         3: a leaves =>",
    );
}

/// How many statuses are announced every 200 ms to a desk of `agents` who came and each got a conversation at 0.
fn announced(agents: usize, times: u64) -> Vec<usize> {
    let mut desk = Desk::new(SETTINGS);
    let mut out = Vec::new();
    for number in 0..agents {
        let (agent, connection): (AgentName, _) = (format!("agent-{number}").into(), number as u64);
        let address = Address { shard: 0, connection };
        desk.handle(0, DeskInput::Arrived { agent: Arc::clone(&agent), address }, &mut out);
        let (state, capacity) = (PresenceState::Ready, Some(1));
        desk.handle(0, DeskInput::Presence { agent, state, capacity }, &mut out);
    }
    for number in 0..agents {
        desk.handle(0, enqueue(&format!("c{number}"), false, 0, false), &mut out);
    }
    let told = |time: u64| {
        let mut out = Vec::new();
        desk.tick(time * STATUSES_EVERY_MS, &mut out);
        out.iter().filter(|output| matches!(output, DeskOutput::PresenceChanged(_))).count()
    };
    (0..times).map(told).collect()
}

#[test]
fn a_thousand_agents_are_told_of_each_other_a_few_at_a_time() {
    assert_eq!(announced(2, 3), [2, 0, 0]);
    let told = announced(1_000, 200);
    let most = told.iter().max().copied().unwrap_or_default() as u64;
    assert!(most * 1_000 <= (STATUSES_A_SECOND_MAX + LOADS_A_SECOND_MAX) * STATUSES_EVERY_MS / 1_000);
    assert_eq!(told.iter().sum::<usize>(), 1_000, "each of them in the end, once");
    assert_eq!(told.last(), Some(&0));
}
