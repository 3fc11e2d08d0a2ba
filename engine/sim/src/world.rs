//! One life: a machine, a server on it, people who use it, and everything that goes wrong; on one thread, from
//! one seed. What happens next is whatever is due first.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use engine::{
    desk::teams::{Team, Teams},
    identity::{Class, Identity},
    pool::metrics::Metrics,
    projection::Round,
    recovery::RecoveryError,
};
use store::{record::Role, sql::Reader};

use crate::{
    agent::Agent,
    desk_check::{DeskCheck, assert_agreement, assert_one_owner_or_none, assert_recorded},
    disk::SimDisk,
    faults::Faults,
    ledger::{Counts, Ledger},
    network::Network,
    person::{Person, Surroundings},
    random::Random,
    server::{Machine, Server},
    visitor::Visitor,
};

/// When the simulated clock begins: 2026-11-11, midnight UTC.
pub const START_MS: u64 = 1_794_355_200_000;

/// Most steps of a life: more is a live-lock.
const STEPS_MAX: u64 = 3_000_000;
/// Longest that the end of a life may take until all is settled.
const SETTLE_US: u64 = 600_000_000;
/// Longest that an orderly stop may take.
const STOP_US: u64 = 60_000_000;
/// How long all must have been settled before the desk and the conversations are compared: longer than anybody
/// believes in a connection that is dead.
const REST_US: u64 = 45_000_000;

/// What is due at a time of its own; `u64::MAX` is never.
#[derive(Debug)]
struct Plan {
    crash_us: u64,
    start_us: u64,
    full_us: u64,
    jump_us: u64,
    project_us: u64,
    make_us: u64,
    stop_by_us: u64,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Crash,
    Start,
    Full,
    Jump,
    Turn(usize),
    Pool,
    Make,
    Project,
    Hear,
    Act(usize),
}

/// Sums over a life, for whoever wants to see that something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The ledger's.
    pub counts: Counts,
    /// Times that the process ended without a word.
    pub crashes: u64,
    /// Orderly stops.
    pub stops: u64,
    /// Times that a journal failed.
    pub disk_failures: u64,
    /// Damage that recovery found.
    pub rot_found: u64,
    /// Records that SQL lacked at a start.
    pub recovered: u64,
    /// Those of them that it got while the server ran.
    pub lacking: u64,
    /// Steps of the simulation.
    pub steps: u64,
    /// Of everything that the people heard, in order: equal for equal seeds.
    pub fingerprint: u64,
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.counts += other.counts;
        self.crashes += other.crashes;
        self.stops += other.stops;
        self.disk_failures += other.disk_failures;
        self.rot_found += other.rot_found;
        self.recovered += other.recovered;
        self.lacking += other.lacking;
        self.steps += other.steps;
        self.fingerprint ^= other.fingerprint;
    }
}

pub struct World {
    random: Random,
    faults: Faults,
    machine: Machine,
    server: Option<Server>,
    people: Vec<Person>,
    ledger: Ledger,
    teams: Teams,
    desk_check: DeskCheck,
    plan: Plan,
    is_full: bool,
    is_ending: bool,
    record: Reader,
    summary: Summary,
    log: bool,
}

impl World {
    /// The world of a seed, in which nothing runs yet.
    pub fn new(seed: u64, metrics: Metrics, log: bool) -> Self {
        let mut random = Random::new(seed);
        let faults = Faults::of(&mut random);
        if log {
            println!("{faults:#?}");
        }
        // Databases in memory are known by their names to the whole process, and lives may run side by side.
        static LIVES: AtomicU64 = AtomicU64::new(0);
        let database = format!("sim-{}", LIVES.fetch_add(1, Ordering::Relaxed));
        // Kept open: a database in memory is gone with its last connection.
        let projection = store::sql::Projection::open_shared_memory(&database).expect("memory suffices");
        let record = Reader::open_shared_memory(&database).expect("made above");
        drop(projection);
        let machine = Machine {
            network: Rc::new(RefCell::new(Network::new(random.split(), faults.clone()))),
            disk: Arc::new(SimDisk::new(random.split(), faults.clone())),
            database,
            identity: Identity::new(&[1; 32], &[2; 32]),
            metrics,
        };
        let people = people(&mut random, log);
        let teams = teams(&mut random);
        let plan = Plan {
            crash_us: u64::MAX,
            start_us: 0,
            full_us: u64::MAX,
            jump_us: u64::MAX,
            project_us: 0,
            make_us: 0,
            stop_by_us: u64::MAX,
        };
        let mut world = Self {
            random,
            faults,
            machine,
            server: None,
            people,
            ledger: Ledger::default(),
            teams,
            desk_check: DeskCheck::default(),
            plan,
            is_full: false,
            is_ending: false,
            record,
            summary: Summary::default(),
            log,
        };
        world.plan.full_us = world.soon(world.faults.full_every_us);
        world.plan.jump_us = world.soon(world.faults.clock_jumps_every_us);
        world
    }

