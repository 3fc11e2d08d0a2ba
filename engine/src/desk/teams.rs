//! Teams (skill groups): who is in them, when they are there, and where their visitors go when they are not.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::hours::{Hours, HoursText, Open};

/// The team of everybody whom no other is for.
pub const FIRST_TEAM: &str = "default";
/// Most teams of a site.
pub const TEAMS_MAX: usize = 256;
/// Most members of a team.
pub const MEMBERS_MAX: usize = 2_048;
/// Longest time, in seconds, of any setting: a week.
pub const SECONDS_MAX: u32 = 7 * 86_400;
/// Most conversations of a team that one member may be given.
pub const CAPACITY_MAX: u16 = 256;
/// How long a returning visitor is given the last agent, in seconds, where a team does not say.
const PREFER_LAST_AGENT_S: u32 = 7 * 86_400;

/// A team's name.
pub type TeamName = Arc<str>;

/// Somebody in a team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The login name.
    pub agent: String,
    /// Most conversations of this team at once; left out: as many as the agent's own capacity allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u16>,
}

/// What an administrator says of a team, as it is kept and sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamSettings {
    /// Who is in it; left out: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<Member>>,
    /// When it is there; left out: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<HoursText>,
    /// After so many seconds a waiting visitor goes elsewhere; 0: never.
    #[serde(default)]
    pub overflow_after_s: u32,
    /// To which team, also while this one is closed; left out: the visitor leaves a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overflow_to: Option<String>,
    /// So many seconds after the last word, a returning visitor is given the same agent if there is room; 0: never.
    #[serde(default = "prefer_last_agent_s")]
    pub prefer_last_agent_s: u32,
    /// So many seconds an agent has to accept what is assigned; 0: it needs no word.
    #[serde(default)]
    pub accept_within_s: u32,
}

const fn prefer_last_agent_s() -> u32 {
    PREFER_LAST_AGENT_S
}

impl Default for TeamSettings {
    fn default() -> Self {
        Self {
            members: None,
            hours: None,
            overflow_after_s: 0,
            overflow_to: None,
            prefer_last_agent_s: PREFER_LAST_AGENT_S,
            accept_within_s: 0,
        }
    }
}

/// A team that can be asked.
#[derive(Clone, Debug, Default)]
pub struct Team {
    settings: TeamSettings,
    members: Option<BTreeMap<String, Option<u16>>>,
    hours: Option<Hours>,
}

impl Team {
    /// Checks the settings; what is wrong is told in words.
    pub fn new(settings: TeamSettings) -> Result<Self, String> {
        for (name, seconds) in [
            ("overflow_after_s", settings.overflow_after_s),
            ("prefer_last_agent_s", settings.prefer_last_agent_s),
            ("accept_within_s", settings.accept_within_s),
        ] {
            if seconds > SECONDS_MAX {
                return Err(format!("{name} must be 0 to {SECONDS_MAX}"));
            }
        }
        let members = settings.members.as_deref().map(members).transpose()?;
        let hours = settings.hours.as_ref().map(Hours::new).transpose()?;
        Ok(Self { settings, members, hours })
    }

    /// As it was written.
    pub const fn settings(&self) -> &TeamSettings {
        &self.settings
    }

    /// Whether the agent is in it.
    pub fn has(&self, agent: &str) -> bool {
        self.members.as_ref().is_none_or(|members| members.contains_key(agent))
    }

    /// Most conversations of this team that the agent may have; nothing: no limit of the team's.
    pub fn capacity(&self, agent: &str) -> Option<u16> {
        self.members.as_ref()?.get(agent).copied().flatten()
    }

    /// Whether somebody is there at `unix_ms`.
    pub fn at(&self, unix_ms: u64) -> Open {
        self.hours.as_ref().map_or(Open::Now, |hours| hours.at(unix_ms))
    }
}

fn members(members: &[Member]) -> Result<BTreeMap<String, Option<u16>>, String> {
    if members.len() > MEMBERS_MAX {
        return Err(format!("members must be at most {MEMBERS_MAX}"));
    }
    let mut found = BTreeMap::new();
    for Member { agent, capacity } in members {
        if capacity.is_some_and(|capacity| !(1..=CAPACITY_MAX).contains(&capacity)) {
            return Err(format!(
                "capacity of {agent:?} must be 1 to {CAPACITY_MAX}; leave it out for the agent's own"
            ));
        }
        if found.insert(agent.clone(), *capacity).is_some() {
            return Err(format!("{agent:?} is a member twice"));
        }
    }
    Ok(found)
}

