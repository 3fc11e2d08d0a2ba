//! What is applied in one transaction.

use crate::record::Record;

/// Records of a batch. Most of what a record costs is its conversation's row with five indexes, and a page or two: a
/// batch in which a conversation has three records costs a third of that for each. So SQL that falls behind becomes
/// faster, up to here. Larger: others wait longer to write.
const RECORDS_MAX: usize = 64 * 1024;
/// Bytes of their contents, and one more record.
const CONTENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Consecutive records of a stream, as many as one transaction should have.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<(u64, Record)>,
    content_bytes: usize,
}

impl Batch {
    /// Adds the record of that number.
    pub fn push(&mut self, number: u64, record: Record) {
        if let Record::Event(event) = &record {
            self.content_bytes += event.content.len();
        }
        self.records.push((number, record));
    }

    /// Takes the last one back.
    pub fn pop(&mut self) {
        self.records.pop();
    }

    /// It should have no more.
    pub fn is_full(&self) -> bool {
        self.records.len() >= RECORDS_MAX || self.content_bytes >= CONTENT_BYTES_MAX
    }

    /// With their numbers.
    pub fn into_records(self) -> Vec<(u64, Record)> {
        self.records
    }

    /// With their numbers.
    pub fn records(&self) -> &[(u64, Record)] {
        &self.records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{EventKind, EventRecord, Phase, Role};

    fn event(content: String) -> Record {
        Record::Event(EventRecord {
            conversation: "c".into(),
            seq: 1,
            at_ms: 0,
            kind: EventKind::Message,
            role: Role::Visitor,
            from_id: String::new(),
            from_name: String::new(),
            client_id: String::new(),
            content,
            agent: String::new(),
            phase: Phase::Greeting,
        })
    }

    #[test]
    fn a_batch_is_full_by_its_records_or_by_what_they_say() {
        for (bytes, expected) in [(0, RECORDS_MAX), (1024 * 1024, 16), (1024 * 1024 - 1, 17)] {
            let mut batch = Batch::default();
            while !batch.is_full() {
                batch.push(0, event("x".repeat(bytes)));
            }
            assert_eq!(batch.records().len(), expected, "{bytes} bytes each");
        }
    }
}
