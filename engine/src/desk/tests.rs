//! Stories told to the desk, one line each, and what it decides.

mod random;

use codec::message::PresenceState;

use super::{
    agents::{ANNOUNCED_AT_ONCE_MAX, ANNOUNCED_EVERY_MS, LOADS_HEARD_A_SECOND, STATUSES_HEARD_A_SECOND},
    teams::Team,
    *,
};

const SETTINGS: DeskSettings = DeskSettings { lease_ms: 10_000, capacity: 2 };
/// Monday, 2026-11-23, eight in the morning in Shanghai: the second 0 of the stories.
const START_MS: u64 = 1_795_392_000_000;

fn time(seconds: u64) -> Time {
    Time { ms: seconds * 1_000, unix_ms: START_MS + seconds * 1_000 }
}

/// Runs a story against a desk of the first team only.
fn check(story: &str) {
    check_with(&[], story);
}

/// Runs a story against a desk with these teams, by name and settings. A line is `SECONDS: WORDS => DECISIONS`;
/// decisions are what `decided` prints, joined by `, `, without presence.
fn check_with(teams: &[(&str, &str)], story: &str) {
    let team = |settings: &str| Team::new(serde_json::from_str(settings).expect("settings")).expect("right");
    let teams = teams.iter().map(|(name, settings)| ((*name).into(), team(settings)));
    let mut desk = Desk::new(SETTINGS, Arc::new(Teams::new(teams)));
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (seconds, rest) = line.split_once(": ").expect("a line has a time");
        let (words, expected) = rest.split_once("=>").expect("a line has an outcome");
        let now = time(seconds.parse::<u64>().expect("whole seconds"));
        let mut out = Vec::new();
        let words: Vec<&str> = words.split_whitespace().collect();
        if let Some(input) = input(&desk, &words, now) {
            desk.handle(now, input, &mut out);
        } else {
            desk.tick(now, &mut out);
        }
        let decisions: Vec<String> = out.iter().filter_map(decided).collect();
        assert_eq!(decisions.join(", "), expected.trim(), "after `{line}`");
        one_place_each(&desk);
    }
}

fn input(desk: &Desk, words: &[&str], now: Time) -> Option<DeskInput> {
    let key = |word: &str| Arc::<str>::from(word);
    let address = |number: &str| Address { shard: 0, connection: number.parse().expect("a number") };
    let asked_by = Address { shard: 0, connection: 0 };
    let seat = |who: &str| desk.agents.seat(who).map(|seat| seat.number);
    Some(match words {
        ["tick"] => return None,
        [who, "asks"] => enqueue(who, now),
        [who, "asks", "vip"] => DeskInput::Enqueue(Wanted { vip: true, ..wanted(who, now) }),
        [who, "asks", team] => DeskInput::Enqueue(Wanted { team: key(team), ..wanted(who, now) }),
        [who, "asks", team, "vip"] => {
            DeskInput::Enqueue(Wanted { team: key(team), vip: true, ..wanted(who, now) })
        }
        [who, "comes", "back", "to", agent, "after", seconds] => {
            let ago_ms = seconds.parse::<u64>().expect("seconds") * 1_000;
            let last_agent = Some((key(agent), now.unix_ms - ago_ms));
            DeskInput::Enqueue(Wanted { last_agent, ..wanted(who, now) })
        }
        [who, "returns"] => DeskInput::Enqueue(Wanted { at_head: true, ..wanted(who, now) }),
        [agent, "declines", who] => DeskInput::Enqueue(Wanted {
            at_head: true,
            given_up: seat(who),
            declined_by: Some(key(agent)),
            ..wanted(who, now)
        }),
        [who, "gives", "up", "seat", number] => {
            DeskInput::Enqueue(Wanted { at_head: true, given_up: number.parse().ok(), ..wanted(who, now) })
        }
        [who, "gives", "up", "for", team] => DeskInput::Enqueue(Wanted {
            at_head: true,
            given_up: seat(who),
            team: key(team),
            ..wanted(who, now)
        }),
        [who, "leaves"] => DeskInput::Leave { conversation: key(who) },
        [agent, "had", who] => {
            DeskInput::Restore { conversation: key(who), agent: key(agent), team: key("") }
        }
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
        [agent, "takes", "over", who] => {
            DeskInput::TakeOver { conversation: key(who), agent: key(agent), team: key(""), asked_by }
        }
        [from, "gives", who, "team", to] => DeskInput::Transfer {
            conversation: key(who),
            from: key(from),
            to: Target::Team(key(to)),
            asked_by,
        },
        [from, "gives", who, to] => DeskInput::Transfer {
            conversation: key(who),
            from: key(from),
            to: Target::Agent(key(to)),
            asked_by,
        },
        _ => panic!("no such line: {words:?}"),
    })
}

