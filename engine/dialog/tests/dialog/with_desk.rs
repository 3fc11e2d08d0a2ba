//! The machine against a model of the desk, with words under way in both directions: every order of everything.
//!
//! The model keeps what the real desk (`engine/src/desk.rs`) promises of one conversation: it waits, or has a
//! seat with a number, or neither; a seat given up is named by its number, so that a word which crosses a newer
//! seat changes nothing.

use std::collections::{BTreeSet, VecDeque};

use dialog::{Action, Event, State, next_state};

/// Words under way in one direction, and seats given, at most: enough for any two things to cross a third.
const UNDER_WAY_MAX: usize = 3;
const SEATS_MAX: u8 = 3;

/// What the desk knows of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Absent,
    Waiting,
    Seated(u8),
}

/// To the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ToDesk {
    /// With the seat given up, if it had one.
    Enqueue(Option<u8>),
    Leave,
}

/// From the desk: an event, with the seat it speaks of where it speaks of one.
type FromDesk = (Event, Option<u8>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    state: State,
    /// The seat that the conversation believes in.
    seat: Option<u8>,
    place: Place,
    seats: u8,
    to_desk: VecDeque<ToDesk>,
    from_desk: VecDeque<FromDesk>,
}

/// What people and the shard's clocks do, in the states where the engine lets them.
const BY_PEOPLE: [Event; 11] = [
    Event::VisitorArrived,
    Event::VisitorMessage { number: 1, bot: false },
    Event::VisitorMessage { number: 1, bot: true },
    Event::VisitorAsksHuman,
    Event::VisitorCloses { rated: false },
    Event::VisitorIdle,
    Event::BotFails { asked: 1 },
    Event::AgentMessage,
    Event::AgentDeclines,
    Event::AgentSilent,
    Event::RatingTimeout,
];

impl World {
    fn new() -> Self {
        Self {
            state: State::Greeting,
            seat: None,
            place: Place::Absent,
            seats: 0,
            to_desk: VecDeque::new(),
            from_desk: VecDeque::new(),
        }
    }

    fn has_room(&self) -> bool {
        self.to_desk.len() < UNDER_WAY_MAX && self.from_desk.len() < UNDER_WAY_MAX
    }

    /// The conversation takes an event.
    fn take(&self, event: Event, seat: Option<u8>) -> Self {
        let mut world = self.clone();
        if event == Event::AgentGone && seat != self.seat {
            return world;
        }
        let (next, actions) = next_state(&self.state, &event);
        world.state = next;
        let is_seating = matches!(event, Event::AgentAssigned | Event::AgentTakesOver);
        if is_seating && matches!(next, State::Serving { .. }) {
            world.seat = seat;
        } else if !matches!(next, State::Serving { .. }) {
            world.seat = None;
        }
        for action in actions {
            match action {
                Action::Enqueue => world.to_desk.push_back(ToDesk::Enqueue(None)),
                Action::EnqueueAtHead => world.to_desk.push_back(ToDesk::Enqueue(self.seat)),
                Action::LeaveDesk => world.to_desk.push_back(ToDesk::Leave),
                _ => {}
            }
        }
        world
    }

    fn seated(&self, event: Event) -> Option<Self> {
        let mut world = self.clone();
        world.seats += 1;
        world.place = Place::Seated(world.seats);
        world.from_desk.push_back((event, Some(world.seats)));
        (world.seats <= SEATS_MAX).then_some(world)
    }

    fn told(&self, place: Place, event: Event, seat: Option<u8>) -> Self {
        let mut world = self.clone();
        world.place = place;
        world.from_desk.push_back((event, seat));
        world
    }

    /// The desk takes a word; there may be room, or none, or nobody.
    fn desk_takes(&self) -> Vec<Self> {
        let mut world = self.clone();
        let Some(word) = world.to_desk.pop_front() else { return Vec::new() };
        let given_up = match word {
            ToDesk::Leave => return vec![Self { place: Place::Absent, ..world }],
            ToDesk::Enqueue(given_up) => given_up,
        };
        match world.place {
            Place::Waiting => vec![world],
            Place::Seated(seat) if given_up != Some(seat) => vec![world],
            Place::Absent | Place::Seated(_) => {
                let mut worlds = vec![
                    world.told(Place::Waiting, Event::PlaceChanged, None),
                    world.told(Place::Absent, Event::DeskClosed, None),
                ];
                worlds.extend(world.seated(Event::AgentAssigned));
                worlds
            }
        }
    }

    /// What the desk does by itself: when a seat is free, when time is up, when somebody asks it.
    fn desk_acts(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        match self.place {
            Place::Waiting => {
                worlds.extend(self.seated(Event::AgentAssigned));
                worlds.push(self.told(Place::Absent, Event::QueueTimeout, None));
            }
            Place::Seated(seat) => {
                worlds.push(self.told(Place::Absent, Event::AgentGone, Some(seat)));
                worlds.push(self.told(self.place, Event::GivenToTeam, Some(seat)));
                worlds.extend(self.seated(Event::AgentAssigned));
            }
            Place::Absent => {}
        }
        // Somebody asks for it by way of the conversation, which refuses while nothing was said.
        if self.state != State::Greeting {
            worlds.extend(self.seated(Event::AgentTakesOver));
        }
        worlds
    }

    fn next(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        if self.has_room() {
            worlds.extend(BY_PEOPLE.map(|event| self.take(event, None)));
            worlds.extend(self.desk_acts());
        }
        worlds.extend(self.desk_takes());
        let mut heard = self.clone();
        if let Some((event, seat)) = heard.from_desk.pop_front() {
            worlds.push(heard.take(event, seat));
        }
        worlds
    }

    /// When nothing is under way, both say the same.
    fn check(&self) {
        if !self.to_desk.is_empty() || !self.from_desk.is_empty() {
            return;
        }
        let agree = match self.place {
            Place::Waiting => self.state == State::Queued,
            Place::Seated(seat) => matches!(self.state, State::Serving { .. }) && self.seat == Some(seat),
            Place::Absent => !self.state.is_at_desk(),
        };
        assert!(agree, "the conversation and the desk say different things: {self:?}");
    }
}

#[test]
fn whatever_crosses_the_desk_and_the_conversation_agree_when_all_has_arrived() {
    let mut seen = BTreeSet::from([World::new()]);
    let mut open = VecDeque::from([World::new()]);
    let mut transitions = 0_u64;
    while let Some(world) = open.pop_front() {
        world.check();
        for next in world.next() {
            transitions += 1;
            if !seen.contains(&next) {
                seen.insert(next.clone());
                open.push_back(next);
            }
        }
    }
    println!("with the desk: {} states, {transitions} transitions", seen.len());
}
