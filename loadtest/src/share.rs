//! Who belongs to which thread. Numbers only.

use std::time::Duration;

use crate::{measure::Class, shared::Plan};

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

/// Everybody over `threads` threads. Agents who read slowly have one more for themselves, and so have those whose waits are
/// looked at beside a crowd, as what they wait for is to be the server's work, not the generator's: where visitors drop, the
/// others and the agents; where VIPs must not notice a load, the VIPs.
pub fn shares(plan: &Plan, threads: usize) -> Vec<Share> {
    let sessions = plan.scenario.sessions;
    let agents = plan.staff.len() as u32;
    let slow = plan.scenario.slow_agents;
    let slow_agents = slow.map_or(0, |slow| (f64::from(agents) * slow.share).ceil() as u32);
    let usual_agents = 0..agents - slow_agents;
    let drop = plan.scenario.steps.iter().map(|step| step.drop_sessions).max().unwrap_or_default();
    let watches_vips = plan.scenario.targets.vip_p99_growth.is_some();
    let is_watched = |visitor: u32| match drop {
        0 => watches_vips && plan.class(visitor) == Class::Vip,
        _ => visitor >= drop,
    };
    let (watched, crowd): (Vec<u32>, Vec<u32>) = (0..sessions).partition(|visitor| is_watched(*visitor));
    let (watched_agents, crowd_agents): (Vec<u32>, Vec<u32>) = usual_agents.partition(|_| drop > 0);
    let each = |people: &[u32], thread: usize| people.iter().copied().skip(thread).step_by(threads).collect();
    let mut shares: Vec<Share> = (0..threads)
        .map(|thread| Share {
            agents: each(&crowd_agents, thread),
            visitors: each(&crowd, thread),
            read_every: None,
        })
        .collect();
    if drop > 0 || !watched.is_empty() {
        shares.push(Share { agents: watched_agents, visitors: watched, read_every: None });
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

    fn plan(slow: Option<SlowAgents>, drop_sessions: u32, watches_vips: bool) -> Plan {
        let mut scenario = Scenario { slow_agents: slow, vip_share: 0.2, ..Scenario::idle(101, 1, 1) };
        scenario.targets.vip_p99_growth = watches_vips.then_some(1.5);
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
    fn everybody_has_one_thread_and_those_who_read_slowly_or_are_watched_their_own() {
        let slow = SlowAgents { share: 0.25, read_every_ms: 9 };
        let cases = [
            (None, 0, false, 3, 3),
            (None, 0, true, 3, 4),
            (Some(slow), 0, false, 3, 4),
            (Some(slow), 0, true, 1, 3),
            (None, 90, false, 2, 3),
            (Some(slow), 90, true, 2, 4),
            (None, 900, false, 2, 3),
        ];
        for (slow, drop, watches_vips, threads, expected) in cases {
            let plan = plan(slow, drop, watches_vips);
            let shares = shares(&plan, threads);
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
            let mixed = shares.iter().filter(|share| {
                let vips =
                    share.visitors.iter().filter(|visitor| plan.class(**visitor) == Class::Vip).count();
                0 < vips && vips < share.visitors.len()
            });
            assert_eq!(mixed.count() == 0, watches_vips && drop == 0);
        }
    }
}
