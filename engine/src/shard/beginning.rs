//! Where a shard begins: with its conversations as SQL has them, and with what the journal has beyond SQL.
//!
//! Of these conversations memory has what it would have if the process had never ended: all events that SQL lacks, and
//! the newest words of their dialogs.

use std::{collections::HashMap, sync::Arc};

use store::{
    record::{ConversationRecord, EventKind, EventRecord, Record, TeamRecord},
    sql::{Batch, StoredConversation},
};

use super::{Outputs, Shard, conversations::Conversation};
use crate::placement;

/// Where a shard begins.
#[derive(Debug, Default)]
pub struct Beginning {
    /// The number of the last record in the shard's journal; 0 in an empty one.
    pub last_number: u64,
    /// The shard's conversations as SQL has them: those that are not over, and those that `unprojected` goes on with.
    pub conversations: Vec<StoredConversation>,
    /// The journal's records that SQL does not have yet.
    pub unprojected: Vec<Batch>,
}

/// A conversation on its way to memory.
struct Resumed {
    conversation: Conversation,
    /// Milliseconds since 1970.
    last_at_ms: u64,
    /// The number of the last message; 0: nothing was said.
    last_message: u64,
}

impl Resumed {
    fn from_stored(stored: StoredConversation) -> Self {
        let (last_at_ms, last_message) = (stored.last_at_ms, stored.last_message);
        Self { conversation: Conversation::from_stored(stored), last_at_ms, last_message }
    }

    fn begun(record: ConversationRecord) -> Self {
        let last_at_ms = record.at_ms;
        let mut conversation = Conversation::new(record);
        conversation.recorded = true;
        Self { conversation, last_at_ms, last_message: 0 }
    }
}

/// All of them, as far as the journal was read.
#[derive(Default)]
struct Resuming {
    resumed: Vec<Resumed>,
    by_id: HashMap<Arc<str>, usize>,
    /// Number in the journal and conversation of every event.
    unprojected: Vec<(u64, usize)>,
    newest_begun_ms: u64,
}

impl Resuming {
    fn add(&mut self, resumed: Resumed) -> usize {
        let at = self.resumed.len();
        self.by_id.insert(Arc::clone(&resumed.conversation.id), at);
        self.resumed.push(resumed);
        at
    }

    /// Takes the next record of the journal.
    fn go_on(&mut self, number: u64, record: Record, scratch: &mut Vec<u8>) {
        match record {
            Record::Conversation(record) => {
                let begun_ms = placement::begun_ms(&record.conversation).unwrap_or(0);
                self.newest_begun_ms = self.newest_begun_ms.max(begun_ms);
                match self.by_id.get(record.conversation.as_str()) {
                    Some(at) => self.resumed[*at].conversation.set_visitor(record),
                    None => drop(self.add(Resumed::begun(record))),
                }
            }
            Record::Team(TeamRecord { conversation, team, .. }) => {
                if let Some(at) = self.by_id.get(conversation.as_str()) {
                    self.resumed[*at].conversation.team = team.into();
                }
            }
            Record::Event(event) => self.take_event(number, &event, scratch),
        }
    }

    fn take_event(&mut self, number: u64, event: &EventRecord, scratch: &mut Vec<u8>) {
        let at = match self.by_id.get(event.conversation.as_str()) {
            Some(at) => *at,
            // As SQL does it.
            None => self.add(Resumed::begun(ConversationRecord::missing(&event.conversation, event.at_ms))),
        };
        let resumed = &mut self.resumed[at];
        if event.seq <= resumed.conversation.seq {
            return;
        }
        if event.kind == EventKind::Message {
            resumed.last_message = event.seq;
        }
        resumed.last_at_ms = event.at_ms;
        resumed.conversation.go_on(number, event, resumed.last_message, scratch);
        self.unprojected.push((number, at));
    }
}

impl Shard {
    /// Brings back what a shard begins with. What it has to tell the desk comes out.
    pub(super) fn resume(
        &mut self,
        conversations: Vec<StoredConversation>,
        unprojected: Vec<Batch>,
        out: &mut Outputs,
    ) {
        let mut resuming = Resuming::default();
        for stored in conversations {
            resuming.add(Resumed::from_stored(stored));
        }
        for (number, record) in unprojected.into_iter().flat_map(Batch::into_records) {
            resuming.go_on(number, record, &mut self.scratch);
        }
        let Resuming { resumed, unprojected, newest_begun_ms, .. } = resuming;
        self.newest_begun_ms = newest_begun_ms;
        let mut last_at_ms = Vec::with_capacity(resumed.len());
        for resumed in resumed {
            last_at_ms.push((resumed.last_at_ms, self.conversations.insert(resumed.conversation)));
        }
        for (number, at) in unprojected {
            self.conversations.unprojected(number, last_at_ms[at].1);
        }
        last_at_ms.sort_by_key(|(last_at_ms, _)| *last_at_ms);
        last_at_ms.into_iter().for_each(|(last_at_ms, index)| self.restore(index, last_at_ms, out));
    }
}