    /// Lives to the end, and checks everything.
    pub fn live(mut self) -> Summary {
        let end_us = 10_000_000 + self.random.below(60_000_000);
        while self.now_us() < end_us {
            self.step();
        }
        self.end();
        self.summary.counts = self.ledger.counts();
        self.summary
    }

    fn now_us(&self) -> u64 {
        self.machine.network.borrow().now_us
    }

    /// Some time from now, on average `every_us`; never, if that is 0.
    fn soon(&mut self, every_us: u64) -> u64 {
        if every_us == 0 { u64::MAX } else { self.now_us() + self.random.below(2 * every_us) }
    }

    fn say(&self, what: std::fmt::Arguments<'_>) {
        if self.log {
            println!("  {:>12} {what}", self.now_us());
        }
    }

    /// What is due first, and when.
    fn next(&mut self) -> (u64, Next) {
        let now_us = self.now_us();
        let plan = &self.plan;
        let mut next = (plan.full_us, Next::Full).min((plan.jump_us, Next::Jump));
        for person in &self.people {
            next = next.min((person.common.next_us, Next::Act(person.common.index)));
        }
        let network = self.machine.network.borrow();
        if let Some(at_us) = network.clients_due_us() {
            next = next.min((at_us, Next::Hear));
        }
        let Some(server) = &mut self.server else { return next.min((plan.start_us, Next::Start)) };
        next = next.min((plan.crash_us, Next::Crash)).min((plan.project_us, Next::Project));
        if let Some((at_us, shard)) = server.next_turn_us(&network) {
            next = next.min((at_us, Next::Turn(shard)));
        }
        if let Some(at_us) = server.pool_due_us(now_us, &self.faults) {
            next = next.min((at_us, Next::Pool));
        }
        if server.workshop_has_work() {
            next = next.min((plan.make_us, Next::Make));
        }
        next
    }

    fn step(&mut self) {
        self.summary.steps += 1;
        assert!(self.summary.steps < STEPS_MAX, "the world never comes to an end");
        let (at_us, next) = self.next();
        {
            let mut network = self.machine.network.borrow_mut();
            network.now_us = network.now_us.max(at_us);
        }
        match next {
            Next::Start => self.start(),
            Next::Crash => self.crash_or_stop(),
            Next::Full => self.fill_up_or_clear(),
            Next::Jump => self.jump(),
            Next::Turn(shard) => self.turn(shard),
            Next::Pool => {
                let now_us = self.now_us();
                let server = self.server.as_mut().expect("asked only while it runs");
                server.pool_works(now_us, &self.faults);
            }
            Next::Make => self.make(),
            Next::Project => self.project(),
            Next::Hear => self.hear(),
            Next::Act(index) => self.act(index),
        }
        if self.machine.disk.is_dead() {
            self.crash("inside an operation on files");
        }
    }

    fn server(&mut self) -> &mut Server {
        self.server.as_mut().expect("asked only while it runs")
    }

    // The server's process

