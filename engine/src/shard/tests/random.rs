//! Random lives: visitors and agents write, resend, lose the network and come back; the disk hangs, SQL falls
//! behind, the server dies. Whatever happens, what was acknowledged is in the record once, under the number that
//! was told, and every reader sees the record in order.
//!
//! A failure names its seed: `RINGDESK_SEED=7 cargo test -p engine --lib random` replays it.

use std::collections::BTreeMap;

use store::record::{EventKind, Record};

use super::world::World;

const SEEDS: u64 = 300;
const STEPS: usize = 120;
const VISITORS: usize = 4;
const AGENTS: [&str; 2] = ["ann", "bob"];

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((value ^ (value >> 31)) % bound as u64) as usize
    }
}

struct Life {
    world: World,
    random: Random,
    /// The connection of each visitor, and the conversation they were welcomed to.
    visitors: Vec<Option<usize>>,
    agents: Vec<Option<usize>>,
    conversations: Vec<Option<String>>,
    /// Every client there ever was, with the sender's id.
    clients: Vec<(usize, String)>,
    said: usize,
}

fn visitor_id(number: usize) -> String {
    format!("u{number}")
}

impl Life {
    fn begin(seed: u64) -> Self {
        let mut random = Random(seed);
        let world = World::new(1 + random.below(4));
        Self {
            world,
            random,
            visitors: vec![None; VISITORS],
            agents: vec![None; AGENTS.len()],
            conversations: vec![None; VISITORS],
            clients: Vec::new(),
            said: 0,
        }
    }

    fn shard(&mut self) -> usize {
        self.random.below(self.world.shards.len())
    }

    fn step(&mut self) {
        let visitor = self.random.below(VISITORS);
        let agent = self.random.below(AGENTS.len());
        match self.random.below(20) {
            0..8 => self.visitor_says(visitor),
            8..12 => self.agent_says(agent),
            12 => self.cut_visitor(visitor),
            13 => self.cut_agent(agent),
            14 => self.world.disk_waits = true,
            15 => self.world.disk_goes_on(),
            16 => self.world.project(),
            17 => self.world.pass_ms(3_000),
            18 => self.crash(),
            _ => self.world.run(),
        }
    }

