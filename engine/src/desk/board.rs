//! What a supervisor sees of the desk: who waits in which queue and for how long, and what each agent has.

use std::sync::Arc;

use super::{
    Desk,
    teams::{TeamName, Teams},
    words::AgentStatus,
};

/// The desk at one moment. Who is in which team and which is open, the teams themselves say.
#[derive(Clone, Debug)]
pub struct Board {
    /// The teams, as they are now.
    pub teams: Arc<Teams>,
    /// The queues in which somebody waits.
    pub queues: Vec<QueueBoard>,
    /// Everybody at the desk, by name.
    pub agents: Vec<AgentStatus>,
}

/// One team's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueBoard {
    /// Whose.
    pub team: TeamName,
    /// Those signed as VIP.
    pub vip: ClassBoard,
    /// All others.
    pub normal: ClassBoard,
}

/// Those of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassBoard {
    /// How many wait.
    pub waiting: u64,
    /// Since when the one waits that has waited longest, milliseconds since 1970.
    pub oldest_since_ms: Option<u64>,
}

impl Desk {
    /// What a supervisor sees. It is a copy of counts and names and costs a turn little, however many wait.
    pub fn board(&self) -> Board {
        let queues = self.queues.iter().filter(|(_, queue)| !queue.is_empty()).map(|(team, queue)| {
            let vips = queue.vips();
            let class = |vip: bool, waiting: usize| ClassBoard {
                waiting: waiting as u64,
                oldest_since_ms: queue.oldest_since_ms(vip),
            };
            QueueBoard {
                team: Arc::clone(team),
                vip: class(true, vips),
                normal: class(false, queue.len() - vips),
            }
        });
        Board {
            teams: Arc::clone(&self.teams),
            queues: queues.collect(),
            agents: self.agents.statuses().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::{Address, DeskInput, DeskSettings, Time, Wanted};

    #[test]
    fn the_oldest_of_a_class_counts_whoever_is_served_before() {
        let settings = DeskSettings { lease_ms: 10_000, capacity: 2 };
        let mut desk = Desk::new(settings, Arc::default());
        let now = Time { ms: 0, unix_ms: 1_000_000 };
        let mut tell = |input| desk.handle(now, input, &mut Vec::new());
        tell(DeskInput::Arrived { agent: "li".into(), address: Address { shard: 0, connection: 1 } });
        for (conversation, vip, at_head, since_ms) in [
            ("a", false, false, 400),
            ("b", false, true, 500),
            ("c", true, false, 900),
            ("d", false, false, 300),
        ] {
            tell(DeskInput::Enqueue(Wanted {
                conversation: conversation.into(),
                vip,
                since_ms,
                at_head,
                given_up: None,
                team: "".into(),
                last_agent: None,
                declined_by: None,
            }));
        }
        let board = desk.board();
        let class = |waiting, since_ms| ClassBoard { waiting, oldest_since_ms: Some(since_ms) };
        let expected = QueueBoard { team: "default".into(), vip: class(1, 900), normal: class(3, 300) };
        assert_eq!(board.queues, [expected]);
        assert_eq!(board.agents.len(), 1);
        assert_eq!(Desk::new(settings, Arc::default()).board().queues, []);
    }
}
