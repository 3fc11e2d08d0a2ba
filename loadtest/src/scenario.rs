//! What a run is to do: a scenario, read from a small TOML file or made of the command line. How it is done is
//! [`crate::run`]'s. The fields are explained in `docs/loadtest.md`.

use std::fmt;

use codec::message::CAPACITY_MAX;
use serde::{Deserialize, Serialize};

/// Scenarios that come with the program, by name.
pub const BUILT_IN: [(&str, &str); 7] = [
    ("twenty-thousand", include_str!("../scenarios/twenty-thousand.toml")),
    ("steps", include_str!("../scenarios/steps.toml")),
    ("storm", include_str!("../scenarios/storm.toml")),
    ("overload", include_str!("../scenarios/overload.toml")),
    ("slow-agents", include_str!("../scenarios/slow-agents.toml")),
    ("idle-million", include_str!("../scenarios/idle-million.toml")),
    ("soak", include_str!("../scenarios/soak.toml")),
];

/// Most sessions of one run.
pub const SESSIONS_MAX: u32 = 2_000_000;
/// Most messages a second.
const RATE_MAX: f64 = 10_000_000.0;
/// Longest step: a month.
const SECONDS_MAX: u64 = 31 * 24 * 60 * 60;
/// Most steps that a file may have; the search for the sustainable rate adds some.
const STEPS_MAX: usize = 64;
/// Longest an agent may think, on average.
const ANSWER_MS_MAX: u64 = 60_000;
/// Sessions of one agent where nothing is said.
const SESSIONS_PER_AGENT: u32 = 20;

/// A run, as it was asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// A word.
    pub name: String,
    /// A sentence for the report.
    #[serde(default)]
    pub about: String,
    /// Visitors.
    pub sessions: u32,
    /// Agents; left out, one for each `sessions_per_agent`.
    pub agents: Option<u32>,
    /// Sessions for one agent, where the number of agents is left out; 0 for no agents.
    #[serde(default)]
    pub sessions_per_agent: u32,
    /// Share of visitors who are VIPs.
    #[serde(default)]
    pub vip_share: f64,
    /// Visitors have no signed identity even where one could be made.
    #[serde(default)]
    pub anonymous: bool,
    /// Visitors type before each message.
    #[serde(default)]
    pub typing: bool,
    /// Agents answer each how-many-th message of a visitor; 0 for none.
    #[serde(default)]
    pub answer_every: u32,
    /// How long agents think on average, in milliseconds.
    #[serde(default)]
    pub answer_after_ms: u64,
    /// New connections a second.
    pub connect_per_second: u32,
    /// Conversations that are asked of the API afterwards and compared with the ledger.
    #[serde(default)]
    pub verify: u32,
    /// A refused message is given up, and not sent again when the server says so: what is offered stays what was asked for.
    #[serde(default)]
    pub gives_up_refused: bool,
    /// Some agents read slowly.
    pub slow_agents: Option<SlowAgents>,
    /// How to look for the sustainable rate, if a step needs it.
    pub sustainable: Option<Search>,
    /// What happens once everybody is there, one after the other.
    pub steps: Vec<Step>,
    /// What the run is to reach.
    #[serde(default)]
    pub targets: Targets,
}

/// Agents who read slowly.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SlowAgents {
    /// Share of all agents.
    pub share: f64,
    /// How often they read what came.
    pub read_every_ms: u64,
}

/// How to look for the rate that the server can just take: it is raised until acks do not keep up, or come late.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The first rate, messages a second.
    pub begin_per_second: f64,
    /// Each rate is so many times the one before.
    pub factor: f64,
    /// How long each is tried.
    pub seconds: u64,
    /// Beyond this p99 from visitor to ack it takes no more.
    pub ack_p99_ms_max: f64,
}

/// One step: for some time, so many messages.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// As the report calls it.
    pub name: String,
    /// How long; left out with `each_once`, where the rate says it.
    #[serde(default)]
    pub seconds: u64,
    /// Messages a second of each visitor.
    pub per_session: Option<f64>,
    /// Messages a second of all visitors together.
    pub per_second: Option<f64>,
    /// So many times the rate that the search found.
    pub times_sustainable: Option<f64>,
    /// Each visitor speaks once, in an order that chance gives.
    #[serde(default)]
    pub each_once: bool,
    /// Messages a second that agents send to conversations of theirs, chosen by chance.
    #[serde(default)]
    pub broadcast_per_second: f64,
    /// So many visitors drop their connections when the step begins.
    #[serde(default)]
    pub drop_sessions: u32,
    /// Those come back within this time of each other, in milliseconds.
    #[serde(default)]
    pub return_within_ms: u64,
    /// It counts for the ledger, and not for the figures of the whole run.
    #[serde(default)]
    pub warm_up: bool,
}