    /// The client of a visitor, connected if it was not.
    fn visitor(&mut self, visitor: usize) -> usize {
        if let Some(client) = self.visitors[visitor] {
            return client;
        }
        let conversation = self.conversations[visitor].clone();
        let more = conversation.map_or_else(String::new, |conversation| {
            let after = self.last_seen(&visitor_id(visitor), &conversation);
            format!(r#","conversation":"{conversation}","after":{after}"#)
        });
        let shard = self.shard();
        let client = self.world.visitor(shard, &visitor_id(visitor), &more);
        self.visitors[visitor] = Some(client);
        self.conversations[visitor] = Some(self.world.conversation(client));
        self.clients.push((client, visitor_id(visitor)));
        client
    }

    fn agent(&mut self, agent: usize) -> usize {
        if let Some(client) = self.agents[agent] {
            return client;
        }
        let known: Vec<String> = self.conversations.iter().flatten().cloned().collect();
        let resume: Vec<String> = known
            .iter()
            .map(|conversation| {
                format!(r#""{conversation}":{}"#, self.last_seen(AGENTS[agent], conversation))
            })
            .collect();
        let more = format!(r#","conversations":{{{}}}"#, resume.join(","));
        let shard = self.shard();
        let client = self.world.agent_away(shard, AGENTS[agent], &more);
        self.world.send_text(client, r#"{"type":"presence","state":"ready","capacity":3}"#);
        self.agents[agent] = Some(client);
        self.clients.push((client, AGENTS[agent].to_owned()));
        client
    }

    /// The last event that a sender's newest client that saw any has of a conversation.
    fn last_seen(&self, sender: &str, conversation: &str) -> u64 {
        let mine = self.clients.iter().filter(|(_, id)| id == sender);
        let seqs = mine.flat_map(|(client, _)| self.world.of_type(*client, "event"));
        let seqs = seqs.filter(|event| event["conversation"] == conversation);
        seqs.filter_map(|event| event["seq"].as_u64()).max().unwrap_or(0)
    }

    fn visitor_says(&mut self, visitor: usize) {
        let client = self.visitor(visitor);
        // Now and then the message before is sent again.
        if self.random.below(4) > 0 {
            self.said += 1;
        }
        let number = self.said;
        self.world.say(client, &format!("m{number}"), &format!("words {number}"));
    }

    fn agent_says(&mut self, agent: usize) {
        let client = self.agent(agent);
        let conversation = self.random.below(VISITORS);
        if let Some(conversation) = self.conversations[conversation].clone() {
            self.said += 1;
            let number = self.said;
            self.world.agent_says(client, &conversation, &format!("m{number}"), &format!("words {number}"));
        }
    }

    fn cut_visitor(&mut self, visitor: usize) {
        if let Some(client) = self.visitors[visitor].take() {
            self.world.cut(client);
        }
    }

    fn cut_agent(&mut self, agent: usize) {
        if let Some(client) = self.agents[agent].take() {
            self.world.cut(client);
        }
    }

    fn crash(&mut self) {
        self.world.crash();
        self.visitors.fill(None);
        self.agents.fill(None);
    }

    /// All recover, and everything is compared with the record.
    fn check(mut self) {
        self.world.disk_goes_on();
        for visitor in 0..VISITORS {
            self.visitor(visitor);
        }
        self.world.run();
        self.world.assert_gapless();
        let record = self.record();
        for (client, sender) in &self.clients {
            for (id, seq) in self.world.acks(*client) {
                let numbers = record.get(&(sender.clone(), id.clone()));
                assert!(
                    numbers.is_some_and(|numbers| numbers == &[seq]),
                    "{sender} {id}: told {seq}, is {numbers:?}"
                );
            }
        }
        for visitor in 0..VISITORS {
            let conversation = &self.conversations[visitor].clone().expect("all came back");
            // First, because it takes time, in which leases may end.
            let expected = self.story(conversation);
            let mine: Vec<usize> = self
                .clients
                .iter()
                .filter(|(_, id)| *id == visitor_id(visitor))
                .map(|(client, _)| *client)
                .collect();
            let seen: Vec<String> =
                mine.iter().flat_map(|client| self.world.seen(*client, conversation)).collect();
            assert_eq!(seen, expected, "{conversation}: over all connections, everything once and in order");
        }
    }

    /// Numbers of the messages in the record, by sender and client id.
    fn record(&self) -> BTreeMap<(String, String), Vec<u64>> {
        let mut record: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        for entry in self.world.durable.iter().flatten() {
            if let Record::Event(event) = entry
                && event.kind == EventKind::Message
            {
                record.entry((event.from_id.clone(), event.client_id.clone())).or_default().push(event.seq);
            }
        }
        record
    }

    /// What a visitor who was there from the beginning has seen.
    fn story(&mut self, conversation: &str) -> Vec<String> {
        let owner = self.conversations.iter().position(|id| id.as_deref() == Some(conversation));
        let id = visitor_id(owner.expect("somebody's"));
        let shard = self.shard();
        let fresh = self.world.visitor(shard, &id, &format!(r#","conversation":"{conversation}","after":0"#));
        self.world.seen(fresh, conversation)
    }
}

#[test]
fn random_lives_lose_and_double_nothing() {
    let seeds = match std::env::var("RINGDESK_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("a number");
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    };
    for seed in seeds {
        let lived = std::panic::catch_unwind(|| {
            let mut life = Life::begin(seed);
            for _ in 0..STEPS {
                life.step();
            }
            life.check();
        });
        assert!(lived.is_ok(), "replay with RINGDESK_SEED={seed} cargo test -p engine --lib random");
    }
}
