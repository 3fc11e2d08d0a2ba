//! A hash of what was said, whatever pages and indexes it lies in: two databases with the same hash hold the
//! same conversations with the same events.
//!
//! Fields are absorbed in the order of the record; numbers as 8 bytes, little-endian, texts with their
//! length before them.

use sha2::{Digest, Sha256};

use super::rows::ConversationRow;
use crate::record::EventRecord;

fn number(hash: &mut Sha256, number: u64) {
    hash.update(number.to_le_bytes());
}

fn text(hash: &mut Sha256, text: &str) {
    number(hash, text.len() as u64);
    hash.update(text);
}

/// Who it is with, and when it began. What follows from its events is left out.
pub(super) fn absorb_conversation(hash: &mut Sha256, row: &ConversationRow) {
    let record = &row.record;
    for field in [&record.conversation, &record.site, &record.visitor, &record.name, &record.page] {
        text(hash, field);
    }
    number(hash, record.vip.into());
    number(hash, record.at_ms);
    number(hash, row.opened_at_ms);
}

/// All of it but its conversation's id.
pub(super) fn absorb_event(hash: &mut Sha256, event: &EventRecord) {
    number(hash, event.seq);
    number(hash, event.at_ms);
    number(hash, event.kind as u64);
    number(hash, event.role as u64);
    for field in [&event.from_id, &event.from_name, &event.client_id, &event.content, &event.agent] {
        text(hash, field);
    }
    number(hash, event.phase as u64);
}