/// What a run is to reach. The report says of each whether it was met; only what is lost fails a run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// Half of the visitors' messages reach the agent within this.
    pub visitor_agent_p50_ms: Option<f64>,
    /// All but one in a hundred.
    pub visitor_agent_p99_ms: Option<f64>,
    /// All but one in a thousand.
    pub visitor_agent_p999_ms: Option<f64>,
    /// The server's resident memory at its highest, in MiB.
    pub server_rss_mb: Option<f64>,
    /// The server's resident memory for each session, over the empty server's, in bytes.
    pub server_bytes_per_session: Option<f64>,
    /// The p99 of the busiest step over that of the first.
    pub p99_growth: Option<f64>,
    /// The VIPs' p99 of the busiest step over that of the first.
    pub vip_p99_growth: Option<f64>,
    /// Acks a second in the busiest step over those of the step before.
    pub goodput_kept: Option<f64>,
    /// The p99 of the last step over that of the first: whether all is as before.
    pub p99_after: Option<f64>,
    /// The last of those who dropped is back.
    pub resume_max_ms: Option<f64>,
    /// Visitors who kept their connections, to their agents.
    pub bystander_p99_ms: Option<f64>,
}

/// What is wrong with a scenario: the operator's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioFault(pub String);

impl fmt::Display for ScenarioFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScenarioFault {}

fn fault<T>(text: String) -> Result<T, ScenarioFault> {
    Err(ScenarioFault(text))
}

impl Step {
    /// Messages a second of `sessions` visitors; 0 where the search has to say it.
    pub fn rate(&self, sessions: u32) -> f64 {
        self.per_second.or(self.per_session.map(|each| each * f64::from(sessions))).unwrap_or(0.0)
    }

    fn check(&self) -> Result<(), ScenarioFault> {
        let rates = [self.per_session, self.per_second, self.times_sustainable];
        let mut given = rates.into_iter().flatten().chain([self.broadcast_per_second]);
        let name = &self.name;
        if rates.into_iter().flatten().count() > 1 {
            return fault(format!("step {name}: give one of per_session, per_second and times_sustainable"));
        }
        if !given.all(|rate| (0.0..=RATE_MAX).contains(&rate)) {
            return fault(format!("step {name}: a rate must be from 0 to {RATE_MAX}"));
        }
        let speaks = self.per_session.is_some() || self.per_second.is_some();
        let long_enough = (1..=SECONDS_MAX).contains(&self.seconds) || (self.each_once && speaks);
        if !long_enough {
            return fault(format!("step {name}: seconds must be from 1 to {SECONDS_MAX}"));
        }
        Ok(())
    }
}

