//! Random lives of the desk and of the conversations around it, with words under way in both directions; what must hold
//! is looked at after every step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;

/// Lives, and steps of each.
const LIVES: u64 = 300;
const STEPS: u64 = 1_000;
const CONVERSATIONS: u64 = 12;
const AGENTS: [&str; 4] = ["ann", "bob", "cho", "dan"];
const TEAMS: [(&str, &str); 3] = [
    ("default", r#"{"accept_within_s":10}"#),
    (
        "returns",
        r#"{"members":[{"agent":"ann","capacity":1},{"agent":"bob"}],"overflow_after_s":20,"overflow_to":"boots"}"#,
    ),
    (
        "boots",
        r#"{"members":[{"agent":"bob"},{"agent":"cho","capacity":2}],"overflow_after_s":40,
            "hours":{"zone":"UTC","week":{"monday":["00:00-00:02","00:03-24:00"]}}}"#,
    ),
];

/// A conversation as its shard has it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stands {
    Idle,
    Queued,
    Serving { agent: AgentName, seat: u64 },
    Left,
    Over,
}

struct Life {
    desk: Desk,
    teams: Arc<Teams>,
    random: u64,
    now_s: u64,
    conversations: BTreeMap<ConversationKey, (Stands, TeamName)>,
    /// Conversations are never begun again under the same name.
    begun: [u64; CONVERSATIONS as usize],
    to_desk: VecDeque<DeskInput>,
    from_desk: VecDeque<DeskOutput>,
    present: BTreeSet<&'static str>,
    last_seat: u64,
    assigned: u64,
}