    fn start(&mut self) {
        let rot = if self.random.one_in(self.faults.rot_one_in) { self.machine.disk.rot() } else { None };
        let shards = 1 + self.random.below(self.faults.shards_max) as usize;
        let is_last = self.is_ending && self.people.iter().all(Person::is_settled);
        let lacking_max = if is_last || self.random.one_in(3) { 0 } else { usize::MAX };
        let (dialog, teams) = (self.faults.dialog, &self.teams);
        let started = Server::start(&self.machine, shards, lacking_max, dialog, teams, &mut self.random);
        self.say(format_args!("start with {shards} shards, rot {rot:?}: {:?}", started.as_ref().err()));
        if let Some(rot) = &rot {
            self.machine.disk.put_back(rot);
        }
        match started {
            Ok(server) => {
                self.summary.recovered += server.recovered;
                self.desk_check = DeskCheck::default();
                let lag_records = server.lag_records();
                self.server = Some(server);
                self.summary.lacking += lag_records;
                if lag_records == 0 {
                    self.ledger.check(&self.record);
                }
                let now_us = self.now_us();
                self.plan.crash_us = self.soon(self.faults.crash_every_us);
                self.plan.project_us = now_us;
                self.plan.make_us = now_us;
                self.plan.stop_by_us = u64::MAX;
            }
            Err(RecoveryError::Damaged { path, offset }) => {
                let rot = rot.unwrap_or_else(|| panic!("{} damaged at {offset} without rot", path.display()));
                assert_eq!(path, rot.path, "the file that is damaged is the one named");
                self.summary.rot_found += 1;
                self.plan.start_us = self.now_us() + 1_000_000;
            }
            Err(RecoveryError::Disk { .. }) => {
                // The disk refused, or the process died while it recovered; the operator tries again.
                self.plan.start_us = self.now_us() + 1_000_000;
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn crash_or_stop(&mut self) {
        let is_over = self.now_us() >= self.plan.stop_by_us;
        if is_over || !self.random.one_in(self.faults.stop_one_in) {
            return self.crash("killed");
        }
        self.say(format_args!("stop"));
        self.server().stop();
        // An orderly stop may itself be killed.
        self.plan.stop_by_us = self.now_us() + 1 + self.random.below(2 * STOP_US);
        self.plan.crash_us = self.plan.stop_by_us;
    }

    fn crash(&mut self, how: &str) {
        self.say(format_args!("crash: {how}"));
        if self.server.take().is_some() {
            self.summary.crashes += 1;
        }
        self.machine.network.borrow_mut().crash();
        self.machine.disk.crash();
        self.plan.start_us = self.now_us() + self.random.below(2_000_000);
    }

    fn turn(&mut self, shard: usize) {
        let now_us = self.now_us();
        let server = self.server.as_mut().expect("asked only while it runs");
        server.turn(shard, now_us);
        if let Some(shard) = server.shards().nth(shard) {
            assert_one_owner_or_none(shard);
            if let Some(desk) = shard.desk() {
                self.desk_check.look(desk, &self.teams);
            }
        }
        if server.has_stopped() {
            self.say(format_args!("stopped"));
            self.server = None;
            self.summary.stops += 1;
            self.machine.network.borrow_mut().crash();
            self.machine.disk.crash();
            self.plan.start_us = self.now_us() + self.random.below(2_000_000);
        } else if server.has_failed() && self.plan.stop_by_us == u64::MAX {
            // The alert wakes somebody, who restarts it.
            self.say(format_args!("a journal failed"));
            self.summary.disk_failures += 1;
            self.plan.stop_by_us = self.now_us() + self.random.below(10_000_000);
            self.plan.crash_us = self.plan.stop_by_us;
        }
    }

    fn make(&mut self) {
        let is_well = self.server().workshop_works();
        let pause_us = if is_well { 20_000 } else { 1_000_000 };
        self.plan.make_us = self.now_us() + self.random.between(200, pause_us);
    }

    fn project(&mut self) {
        let round = self.server().projects();
        let mut pause_us = self.faults.projection_every_us;
        if self.random.one_in(self.faults.projection_stalls_one_in) {
            pause_us = 20_000_000;
        }
        if round == Round::Full {
            pause_us = 1_000;
        }
        self.plan.project_us = self.now_us() + self.random.between(500, 2 * pause_us);
    }

    // The machine

    fn fill_up_or_clear(&mut self) {
        self.is_full = !self.is_full;
        self.machine.disk.set_full(self.is_full);
        self.plan.full_us = self.soon(self.faults.full_every_us);
    }

    fn jump(&mut self) {
        let hours = self.random.below(7) as i64 - 3;
        let ms = hours * 3_600_000 + self.random.below(5_000) as i64 - 2_500;
        self.machine.network.borrow_mut().wall_offset_ms += ms;
        self.say(format_args!("the wall clock jumps by {ms} ms"));
        self.plan.jump_us = self.soon(self.faults.clock_jumps_every_us);
    }

    // The people

    fn hear(&mut self) {
        loop {
            let next = self.machine.network.borrow_mut().next_for_clients();
            let Some((index, link, what)) = next else { return };
            self.fingerprint(&what);
            self.with_person(index, |person, world| person.hears(link, what, world));
        }
    }

    fn fingerprint(&mut self, what: &crate::network::ToClient) {
        if let crate::network::ToClient::Received(bytes) = what {
            let hash = bytes.iter().fold(self.summary.fingerprint, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
            self.summary.fingerprint = hash ^ self.now_us();
        }
    }

    fn act(&mut self, index: usize) {
        self.with_person(index, Person::act);
    }

    fn with_person(&mut self, index: usize, what: impl FnOnce(&mut Person, &mut Surroundings<'_>)) {
        let mut network = self.machine.network.borrow_mut();
        let mut surroundings = Surroundings {
            network: &mut network,
            ledger: &mut self.ledger,
            machine: &self.machine,
            faults: &self.faults,
            is_ending: self.is_ending,
        };
        what(&mut self.people[index], &mut surroundings);
    }

    // The end

    /// Everything heals, nobody begins anything new: now whatever is owed must be paid.
    fn end(&mut self) {
        self.say(format_args!("the end begins"));
        let is_restless = self.faults.is_restless();
        self.faults.heal();
        self.machine.network.borrow_mut().faults = self.faults.clone();
        self.machine.disk.set_faults(self.faults.clone());
        self.machine.disk.set_full(false);
        self.is_full = false;
        self.is_ending = true;
        (self.plan.full_us, self.plan.jump_us) = (u64::MAX, u64::MAX);
        self.plan.project_us = self.now_us();
        if self.server.is_some() && self.plan.stop_by_us == u64::MAX {
            self.plan.crash_us = u64::MAX;
            if is_restless {
                // The next start has clocks that let all come to rest.
                self.crash("for other clocks");
            }
        }
        let settle_by_us = self.now_us() + SETTLE_US;
        let mut rest_us = self.now_us() + REST_US;
        while self.now_us() < rest_us {
            if !self.is_settled() {
                assert!(self.now_us() < settle_by_us, "not settled: {}", self.unsettled());
                rest_us = self.now_us() + REST_US;
            }
            self.step();
        }
        assert_agreement(self.server().shards());
        assert_recorded(self.server.as_ref().expect("at rest").shards(), &self.record);
        self.check_complete();
        self.stop_in_order();
        while self.server.is_none() {
            self.step();
        }
        self.ledger.check(&self.record);
    }

    fn is_settled(&self) -> bool {
        let is_up = self.server.is_some() && self.plan.crash_us == u64::MAX;
        is_up && self.people.iter().all(Person::is_settled) && self.ledger.waiting().next().is_none()
    }

    fn unsettled(&self) -> String {
        let waiting: Vec<String> = self.ledger.waiting().collect();
        let people = self.people.iter().filter(|person| !person.is_settled());
        let people: Vec<String> = people.map(|person| person.part.name()).collect();
        format!("waiting {waiting:?}, people {people:?}")
    }

    fn stop_in_order(&mut self) {
        let stop_by_us = self.now_us() + STOP_US;
        self.server().stop();
        while self.server.is_some() {
            assert!(self.now_us() < stop_by_us, "an orderly stop without an end");
            self.step();
        }
    }

    /// Everybody has seen what is theirs. The projection is at rest, too.
    fn check_complete(&self) {
        for person in &self.people {
            let name = person.part.name();
            for conversation in person.part.has_read() {
                self.ledger.check_complete(&self.record, &name, person.part.role(), &conversation);
            }
        }
    }
}

/// Nothing but the first team; or several, with members, hours, overflows and words of acceptance.
fn teams(random: &mut Random) -> Teams {
    if random.one_in(2) {
        return Teams::default();
    }
    let team = |settings: &str| Team::new(serde_json::from_str(settings).expect("settings")).expect("right");
    let accept = if random.one_in(2) { r#"{"accept_within_s":8}"# } else { "{}" };
    // Closed for a minute when the simulated clock begins, at 08:00 in Shanghai; it closes again by jumps of the clock
    // only, which end before the end: then nothing may change by itself.
    let hours = r#"{"overflow_after_s":20,"hours":{"zone":"Asia/Shanghai","week":{
        "wednesday":["00:00-08:00","08:01-24:00"],"tuesday":["00:00-24:00"],"thursday":["00:00-24:00"]}}}"#;
    let returns = r#"{"members":[{"agent":"ann","capacity":1},{"agent":"bob"}],"overflow_after_s":15,
        "overflow_to":"boots","prefer_last_agent_s":0}"#;
    Teams::new([
        ("default".into(), team(accept)),
        ("boots".into(), team(hours)),
        ("returns".into(), team(returns)),
    ])
}

/// Some visitors, signed and anonymous, VIP and normal, and some agents.
fn people(random: &mut Random, log: bool) -> Vec<Person> {
    let visitors = 1 + random.below(6) as usize;
    let agents = 1 + random.below(3) as usize;
    let names: Vec<String> =
        ["ann", "bob", "cho"].iter().take(agents).map(|name| (*name).to_owned()).collect();
    let mut people = Vec::new();
    for number in 0..visitors {
        let is_signed = random.one_in(2);
        let class = if is_signed && random.one_in(3) { Class::Vip } else { Class::Normal };
        let team = *random.pick(&["", "", "boots", "returns"]);
        let part = Box::new(Visitor::new(number, is_signed, class, team));
        people.push(Person::new(people.len(), part, random.split(), log));
    }
    for name in &names {
        let others = names.iter().filter(|other| *other != name).cloned().collect();
        let part = Box::new(Agent::new(name.clone(), others));
        people.push(Person::new(people.len(), part, random.split(), log));
    }
    assert!(people.iter().any(|person| person.part.role() == Role::Agent), "somebody answers");
    people
}