fn wanted(who: &str, now: Time) -> Wanted {
    Wanted {
        conversation: who.into(),
        vip: false,
        since_ms: now.unix_ms,
        at_head: false,
        given_up: None,
        team: "".into(),
        last_agent: None,
        declined_by: None,
    }
}

fn enqueue(who: &str, now: Time) -> DeskInput {
    DeskInput::Enqueue(wanted(who, now))
}

fn decided(output: &DeskOutput) -> Option<String> {
    Some(match output {
        DeskOutput::Assign(Assignment { conversation, agent, team, accept_within_ms, why, .. }) => {
            let how = match why.rule {
                Rule::LeastLoaded | Rule::Transferred => "",
                Rule::LastAgent => " again",
                Rule::TookOver => " taken",
            };
            let team = if **team == *"default" { String::new() } else { format!(" of {team}") };
            let accept = accept_within_ms.map(|ms| format!(" within {}", ms / 1_000)).unwrap_or_default();
            format!("{conversation} to {agent}{team}{how}{accept}")
        }
        DeskOutput::Place { conversation, place, waiting, .. } => format!("{conversation} {place}/{waiting}"),
        DeskOutput::Closed { conversation, opens_at_ms } => match opens_at_ms {
            Some(at_ms) => format!("{conversation} closed for {}", (at_ms - START_MS) / 1_000),
            None => format!("{conversation} closed"),
        },
        DeskOutput::TimedOut { conversation } => format!("{conversation} timed out"),
        DeskOutput::GivenToTeam { conversation, team, .. } => format!("{conversation} may go to {team}"),
        DeskOutput::AgentGone { conversation, agent, .. } => format!("{conversation} lost {agent}"),
        DeskOutput::Refused { reason, .. } => format!("{reason:?}"),
        DeskOutput::PresenceChanged(_) => return None,
    })
}

