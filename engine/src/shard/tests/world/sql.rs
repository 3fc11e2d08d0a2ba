//! What SQL would say, had it all that is durable but for the last of each journal.

use std::collections::BTreeSet;

use store::{
    record::{ConversationRecord, EventKind, EventRecord, Phase, Record},
    sql::{Batch, KnownMessage, StoredConversation},
};

use super::{super::super::Beginning, World};
use crate::placement;

impl World {
    /// What SQL has.
    fn in_sql(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.durable.iter().flat_map(|journal| &journal[..self.projected(journal)])
    }

    fn projected(&self, journal: &[Record]) -> usize {
        journal.len().saturating_sub(self.sql_lacks)
    }

    /// What SQL has of a shard's conversations and what it does not.
    pub(super) fn beginning(&self, shard: usize) -> Beginning {
        let journal = &self.durable[shard];
        let projected = self.projected(journal);
        let mut conversations = self.sql_open(shard);
        let mut unprojected = Batch::default();
        for (record, number) in journal[projected..].iter().zip(projected as u64 + 1..) {
            let id = record.conversation();
            if conversations.iter().all(|stored| stored.record.conversation != id) {
                conversations.extend(self.sql_conversation(id));
            }
            unprojected.push(number, record.clone());
        }
        Beginning { last_number: journal.len() as u64, conversations, unprojected: vec![unprojected] }
    }

    pub(super) fn events(&self, id: &str) -> Vec<EventRecord> {
        let mine = |record: &Record| match record {
            Record::Event(event) if event.conversation == id => Some(event.clone()),
            _ => None,
        };
        self.in_sql().filter_map(mine).collect()
    }

    pub fn sql_conversation(&self, id: &str) -> Option<StoredConversation> {
        let mine = |record: &Record| match record {
            Record::Conversation(conversation) if conversation.conversation == id => {
                Some(conversation.clone())
            }
            _ => None,
        };
        let record: ConversationRecord = self.in_sql().filter_map(mine).next_back()?;
        let events = self.events(id);
        let known = |event: &EventRecord| KnownMessage {
            sender: event.from_id.clone(),
            id: event.client_id.clone(),
            seq: event.seq,
            at_ms: event.at_ms,
        };
        Some(StoredConversation {
            record,
            seq: events.last().map_or(0, |event| event.seq),
            phase: events.last().map_or(Phase::Greeting, |event| event.phase),
            agent: events.last().map(|event| event.agent.clone()).unwrap_or_default(),
            rated: events.iter().any(|event| event.kind == EventKind::Rating),
            last_at_ms: events.last().map_or(0, |event| event.at_ms),
            last_message: events
                .iter()
                .filter(|event| event.kind == EventKind::Message)
                .map(|event| event.seq)
                .max()
                .unwrap_or(0),
            team: self.sql_team(id),
            known_ids: events.iter().filter(|event| !event.client_id.is_empty()).map(known).collect(),
        })
    }

    pub(super) fn sql_ids_of(&self, site: &str, visitor: &str) -> BTreeSet<String> {
        let mine = |record: &Record| match record {
            Record::Conversation(record) if record.site == site && record.visitor == visitor => {
                Some(record.conversation.clone())
            }
            _ => None,
        };
        self.in_sql().filter_map(mine).collect()
    }

    pub(super) fn sql_open_of(&self, site: &str, visitor: &str) -> Option<StoredConversation> {
        let ids = self.sql_ids_of(site, visitor);
        ids.iter().rev().filter_map(|id| self.sql_conversation(id)).find(|stored| !stored.phase.is_over())
    }

    pub(super) fn sql_team(&self, id: &str) -> String {
        let mine = |record: &Record| match record {
            Record::Team(record) if record.conversation == id => Some(record.team.clone()),
            _ => None,
        };
        self.in_sql().filter_map(mine).next_back().unwrap_or_default()
    }

    pub(super) fn sql_last_agent(&self, site: &str, visitor: &str) -> Option<(String, u64)> {
        let ids = self.ids().into_iter().filter_map(|id| self.sql_conversation(&id));
        ids.filter(|stored| stored.record.site == site && stored.record.visitor == visitor)
            .filter(|stored| !stored.agent.is_empty())
            .max_by_key(|stored| stored.last_at_ms)
            .map(|stored| (stored.agent, stored.last_at_ms))
    }

    /// Whether a conversation is with that visitor.
    pub fn is_with(&self, id: &str, visitor: &str) -> bool {
        self.sql_conversation(id).is_some_and(|stored| stored.record.visitor == visitor)
    }

    /// Every conversation of the journals.
    pub fn ids(&self) -> BTreeSet<String> {
        let ids = self.durable.iter().flatten().filter_map(|record| match record {
            Record::Conversation(conversation) => Some(conversation.conversation.clone()),
            Record::Event(_) | Record::Team(_) => None,
        });
        ids.collect()
    }

    pub(super) fn sql_open(&self, shard: usize) -> Vec<StoredConversation> {
        let ids = self.ids();
        let here = |id: &String| placement::shard_of_conversation(id, self.settings.shards) == Some(shard);
        let stored = ids.into_iter().filter(here).filter_map(|id| self.sql_conversation(&id));
        stored
            .filter(|stored| !matches!(stored.phase, Phase::Greeting | Phase::LeaveMessage | Phase::Closed))
            .collect()
    }
}