impl Scenario {
    /// Reads and checks a file.
    pub fn parse(text: &str) -> Result<Self, ScenarioFault> {
        let scenario: Self = toml::from_str(text).map_err(|error| ScenarioFault(error.to_string()))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// One that comes with the program.
    pub fn built_in(name: &str) -> Option<Self> {
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        Some(Self::parse(text).expect("a scenario of ours is right"))
    }

    /// Visitors who are there and do nothing for `seconds`.
    pub fn idle(sessions: u32, seconds: u64, connect_per_second: u32) -> Self {
        let step = Step { name: "idle".to_owned(), seconds, ..Step::default() };
        Self {
            name: "idle".to_owned(),
            about: String::new(),
            sessions,
            agents: Some(0),
            sessions_per_agent: 0,
            vip_share: 0.0,
            anonymous: false,
            typing: false,
            answer_every: 0,
            answer_after_ms: 0,
            connect_per_second,
            verify: 0,
            gives_up_refused: false,
            slow_agents: None,
            sustainable: None,
            steps: vec![step],
            targets: Targets::default(),
        }
    }

    /// How many agents there are. One for [`SESSIONS_PER_AGENT`] where nothing is said.
    pub fn agents(&self) -> u32 {
        self.agents.unwrap_or_else(|| match self.sessions_per_agent {
            0 => 0,
            each => self.sessions.div_ceil(each),
        })
    }

    /// Whether what visitors say may still wait for an agent at the end.
    pub fn has_queue(&self) -> bool {
        u64::from(self.agents()) * u64::from(CAPACITY_MAX) < u64::from(self.sessions)
    }

    /// Whether it says what can be done.
    pub fn check(&self) -> Result<(), ScenarioFault> {
        if !(1..=SESSIONS_MAX).contains(&self.sessions) {
            return fault(format!("sessions: must be from 1 to {SESSIONS_MAX}"));
        }
        if !(0.0..=1.0).contains(&self.vip_share) {
            return fault(format!("vip_share {}: must be from 0 to 1", self.vip_share));
        }
        if self.connect_per_second == 0 {
            return fault("connect_per_second: must be at least 1".to_owned());
        }
        if self.answer_after_ms > ANSWER_MS_MAX {
            return fault(format!("answer_after_ms: must be at most {ANSWER_MS_MAX}"));
        }
        if self.steps.is_empty() || self.steps.len() > STEPS_MAX {
            return fault(format!("steps: there must be from 1 to {STEPS_MAX}"));
        }
        self.steps.iter().try_for_each(Step::check)?;
        self.check_agents()?;
        self.check_search()
    }

    /// What everybody says must reach somebody, but for what is said to a queue on purpose.
    fn check_agents(&self) -> Result<(), ScenarioFault> {
        let (agents, each) = (self.agents(), u32::from(CAPACITY_MAX));
        let goes_on = |step: &Step| {
            !step.each_once && (step.rate(self.sessions) > 0.0 || step.times_sustainable.is_some())
        };
        if self.steps.iter().any(goes_on) && agents < self.sessions.div_ceil(each) {
            let least = self.sessions.div_ceil(each);
            return fault(format!(
                "{agents} agents: {} sessions need at least {least}, {each} conversations each; give agents or \
                 sessions_per_agent (usual: {SESSIONS_PER_AGENT})",
                self.sessions
            ));
        }
        match self.slow_agents {
            Some(slow) if !(0.0..=1.0).contains(&slow.share) || slow.read_every_ms == 0 => {
                fault("slow_agents: share must be from 0 to 1, read_every_ms at least 1".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn check_search(&self) -> Result<(), ScenarioFault> {
        let needed = self.steps.iter().any(|step| step.times_sustainable.is_some());
        match self.sustainable {
            None if needed => fault("times_sustainable needs a [sustainable] to look for it".to_owned()),
            Some(search) if search.begin_per_second < 1.0 || search.factor < 1.01 || search.seconds == 0 => {
                fault(
                    "sustainable: begin_per_second and seconds must be at least 1, factor more than 1.01"
                        .to_owned(),
                )
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_of_ours_are_right_and_called_as_their_files() {
        for (name, text) in BUILT_IN {
            let scenario = Scenario::parse(text).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            assert_eq!(scenario.name, name);
            assert!(!scenario.about.is_empty());
            assert!(Scenario::built_in(name).is_some());
        }
        assert!(Scenario::built_in("none").is_none());
    }

    #[test]
    fn the_headline_is_what_the_promise_says() {
        let headline = Scenario::built_in("twenty-thousand").expect("it is ours");
        assert_eq!((headline.sessions, headline.agents(), headline.vip_share), (20_000, 1_000, 0.05));
        assert!(headline.typing);
        let measured: Vec<_> = headline.steps.iter().filter(|step| !step.warm_up).collect();
        assert_eq!(measured.len(), 1);
        assert_eq!(measured[0].rate(20_000), 2_000.0);
    }

    fn wrong(change: &str, told: &str) {
        let text = format!("name = \"x\"\nconnect_per_second = 10\n{change}\n");
        let fault = Scenario::parse(&text).expect_err(change);
        assert!(fault.to_string().contains(told), "{change}: {fault}");
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let step = "[[steps]]\nname = \"s\"\n";
        wrong(&format!("sessions = 0\n{step}seconds = 1"), "sessions");
        wrong("sessions = 1\nsteps = []", "steps");
        wrong(&format!("sessions = 1\n{step}"), "step s: seconds");
        wrong(&format!("sessions = 1\n{step}seconds = 1\nper_second = -1"), "rate");
        wrong(&format!("sessions = 1\n{step}seconds = 1\nper_second = 1\nper_session = 1"), "one of");
        wrong(&format!("sessions = 101\nagents = 1\n{step}seconds = 1\nper_second = 1"), "at least 2");
        wrong(&format!("sessions = 1\nagents = 1\n{step}seconds = 1\ntimes_sustainable = 2"), "sustainable");
        wrong(&format!("sessions = 1\nvip_share = 1.5\n{step}seconds = 1"), "vip_share");
        wrong(&format!("sessions = 1\nspeed = 1\n{step}seconds = 1"), "speed");
    }

    #[test]
    fn agents_are_as_many_as_said_or_follow_from_the_sessions() {
        let mut scenario = Scenario::idle(101, 1, 1);
        assert_eq!(scenario.agents(), 0);
        scenario.agents = None;
        scenario.sessions_per_agent = 20;
        assert_eq!(scenario.agents(), 6);
    }
}