fn one_place_each(desk: &Desk) {
    let seats = desk.seats();
    let mut places = std::collections::BTreeSet::new();
    let served = seats.served.iter().map(|seat| &seat.conversation);
    for conversation in seats.queue.iter().map(|waiting| &waiting.conversation).chain(served) {
        assert!(places.insert(conversation), "{conversation} has two places");
    }
    let serving: usize = seats.agents.iter().map(|agent| agent.serving).sum();
    assert_eq!(serving, seats.served.len(), "a seat is lost, or an agent has what nobody has");
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

/// How many statuses are announced each time to a desk of `agents` who came and each got a conversation at 0.
fn announced(agents: usize, times: u64) -> Vec<usize> {
    let mut desk = Desk::new(SETTINGS, Arc::default());
    let mut out = Vec::new();
    for number in 0..agents {
        let (agent, connection): (AgentName, _) = (format!("agent-{number}").into(), number as u64);
        let address = Address { shard: 0, connection };
        desk.handle(time(0), DeskInput::Arrived { agent: Arc::clone(&agent), address }, &mut out);
        let (state, capacity) = (PresenceState::Ready, Some(1));
        desk.handle(time(0), DeskInput::Presence { agent, state, capacity }, &mut out);
    }
    for number in 0..agents {
        desk.handle(time(0), enqueue(&format!("c{number}"), time(0)), &mut out);
    }
    let told = |time: u64| {
        let mut out = Vec::new();
        let ms = time * ANNOUNCED_EVERY_MS;
        desk.tick(Time { ms, unix_ms: START_MS + ms }, &mut out);
        let announced = |output: &DeskOutput| match output {
            DeskOutput::PresenceChanged(statuses) => statuses.len(),
            _ => 0,
        };
        out.iter().map(announced).sum()
    };
    (0..times).map(told).collect()
}

#[test]
fn a_thousand_agents_are_told_of_each_other_a_few_at_a_time() {
    assert_eq!(announced(2, 3), [2, 0, 0]);
    let told = announced(1_000, 2_000);
    let a_second = 1_000 / ANNOUNCED_EVERY_MS as usize;
    let at_once = told.iter().max().copied().unwrap_or_default();
    assert!(at_once <= 2 * ANNOUNCED_AT_ONCE_MAX, "a turn of the desk's shard stays short: {at_once}");
    let pieces = |second: &[usize]| second.iter().filter(|&&statuses| statuses > 0).count() as u64;
    let most = told.chunks(a_second).map(pieces).max().unwrap_or_default();
    assert!(most * 1_000 <= STATUSES_HEARD_A_SECOND + LOADS_HEARD_A_SECOND, "{most} in a second");
    assert_eq!(told.iter().sum::<usize>(), 1_000, "each of them in the end, once");
    assert_eq!(told.last(), Some(&0));
}

#[test]
fn whoever_gave_it_back_is_passed_over_for_a_while_and_holds_up_nobody() {
    check(
        "0: ann connects 1 =>
         0: ann ready 2 =>
         0: a asks => a to ann
         1: ann declines a => a 1/1
         2: b asks => b to ann
         3: bob connects 2 =>
         3: bob ready 1 => a to bob
         4: bob declines a => a 1/1
         31: tick => a to ann",
    );
}

#[test]
fn a_word_that_crosses_a_newer_seat_changes_nothing() {
    check(
        "0: ann connects 1 =>
         0: ann ready 2 =>
         0: bob connects 2 =>
         0: bob ready 2 =>
         0: a asks => a to ann
         1: bob takes over a => a to bob taken
         2: a gives up seat 1 =>
         3: a returns =>
         4: a gives up seat 2 => a to ann",
    );
}

#[test]
fn a_returning_visitor_is_given_the_last_agent_within_the_window() {
    check_with(
        &[("default", r#"{"prefer_last_agent_s":3600}"#)],
        "0: ann connects 1 =>
         0: ann ready 4 =>
         0: bob connects 2 =>
         0: bob ready 4 =>
         0: a asks => a to ann
         1: b comes back to ann after 3600 => b to ann again
         2: c comes back to ann after 3601 => c to bob
         3: d comes back to cat after 1 => d to bob
         4: bob away =>
         5: e comes back to bob after 1 => e to ann",
    );
}

#[test]
fn teams_have_their_own_queues_members_and_capacities() {
    check_with(
        &[
            ("returns", r#"{"members":[{"agent":"ann","capacity":1},{"agent":"bob"}]}"#),
            ("boots", r#"{"members":[{"agent":"ann"}]}"#),
        ],
        "0: ann connects 1 =>
         0: ann ready 3 =>
         0: a asks returns => a to ann of returns
         1: b asks returns => b 1/1
         2: c asks boots => c to ann of boots
         3: d asks unknown => d to ann
         4: bob connects 2 =>
         4: bob ready 1 => b to bob of returns
         5: e asks boots => e 1/1
         6: f asks => f 1/1
         6: v asks boots vip => v 1/2
         7: a leaves => v to ann of boots
         8: tick =>
         8: c leaves => e to ann of boots",
    );
}

#[test]
fn a_free_agent_takes_the_longest_wait_of_all_teams_and_vip_before_all() {
    check_with(
        &[("returns", "{}"), ("boots", "{}")],
        "0: a asks returns => a 1/1
         1: b asks boots => b 1/1
         2: c asks returns => c 2/2
         3: v asks boots vip => v 1/2
         4: ann connects 1 =>
         4: ann ready 3 => v to ann of boots, a to ann of returns, b to ann of boots",
    );
}

#[test]
fn who_waits_too_long_goes_to_another_team_once_and_then_leaves_a_message() {
    check_with(
        &[
            ("returns", r#"{"members":[],"overflow_after_s":60,"overflow_to":"boots"}"#),
            ("boots", r#"{"members":[{"agent":"bob"}],"overflow_after_s":30,"overflow_to":"returns"}"#),
        ],
        "0: a asks returns => a 1/1
         10: b asks returns => b 2/2
         59: tick =>
         60: tick => a 1/1, b 1/1
         70: tick => b 2/2
         80: bob connects 1 =>
         80: bob ready 1 => a to bob of boots
         81: tick => b 1/1
         100: tick => b timed out
         101: b asks boots => b 1/1",
    );
}

const OFFICE: &str = r#"{"hours":{"zone":"Asia/Shanghai","week":{"monday":["09:00-18:00"],"tuesday":["09:00-18:00"]},
    "special_days":{"2026-11-24":[]}}}"#;

#[test]
fn a_closed_team_takes_messages_or_sends_its_visitors_to_one_that_is_open() {
    let hotline = r#"{"members":[]}"#;
    let away = OFFICE.replacen('{', r#"{"overflow_to":"hotline","#, 1);
    check_with(
        &[("default", OFFICE), ("shop", &away), ("hotline", hotline)],
        "0: a asks => a closed for 3600
         1: b asks shop => b 1/1
         3600: a asks => a 1/1
         3601: ann connects 1 =>
         3601: ann ready 1 => a to ann
         3602: c asks => c 1/1
         36001: d asks => d closed for 608400
         36002: tick =>
         36003: ann away =>
         36004: tick => c closed for 608400",
    );
}

#[test]
fn a_transfer_to_a_team_needs_one_that_is_there_and_open() {
    check_with(
        &[("returns", r#"{"members":[{"agent":"bob"}]}"#), ("office", OFFICE)],
        "0: ann connects 1 =>
         0: ann ready 2 =>
         0: a asks => a to ann
         1: ann gives a team unknown => NoSuchTeam
         1: ann gives a team office => TeamClosed
         1: bob gives a team returns => NotYours
         2: b asks returns => b 1/1
         3: ann gives a team returns => a may go to returns
         4: a gives up for returns => a 1/2
         5: bob connects 2 =>
         5: bob ready 1 => a to bob of returns",
    );
}

#[test]
fn a_take_over_needs_room_and_no_readiness() {
    check(
        "0: ann connects 1 =>
         0: ann ready 1 =>
         0: a asks => a to ann
         1: b asks => b 1/1
         2: boss takes over a => NotReady
         2: boss connects 3 =>
         2: boss takes over b => b to boss taken
         3: boss takes over b => ToYourself
         4: boss takes over a => a to boss taken
         5: boss takes over c => Full",
    );
}

#[test]
fn a_team_may_want_a_word_that_it_will_be_answered() {
    check_with(
        &[("default", r#"{"accept_within_s":20}"#)],
        "0: ann connects 1 =>
         0: ann ready 2 =>
         0: bob connects 2 =>
         0: bob ready 2 =>
         0: a asks => a to ann within 20
         1: ann gives a bob => a to bob",
    );
}

#[test]
fn who_waits_for_a_team_that_is_gone_waits_for_the_first() {
    let members = |name: &str| {
        Team::new(
            serde_json::from_str(&format!(r#"{{"members":[{{"agent":"{name}"}}]}}"#)).expect("settings"),
        )
        .expect("right")
    };
    let mut desk = Desk::new(SETTINGS, Arc::new(Teams::new([("boots".into(), members("nobody"))])));
    let mut out = Vec::new();
    desk.handle(
        time(0),
        DeskInput::Enqueue(Wanted { team: "boots".into(), ..wanted("a", time(0)) }),
        &mut out,
    );
    for words in [["ann", "connects", "1"], ["ann", "ready", "2"]] {
        let input = input(&desk, &words, time(1)).expect("a line");
        desk.handle(time(1), input, &mut out);
    }
    out.clear();
    desk.set_teams(time(2), Arc::new(Teams::default()), &mut out);
    assert_eq!(out.iter().filter_map(decided).collect::<Vec<_>>(), ["a to ann"]);
}

#[test]
fn the_reason_says_what_there_was_to_choose_from() {
    let mut desk = Desk::new(SETTINGS, Arc::default());
    let mut out = Vec::new();
    for words in
        [["ann", "connects", "1"], ["bob", "connects", "2"], ["ann", "ready", "4"], ["bob", "ready", "4"]]
    {
        let input = input(&desk, &words, time(0)).expect("a line");
        desk.handle(time(0), input, &mut out);
    }
    desk.handle(time(1), enqueue("a", time(1)), &mut out);
    desk.handle(time(9), enqueue("b", time(5)), &mut out);
    let why: Vec<Why> = out
        .iter()
        .filter_map(|output| match output {
            DeskOutput::Assign(assignment) => Some(assignment.why),
            _ => None,
        })
        .collect();
    let first = Why { rule: Rule::LeastLoaded, serving: 0, capacity: 4, candidates: 2, waited_ms: 0 };
    assert_eq!(why, [first, Why { waited_ms: 4_000, ..first }]);
}

#[test]
fn a_queue_of_thousands_hears_its_places_a_few_at_a_time_and_each_of_them_in_the_end() {
    const WAITING: u32 = 3_000;
    let mut desk = Desk::new(SETTINGS, Arc::default());
    let mut out = Vec::new();
    for number in 0..WAITING {
        desk.handle(time(0), enqueue(&format!("c{number}"), time(0)), &mut out);
    }
    // The first of them goes, and all others move.
    desk.handle(time(1), DeskInput::Leave { conversation: "c0".into() }, &mut out);
    let mut told = Vec::new();
    for tick in 10..100 {
        out.clear();
        desk.tick(Time { ms: tick * 100, unix_ms: START_MS + tick * 100 }, &mut out);
        assert!(out.len() <= 50, "{} at once", out.len());
        told.extend(out.iter().filter_map(decided));
    }
    let expected = (1..WAITING).map(|number| format!("c{number} {number}/{}", WAITING - 1));
    assert_eq!(told, expected.collect::<Vec<_>>());
}