/// The teams of a site; the first one is always there.
#[derive(Clone, Debug)]
pub struct Teams {
    teams: BTreeMap<TeamName, Team>,
    first: TeamName,
}

impl Default for Teams {
    fn default() -> Self {
        Self::new([])
    }
}

impl Teams {
    /// These teams, and the first one if it is not among them.
    pub fn new(teams: impl IntoIterator<Item = (TeamName, Team)>) -> Self {
        let mut teams: BTreeMap<TeamName, Team> = teams.into_iter().collect();
        let first: TeamName = FIRST_TEAM.into();
        teams.entry(Arc::clone(&first)).or_default();
        Self { teams, first }
    }

    /// The team of this name, or else the first one: a team may be gone since a conversation was for it.
    pub fn or_first(&self, name: &str) -> (&TeamName, &Team) {
        let found = self.teams.get_key_value(name).or_else(|| self.teams.get_key_value(&self.first));
        found.expect("the first team is always there")
    }

    /// The team of this name.
    pub fn get(&self, name: &str) -> Option<(&TeamName, &Team)> {
        self.teams.get_key_value(name)
    }

    /// All, by name.
    pub fn all(&self) -> impl Iterator<Item = (&TeamName, &Team)> {
        self.teams.iter()
    }

    /// The team that takes visitors of `name` at `unix_ms`: itself, or the one that its overflow leads to; else
    /// when it opens.
    pub fn open_for(&self, name: &str, unix_ms: u64) -> Result<&TeamName, Option<u64>> {
        let (mut name, mut team) = self.or_first(name);
        let mut asked = BTreeSet::new();
        let mut opens_at_ms: Option<u64> = None;
        loop {
            match team.at(unix_ms) {
                Open::Now => return Ok(name),
                Open::Later { opens_at_ms: at_ms } => {
                    opens_at_ms = opens_at_ms.into_iter().chain(at_ms).min();
                }
            }
            asked.insert(name);
            let next = team.settings.overflow_to.as_deref().and_then(|next| self.get(next));
            // Teams may overflow to each other.
            match next.filter(|(next, _)| !asked.contains(next)) {
                Some(next) => (name, team) = next,
                None => return Err(opens_at_ms),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team(json: &str) -> Result<Team, String> {
        Team::new(serde_json::from_str(json).expect("settings"))
    }

    #[test]
    fn nothing_said_is_everybody_always() {
        let team = team("{}").expect("right");
        assert_eq!(team.settings(), &TeamSettings::default());
        assert!(team.has("anybody"));
        assert_eq!((team.at(0), team.capacity("anybody")), (Open::Now, None));
    }

    #[test]
    fn members_have_their_own_capacity() {
        let team = team(r#"{"members":[{"agent":"li","capacity":2},{"agent":"王小明"}]}"#).expect("right");
        assert!(team.has("li") && team.has("王小明") && !team.has("zhao"));
        assert_eq!((team.capacity("li"), team.capacity("王小明")), (Some(2), None));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (json, complaint) in [
            (r#"{"members":[{"agent":"li"},{"agent":"li"}]}"#, "twice"),
            (r#"{"members":[{"agent":"li","capacity":0}]}"#, "1 to 256"),
            (r#"{"overflow_after_s":604801}"#, "overflow_after_s"),
            (r#"{"accept_within_s":604801}"#, "accept_within_s"),
            (r#"{"hours":{"zone":"Nowhere","week":{}}}"#, "no time zone"),
        ] {
            let error = team(json).expect_err(complaint);
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn a_closed_team_leads_to_the_next_and_never_in_circles() {
        let closed = |to: &str| {
            team(&format!(
                r#"{{"hours":{{"zone":"UTC","week":{{"monday":["09:00-10:00"]}}}},"overflow_to":"{to}"}}"#
            ))
            .expect("right")
        };
        let teams = |to_of_b: &str| {
            Teams::new([
                ("a".into(), closed("b")),
                ("b".into(), closed(to_of_b)),
                ("c".into(), Team::default()),
            ])
        };
        // 1970 began on a Thursday; the next Monday at nine is so far.
        let monday_ms = (4 * 24 + 9) * 3_600_000;
        assert_eq!(teams("a").open_for("a", 0), Err(Some(monday_ms)));
        assert_eq!(teams("c").open_for("a", 0).map(|name| &**name), Ok("c"));
        assert_eq!(teams("gone").open_for("a", 0), Err(Some(monday_ms)));
        assert_eq!(teams("a").open_for("a", monday_ms).map(|name| &**name), Ok("a"));
        assert_eq!(teams("a").open_for("unknown", 0).map(|name| &**name), Ok("default"));
    }
}
