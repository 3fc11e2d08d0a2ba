//! What each shard begins with, gathered from SQL and from what SQL lacks.

use std::collections::HashSet;

use store::{
    record::Record,
    sql::{Batch, Reader, SqlError, StoredConversation},
};

use crate::{
    placement,
    planted::{self, Planted},
    recovery::Recovered,
    shard::Beginning,
};

/// The beginning of each shard: the conversations that wait or are served, by the shard that owns them, and of all others
/// those that the journal goes on with. The rest comes when it is asked for.
pub fn beginnings(
    reader: &Reader,
    recovered: &mut Recovered,
    shards: usize,
) -> Result<Vec<Beginning>, SqlError> {
    let mut beginnings: Vec<Beginning> = (0..shards as u32)
        .map(|stream| Beginning {
            last_number: recovered.start(stream).next_number - 1,
            conversations: Vec::new(),
            unprojected: recovered.lacking.remove(&stream).unwrap_or_default(),
        })
        .collect();
    reader.live_conversations(|stored| {
        let id = &stored.record.conversation;
        let shard = placement::shard_of_conversation(id, shards).expect("only our own ids were journaled");
        beginnings[shard].conversations.push(stored);
    })?;
    for beginning in &mut beginnings {
        if planted::is(Planted::ForgottenTail) {
            beginning.unprojected.clear();
        }
        let others = others_in_sql(&beginning.unprojected, &beginning.conversations);
        for id in others {
            beginning.conversations.extend(reader.conversation(&id)?);
        }
    }
    Ok(beginnings)
}

/// Conversations that these records go on with, that SQL may have, and that are not among those `found`.
fn others_in_sql(unprojected: &[Batch], found: &[StoredConversation]) -> Vec<String> {
    let mut known: HashSet<&str> = found.iter().map(|stored| stored.record.conversation.as_str()).collect();
    let mut others = Vec::new();
    let mut recorded = HashSet::new();
    for (_, record) in unprojected.iter().flat_map(Batch::records) {
        match record {
            Record::Conversation(record) => drop(recorded.insert(record.conversation.as_str())),
            Record::Team(_) => {}
            // SQL has nothing of a conversation whose record and first event come here.
            Record::Event(event) if event.seq == 1 && recorded.contains(event.conversation.as_str()) => {
                known.insert(&event.conversation);
            }
            Record::Event(event) => {
                if known.insert(&event.conversation) {
                    others.push(event.conversation.clone());
                }
            }
        }
    }
    others.extend(recorded.difference(&known).map(|id| (*id).to_owned()));
    others
}