impl Life {
    fn new(seed: u64) -> Self {
        let team =
            |settings: &str| Team::new(serde_json::from_str(settings).expect("settings")).expect("right");
        let teams = Arc::new(Teams::new(TEAMS.map(|(name, settings)| (name.into(), team(settings)))));
        Self {
            desk: Desk::new(SETTINGS, Arc::clone(&teams)),
            teams,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            now_s: 0,
            conversations: BTreeMap::new(),
            begun: [0; CONVERSATIONS as usize],
            to_desk: VecDeque::new(),
            from_desk: VecDeque::new(),
            present: BTreeSet::new(),
            last_seat: 0,
            assigned: 0,
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % end
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn step(&mut self) {
        match self.below(10) {
            0..=2 => self.visitor_acts(),
            3..=4 => self.agent_acts(),
            5..=6 => self.desk_hears(),
            7..=8 => self.conversation_hears(),
            _ => {
                self.now_s += self.below(6);
                self.ask_desk(|desk, now, out| desk.tick(now, out));
            }
        }
        self.look();
    }

    fn ask_desk(&mut self, what: impl FnOnce(&mut Desk, Time, &mut Vec<DeskOutput>)) {
        let mut out = Vec::new();
        what(&mut self.desk, time(self.now_s), &mut out);
        let about = |output: &DeskOutput| {
            !matches!(output, DeskOutput::PresenceChanged(_) | DeskOutput::Refused { .. })
        };
        self.from_desk.extend(out.into_iter().filter(about));
    }

    fn wants(&mut self, id: &ConversationKey, given_up: Option<u64>, declined_by: Option<AgentName>) {
        let since = time(self.now_s);
        let team = Arc::clone(&self.conversations[id].1);
        let vip = id.as_bytes()[0].is_multiple_of(3);
        let at_head = given_up.is_some();
        let wanted = Wanted { vip, at_head, given_up, team, declined_by, ..wanted(id, since) };
        self.to_desk.push_back(DeskInput::Enqueue(wanted));
    }

    fn some_conversation(&mut self) -> ConversationKey {
        let number = self.below(CONVERSATIONS);
        let id: ConversationKey = format!("{number}-{}", self.begun[number as usize]).into();
        if self.conversations.get(&id).is_some_and(|(stands, _)| *stands == Stands::Over) {
            self.begun[number as usize] += 1;
            return self.some_conversation();
        }
        let team = self.pick(&["", "returns", "boots"]);
        self.conversations.entry(Arc::clone(&id)).or_insert((Stands::Idle, team.into()));
        id
    }

    fn visitor_acts(&mut self) {
        let id = self.some_conversation();
        let closes = self.below(5) == 0;
        match self.conversations[&id].0.clone() {
            Stands::Idle | Stands::Left if !closes => {
                // The first words wait at once; a question for a human waits for the desk's word.
                if self.below(2) == 0 && self.conversations[&id].0 == Stands::Idle {
                    self.set(&id, Stands::Queued);
                }
                self.wants(&id, None, None);
            }
            _ if closes => {
                self.set(&id, Stands::Over);
                self.to_desk.push_back(DeskInput::Leave { conversation: id });
            }
            _ => {}
        }
    }

    fn agent_acts(&mut self) {
        let name = self.pick(&AGENTS);
        let agent: AgentName = name.into();
        let address = Address { shard: 0, connection: name.len() as u64 };
        let id = self.some_conversation();
        let asked_by = address;
        let input = match self.below(8) {
            0 if self.present.insert(name) => DeskInput::Arrived { agent, address },
            1 if self.present.remove(name) => DeskInput::Departed { agent, address },
            2 => DeskInput::Presence { agent, state: PresenceState::Away, capacity: None },
            3 | 4 => {
                let capacity = Some(1 + self.below(4) as u16);
                DeskInput::Presence { agent, state: PresenceState::Ready, capacity }
            }
            5 => {
                let to = match self.below(2) {
                    0 => Target::Agent(self.pick(&AGENTS).into()),
                    _ => Target::Team(self.pick(&["returns", "boots", "default", "gone"]).into()),
                };
                DeskInput::Transfer { conversation: id, from: agent, to, asked_by }
            }
            6 if matches!(
                self.conversations[&id].0,
                Stands::Left | Stands::Queued | Stands::Serving { .. }
            ) =>
            {
                let team = Arc::clone(&self.conversations[&id].1);
                DeskInput::TakeOver { conversation: id, agent, team, asked_by }
            }
            _ => return self.decline(&id),
        };
        self.to_desk.push_back(input);
    }

    fn decline(&mut self, id: &ConversationKey) {
        if let Stands::Serving { agent, seat } = self.conversations[id].0.clone() {
            self.set(id, Stands::Queued);
            self.wants(id, Some(seat), Some(agent));
        }
    }

    fn set(&mut self, id: &ConversationKey, stands: Stands) {
        self.conversations.get_mut(id).expect("known").0 = stands;
    }

    fn desk_hears(&mut self) {
        if let Some(input) = self.to_desk.pop_front() {
            self.ask_desk(|desk, now, out| desk.handle(now, input, out));
        }
    }

    fn conversation_hears(&mut self) {
        let Some(output) = self.from_desk.pop_front() else { return };
        match output {
            DeskOutput::Assign(Assignment { conversation, agent, seat, .. }) => {
                self.assigned += 1;
                match self.stands(&conversation) {
                    Stands::Over => self.to_desk.push_back(DeskInput::Leave { conversation }),
                    _ => self.set(&conversation, Stands::Serving { agent, seat }),
                }
            }
            DeskOutput::Place { conversation, team, .. } => {
                if matches!(self.stands(&conversation), Stands::Idle | Stands::Left | Stands::Queued) {
                    self.conversations.insert(conversation, (Stands::Queued, team));
                }
            }
            DeskOutput::Closed { conversation, .. } | DeskOutput::TimedOut { conversation } => {
                if matches!(self.stands(&conversation), Stands::Idle | Stands::Queued) {
                    self.set(&conversation, Stands::Left);
                }
            }
            DeskOutput::GivenToTeam { conversation, team, seat, .. } => {
                if self.sits(&conversation, seat) {
                    self.conversations.insert(Arc::clone(&conversation), (Stands::Queued, team));
                    self.wants(&conversation, Some(seat), None);
                }
            }
            DeskOutput::AgentGone { conversation, seat, .. } => {
                if self.sits(&conversation, seat) {
                    self.set(&conversation, Stands::Queued);
                    self.wants(&conversation, Some(seat), None);
                }
            }
            DeskOutput::Refused { .. } | DeskOutput::PresenceChanged(_) => unreachable!("sorted out"),
        }
    }

    fn stands(&self, id: &ConversationKey) -> Stands {
        self.conversations[id].0.clone()
    }

    fn sits(&self, id: &ConversationKey, seat: u64) -> bool {
        matches!(self.stands(id), Stands::Serving { seat: own, .. } if own == seat)
    }

    fn look(&mut self) {
        one_place_each(&self.desk);
        let seats = self.desk.seats();
        for seat in seats.served.iter().filter(|seat| seat.seat > self.last_seat) {
            let agent = seats.agents.iter().find(|agent| agent.name == seat.agent).expect("there");
            assert!(agent.serving <= agent.capacity, "{agent:?} was given {}", seat.conversation);
        }
        self.last_seat = seats.served.iter().map(|seat| seat.seat).max().unwrap_or(0).max(self.last_seat);
        for team in ["default", "returns", "boots"] {
            let queue: Vec<&WaitingSeat> =
                seats.queue.iter().filter(|waiting| *waiting.team == *team).collect();
            let order = |waiting: &&WaitingSeat| (!waiting.vip, !waiting.at_head, waiting.since_ms);
            assert!(queue.is_sorted_by_key(order), "{team}: {queue:?}");
        }
        for waiting in seats.queue {
            let team = self.teams.or_first(&waiting.team).1;
            let could = seats.agents.iter().find(|agent| {
                let of_team = || {
                    let about = self.desk.agents.get(&agent.name).expect("there");
                    about.serving_of(&waiting.team)
                };
                agent.is_ready
                    && agent.serving < agent.capacity
                    && team.has(&agent.name)
                    && team.capacity(&agent.name).is_none_or(|capacity| of_team() < usize::from(capacity))
                    && !waiting.declined_by.contains(&agent.name)
            });
            assert!(could.is_none(), "{waiting:?} waits while {could:?} has room");
        }
    }

    /// When all has arrived, the desk and the conversations say the same.
    fn end(&mut self) {
        while !self.to_desk.is_empty() || !self.from_desk.is_empty() {
            self.desk_hears();
            self.conversation_hears();
            self.look();
        }
        let seats = self.desk.seats();
        let of_desk: BTreeMap<ConversationKey, Stands> = seats
            .queue
            .into_iter()
            .map(|waiting| (waiting.conversation, Stands::Queued))
            .chain(seats.served.into_iter().map(|served| {
                (served.conversation, Stands::Serving { agent: served.agent, seat: served.seat })
            }))
            .collect();
        let of_shards: BTreeMap<ConversationKey, Stands> = self
            .conversations
            .iter()
            .filter(|(_, (stands, _))| matches!(stands, Stands::Queued | Stands::Serving { .. }))
            .map(|(id, (stands, _))| (Arc::clone(id), stands.clone()))
            .collect();
        assert_eq!(of_desk, of_shards);
    }
}

#[test]
fn no_random_life_breaks_what_must_hold_of_the_desk() {
    let mut assigned = 0;
    for seed in 0..LIVES {
        let mut life = Life::new(seed);
        (0..STEPS).for_each(|_| life.step());
        life.end();
        assigned += life.assigned;
    }
    println!("{LIVES} lives of {STEPS} steps: {assigned} assignments");
    assert!(assigned > LIVES * 20, "only {assigned} assignments");
}
