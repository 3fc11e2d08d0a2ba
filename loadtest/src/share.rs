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

/// Everybody over `threads` threads; agents who read slowly have one more for themselves.
pub fn shares(plan: &Plan, threads: usize) -> Vec<Share> {
    let agents = plan.staff.len() as u32;
    let slow = plan.scenario.slow_agents;
    let slow_agents = slow.map_or(0, |slow| (f64::from(agents) * slow.share).ceil() as u32);
    let each = |count: u32, thread: usize| (thread as u32..count).step_by(threads).collect();
    let mut shares: Vec<Share> = (0..threads)
        .map(|thread| Share {
            agents: each(agents - slow_agents, thread),
            visitors: each(plan.scenario.sessions, thread),
            read_every: None,
        })
        .collect();
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

    fn plan(slow: Option<SlowAgents>) -> Plan {
        let staff = (0..10).map(|number| Staff { name: number.to_string(), token: String::new() });
        Plan {
            address: ([127, 0, 0, 1], 1).into(),
            host: String::new(),
            scenario: Scenario { slow_agents: slow, ..Scenario::idle(101, 1, 1) },
            visitor_tokens: Vec::new(),
            staff: staff.collect(),
            seed: 1,
        }
    }

    #[test]
    fn everybody_has_one_thread_and_those_who_read_slowly_their_own() {
        let slow = SlowAgents { share: 0.25, read_every_ms: 9 };
        for (slow, threads, expected) in [(None, 3, 3), (Some(slow), 3, 4), (Some(slow), 1, 2)] {
            let shares = shares(&plan(slow), threads);
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
        }
    }
}
