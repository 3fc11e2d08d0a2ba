//! Who belongs to which thread. Numbers only.

use std::time::Duration;

use crate::shared::Plan;

/// The visitors and agents of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Agents, by their places in the plan.
    pub agents: Vec<u32>,
    /// Visitors, by number.
    pub visitors: Vec<u32>,
    /// How often it reads what came; `None`: at once.
    pub read_every: Option<Duration>,
}

impl Share {
    /// How many people.
    pub const fn people(&self) -> usize {
        self.agents.len() + self.visitors.len()
    }
}

/// Everybody over `threads` threads. Agents who read slowly have one more for themselves. Where visitors drop, the others and
/// the agents have one: what they wait for is to be the server's work, not the generator's with those who come back.
pub fn shares(plan: &Plan, threads: usize) -> Vec<Share> {
    let agents = plan.staff.len() as u32;
    let slow = plan.scenario.slow_agents;
    let slow_agents = slow.map_or(0, |slow| (f64::from(agents) * slow.share).ceil() as u32);
    let each = |count: u32, thread: usize| (thread as u32..count).step_by(threads).collect();
    let sessions = plan.scenario.sessions;
    let drop =
        plan.scenario.steps.iter().map(|step| step.drop_sessions).max().unwrap_or_default().min(sessions);
    let dealt = if drop > 0 { (0, drop) } else { (agents - slow_agents, sessions) };
    let mut shares: Vec<Share> = (0..threads)
        .map(|thread| Share {
            agents: each(dealt.0, thread),
            visitors: each(dealt.1, thread),
            read_every: None,
        })
        .collect();
    if drop > 0 {
        let visitors = (drop..sessions).collect();
        shares.push(Share { agents: (0..agents - slow_agents).collect(), visitors, read_every: None });
    }
    if let Some(slow) = slow.filter(|_| slow_agents > 0) {
        let read_every = Some(Duration::from_millis(slow.read_every_ms));
        let agents = (agents - slow_agents..agents).collect();
        shares.push(Share { agents, visitors: Vec::new(), read_every });
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        scenario::{Scenario, SlowAgents},
        shared::Staff,
    };

    fn plan(slow: Option<SlowAgents>, drop_sessions: u32) -> Plan {
        let mut scenario = Scenario { slow_agents: slow, ..Scenario::idle(101, 1, 1) };
        scenario.steps[0].drop_sessions = drop_sessions;
        let staff = (0..10).map(|number| Staff { name: number.to_string(), token: String::new() });
        Plan {
            address: ([127, 0, 0, 1], 1).into(),
            host: String::new(),
            scenario,
            visitor_tokens: Vec::new(),
            staff: staff.collect(),
            seed: 1,
        }
    }

    #[test]
    fn everybody_has_one_thread_and_those_who_read_slowly_or_see_others_drop_their_own() {
        let slow = SlowAgents { share: 0.25, read_every_ms: 9 };
        let cases = [
            (None, 0, 3, 3),
            (Some(slow), 0, 3, 4),
            (Some(slow), 0, 1, 2),
            (None, 90, 2, 3),
            (Some(slow), 90, 2, 4),
            (None, 900, 2, 3),
        ];
        for (slow, drop, threads, expected) in cases {
            let shares = shares(&plan(slow, drop), threads);
            assert_eq!(shares.len(), expected);
            let mut agents: Vec<u32> = shares.iter().flat_map(|share| share.agents.clone()).collect();
            let mut visitors: Vec<u32> = shares.iter().flat_map(|share| share.visitors.clone()).collect();
            agents.sort_unstable();
            visitors.sort_unstable();
            assert!(agents.into_iter().eq(0..10) && visitors.into_iter().eq(0..101));
            assert_eq!(shares.iter().map(Share::people).sum::<usize>(), 111);
            let reading_slowly: Vec<_> = shares.iter().filter(|share| share.read_every.is_some()).collect();
            assert_eq!(reading_slowly.len(), usize::from(slow.is_some()));
            assert!(reading_slowly.iter().all(|share| share.agents == [7, 8, 9]));
            let dropping = shares.iter().filter(|share| share.visitors.iter().any(|visitor| *visitor < drop));
            assert!(dropping.clone().all(|share| share.agents.is_empty()) && dropping.count() <= threads);
        }
    }
}
