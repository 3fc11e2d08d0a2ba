//! Makes a journal that a killed server could have left: whole segments, nothing of it in SQL.

use std::{fs::File, io, io::Write, path::Path};

use store::{
    journal::{BLOCK_BYTES, SEGMENT_BYTES, SegmentHeader, Writer},
    record::{ConversationRecord, EventKind, EventRecord, Phase, Record, Role},
};

/// Events of one conversation.
const EVENTS_EACH: u64 = 20;

/// What is in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Bytes of all segments.
    pub bytes: u64,
    /// Records that one write carried: what a busy server gathers while the disk works.
    pub records_a_group: u64,
    /// Characters of each message.
    pub text_characters: usize,
}

/// Writes it into `data/journal`, and returns how many records it has.
pub(super) fn write(data: &Path, content: Content) -> io::Result<u64> {
    let folder = data.join("journal");
    std::fs::create_dir_all(&folder)?;
    let mut writer = Writer::new(0, 1, 0);
    let mut records = Records { next: 0, text: "好".repeat(content.text_characters) };
    let segments = content.bytes.div_ceil(SEGMENT_BYTES as u64) as u32;
    for segment in 1..=segments {
        let epoch = 0x1234_0000_0000 + u64::from(segment);
        let header = SegmentHeader { stream: 0, segment, epoch, segment_bytes: SEGMENT_BYTES as u32 };
        let mut image = header.encode().to_vec();
        loop {
            while writer.pending_bytes() == 0 || !records.next.is_multiple_of(content.records_a_group) {
                writer.append(&records.make()).map_err(|_| io::Error::other("a record is too long"))?;
            }
            let Some(group) = writer.seal(epoch, SEGMENT_BYTES - image.len()) else { break };
            image.extend_from_slice(group.bytes);
        }
        image.resize(SEGMENT_BYTES, 0);
        assert!(image.len().is_multiple_of(BLOCK_BYTES));
        let mut file = File::create(folder.join(format!("00-{segment:08}.seg")))?;
        file.write_all(&image)?;
        file.sync_all()?;
    }
    Ok(writer.next_number() - 1)
}

struct Records {
    next: u64,
    text: String,
}

impl Records {
    /// Conversations one after the other, each with its record first.
    fn make(&mut self) -> Record {
        let number = self.next;
        self.next += 1;
        let (conversation, seq) = (number / (EVENTS_EACH + 1), number % (EVENTS_EACH + 1));
        let id = format!("{conversation:013x}-1m73yf4dx");
        let visitor = format!("anon-{conversation:016x}");
        let at_ms = 1_795_000_000_000 + number;
        if seq == 0 {
            return Record::Conversation(ConversationRecord {
                conversation: id,
                site: "default".to_owned(),
                visitor,
                name: String::new(),
                vip: conversation.is_multiple_of(20),
                page: "https://shop.example/tea".to_owned(),
                at_ms,
            });
        }
        Record::Event(EventRecord {
            conversation: id,
            seq,
            at_ms,
            kind: if seq == EVENTS_EACH { EventKind::Closed } else { EventKind::Message },
            role: Role::Visitor,
            from_id: visitor,
            from_name: String::new(),
            client_id: format!("m{seq}"),
            content: format!("{{\"kind\":\"text\",\"text\":\"{}\"}}", self.text),
            agent: String::new(),
            phase: if seq == EVENTS_EACH { Phase::Closed } else { Phase::WaitingUserInput },
        })
    }
}
