//! What the doctor finds, in words for somebody who was woken by it: what is wrong, what it means for
//! messages, what to type next. The words are here, the looking is [`super::doctor`]'s.

use std::{io, path::Path};

use serde::Serialize;
use store::sql::{Flaw, SqlError};

use super::files::human_bytes;
use crate::{
    identity::secrets::{LOGIN_FILE, VISITOR_FILE},
    recovery::{Damage, DamageKind, SegmentReport},
};

/// Examples of one kind of flaw that are told; all are counted.
const EXAMPLES_MAX: usize = 3;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Notice,
    /// Should be put right; nothing is lost.
    Warning,
    /// Something cannot be read, or the server will not start.
    Damage,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// For machines: what kind of thing it is; never changes.
    pub key: &'static str,
    /// What is wrong.
    pub what: String,
    /// What it means for messages.
    pub means: String,
    /// What to do next, a step a line; may be empty.
    pub next: String,
}

const STOP: &str = "systemctl stop ringdesk";
const START: &str = "systemctl start ringdesk";

fn finding(
    level: Level,
    key: &'static str,
    what: impl Into<String>,
    means: impl Into<String>,
    next: impl Into<String>,
) -> Finding {
    Finding { level, key, what: what.into(), means: means.into(), next: next.into() }
}

/// What needs the server stopped.
fn stopped(command: &str) -> String {
    format!("{STOP}\n{command}\n{START}")
}

fn doctor(data: &Path, flag: &str) -> String {
    stopped(&format!("ringdesk doctor --data {} {flag}", data.display()))
}

fn rebuild(data: &Path) -> String {
    doctor(data, "--rebuild")
}

/// The data folder cannot be listed.
pub(super) fn folder_unreadable(path: &Path, error: &io::Error) -> Finding {
    finding(
        Level::Damage,
        "folder.unreadable",
        format!("{} cannot be read: {error}.", path.display()),
        "The server cannot use it either, if it runs as the same user as this.",
        format!("ls -ld {0}\nrun this as the user who runs the server, or check the disk", path.display()),
    )
}

/// A server has the folder.
pub(super) fn in_use() -> Finding {
    finding(
        Level::Notice,
        "server.running",
        "A server is using this folder.",
        "What is being written at this moment may look torn, and the database may be some records behind.",
        "",
    )
}

/// The journal's folder cannot be read.
pub(super) fn journal_unreadable(path: &Path, error: &io::Error) -> Finding {
    finding(
        Level::Damage,
        "journal.unreadable",
        format!("{} cannot be read: {error}.", path.display()),
        "What is not in the database yet cannot be checked.",
        "dmesg | tail\ncheck the disk and the owner of the folder",
    )
}

/// Damage that a start stops at.
pub(super) fn damaged(segment: &SegmentReport, damage: &Damage, progress: u64) -> Finding {
    let file = segment.path.display();
    let offset = damage.offset;
    let how = match damage.kind {
        DamageKind::Version(version) => {
            return finding(
                Level::Damage,
                "journal.newer",
                format!("{file} has journal format {version}, which a newer version of ringdesk wrote."),
                "Nothing is lost. This version cannot read it, and will not start.",
                "run the version that wrote it, or a newer one",
            );
        }
        DamageKind::Unknown => {
            return finding(
                Level::Damage,
                "journal.newer",
                format!("{file} has a record at offset {offset} that this version does not know."),
                "Nothing is lost. This version cannot read it, and will not start.",
                "run the version that wrote it, or a newer one",
            );
        }
        DamageKind::Header => "its first block is not intact".to_owned(),
        DamageKind::Name => "its first block is that of another file, or of another length".to_owned(),
        DamageKind::Inside(valid_at) => format!("intact again at {valid_at}"),
        DamageKind::Gap => "records at its end are missing, as the next file shows".to_owned(),
        DamageKind::Chain => "its first record does not follow the file before".to_owned(),
    };
    let lost = damage.lost_beyond(progress);
    let means = if lost.is_empty() {
        format!(
            "Nothing is lost: the database has those records, or they can be salvaged ({}). But the server \
             does not start while the file is there.",
            damage.salvaged
        )
    } else {
        format!(
            "{} records that had been acknowledged cannot be read (numbers {} of stream {}); {} behind them \
             can be salvaged. The server does not start.",
            damage.lost_records(progress),
            stretches(&lost),
            segment.stream,
            damage.salvaged
        )
    };
    let cut = stopped(&super::cut::command(&segment.path, offset));
    let next = if lost.is_empty() {
        format!("{cut}\n(nothing is lost by it, and the file is kept)")
    } else {
        format!(
            "if there is an intact copy of this file, put it back and start; else\n{cut}\n(it keeps the file, and \
             puts a note where a message is lost)"
        )
    };
    finding(
        Level::Damage,
        "journal.damaged",
        format!("{file} is damaged at offset {offset}; {how}."),
        means,
        next,
    )
}

/// Numbers for people.
pub(super) fn stretches(stretches: &[(u64, u64)]) -> String {
    let one = |&(first, last): &(u64, u64)| {
        if first == last { first.to_string() } else { format!("{first}–{last}") }
    };
    stretches.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Damage to what is in SQL already.
pub(super) fn damaged_behind(segment: &SegmentReport, damage: &Damage) -> Finding {
    finding(
        Level::Warning,
        "journal.damaged_behind",
        format!("{} is damaged at offset {}.", segment.path.display(), damage.offset),
        "Nothing is lost: the database has all of its records, and the file is to be used again. But a disk \
         that flips bits will do it again.",
        "dmesg | tail\nsmartctl -a DEVICE\nringdesk backup DIR",
    )
}

/// Records that neither SQL nor any segment has.
pub(super) fn missing(stream: u32, needed: u64, given: u64) -> Finding {
    finding(
        Level::Damage,
        "journal.missing",
        format!("Records {needed}–{} of stream {stream} are nowhere.", given - 1),
        "The database was replaced by an older one, or journal files were removed. Messages are missing, and \
         the server does not start.",
        "put the newer ringdesk.db (with its -wal) or the removed journal files back; else restore the newest backup",
    )
}

/// A write was cut short.
pub(super) fn torn(segment: &SegmentReport, offset: usize) -> Finding {
    finding(
        Level::Notice,
        "journal.torn",
        format!("{} ends with a write that was cut short, at offset {offset}.", segment.path.display()),
        "It was never acknowledged, so nothing is lost. The next start leaves it out.",
        "",
    )
}

/// SQL is behind.
pub(super) fn behind(stream: u32, records: u64, is_in_use: bool) -> Finding {
    let when = if is_in_use { "within seconds" } else { "at the next start" };
    finding(
        Level::Notice,
        "database.behind",
        format!("The database lacks the last {records} records of stream {stream}."),
        format!("Nothing is lost: the journal has them, and they are applied {when}."),
        "",
    )
}

/// Files that a process which was killed left.
pub(super) fn leftovers(files: usize) -> Finding {
    finding(
        Level::Notice,
        "folder.leftovers",
        format!("{files} half-made files lie there."),
        "A process was killed while it made them. There is nothing in them.",
        "",
    )
}

/// Segments put aside.
pub(super) fn evidence(files: usize) -> Finding {
    finding(
        Level::Notice,
        "journal.evidence",
        format!("{files} damaged journal files are kept (journal/{}…).", crate::recovery::EVIDENCE),
        "They were put aside by --cut-damaged, and are never read again.",
        "",
    )
}

/// No database.
pub(super) fn database_absent(path: &Path, has_journal: bool, data: &Path) -> Finding {
    if !has_journal {
        return finding(
            Level::Notice,
            "folder.new",
            "There is neither a database nor a journal.",
            "No server has run on this folder yet.",
            "",
        );
    }
    finding(
        Level::Damage,
        "database.absent",
        format!("{} is not there, and the journal is.", path.display()),
        "Accounts, settings and all that is older than the journal are missing.",
        format!(
            "find the file and put it back; else restore the newest backup; else make what the journal has into a \
             new one:\n{}",
            doctor(data, "--rebuild --accept-loss")
        ),
    )
}

/// SQLite cannot read it.
pub(super) fn database_unreadable(path: &Path, error: &SqlError, data: &Path) -> Finding {
    if let SqlError::Newer { found, known } = error {
        return database_newer(*found, *known);
    }
    finding(
        Level::Damage,
        "database.unreadable",
        format!("{} cannot be read: {}.", path.display(), cause(error)),
        "History and accounts are in it; live conversations may go on until the server has to read it.",
        rebuild(data),
    )
}

/// The database's own words, without its advice.
pub(super) fn cause(error: &SqlError) -> String {
    match error {
        SqlError::Machine(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Of a newer version.
pub(super) fn database_newer(found: i64, known: i64) -> Finding {
    finding(
        Level::Damage,
        "database.newer",
        format!("The database has version {found}, this program knows {known}."),
        "Nothing is lost. This version cannot use it, and will not start.",
        "run the version that wrote it, or a newer one",
    )
}

/// Of an older version.
pub(super) fn database_older(found: i64, known: i64) -> Finding {
    finding(
        Level::Notice,
        "database.older",
        format!("The database has version {found}, this program writes {known}."),
        "The next start brings it up to date.",
        "",
    )
}

/// SQLite's own complaints.
pub(super) fn structure(complaints: &[String], is_index_only: bool, data: &Path) -> Finding {
    let examples = complaints.iter().take(EXAMPLES_MAX).cloned().collect::<Vec<_>>().join("; ");
    if is_index_only {
        return finding(
            Level::Damage,
            "database.indexes",
            format!("Indexes of the database do not fit their tables: {examples}."),
            "Nothing is lost; lists and searches may leave something out.",
            doctor(data, "--repair"),
        );
    }
    finding(
        Level::Damage,
        "database.structure",
        format!("The database's file is damaged: {examples}."),
        "Some history cannot be read, or will not be. The journal is not touched by it.",
        rebuild(data),
    )
}

/// Tables or indexes that should be there.
pub(super) fn tables_missing(names: &[String], data: &Path) -> Finding {
    finding(
        Level::Damage,
        "database.tables",
        format!("The database lacks: {}.", names.join(", ")),
        "Somebody or something removed them; the server may be slow without them, or not work.",
        rebuild(data),
    )
}

/// Rows that name rows that are not there.
pub(super) fn foreign_keys(rows: u64, data: &Path) -> Finding {
    finding(
        Level::Damage,
        "database.foreign_keys",
        format!("{rows} rows of the database name rows that are not there."),
        "What they belong to is lost.",
        rebuild(data),
    )
}

/// All flaws of one kind.
pub(super) fn flaws(flaws: &[Flaw], all: u64, data: &Path) -> Option<Finding> {
    let examples: Vec<String> = flaws.iter().take(EXAMPLES_MAX).map(example).collect();
    let more = all.saturating_sub(examples.len() as u64);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let examples = examples.join("; ") + &more;
    Some(match flaws.first()? {
        Flaw::Row { .. } => finding(
            Level::Damage,
            "conversations.rows",
            format!("Conversations do not say what their events say: {examples}."),
            "No message is lost. Lists may show a wrong state, and a conversation may not find its agent.",
            doctor(data, "--repair"),
        ),
        Flaw::Gap { .. } => finding(
            Level::Damage,
            "events.missing",
            format!("Events are missing from the database: {examples}."),
            "Those messages are not shown to anybody. The journal may have them still.",
            rebuild(data),
        ),
        Flaw::Orphans { .. } => finding(
            Level::Damage,
            "events.orphans",
            format!("Events belong to conversations that are not there: {examples}."),
            "Those messages are not shown to anybody. The journal or an index may know whose they are.",
            rebuild(data),
        ),
        Flaw::Doubled { .. } => finding(
            Level::Damage,
            "events.doubled",
            format!("Messages are there twice: {examples}."),
            "Somebody saw what they wrote once two times. Nothing is lost, and nothing is to be done.",
            "please report this with the journal, if it still has them: it is a fault of ringdesk",
        ),
        Flaw::Value { .. } => finding(
            Level::Damage,
            "database.values",
            format!("The database has values that ringdesk never writes: {examples}."),
            "Those rows cannot be shown. The journal may have them still.",
            rebuild(data),
        ),
    })
}

fn example(flaw: &Flaw) -> String {
    match flaw {
        Flaw::Row { conversation, columns, .. } => format!("{conversation} ({})", columns.join(", ")),
        Flaw::Gap { conversation, first, last } => {
            format!("{} of {conversation}", stretches(&[(*first, *last)]))
        }
        Flaw::Orphans { key, events } => format!("{events} events of conversation number {key}"),
        Flaw::Doubled { conversation, sender, id, seqs: (first, second) } => {
            format!("{id} of {sender} in {conversation} (events {first} and {second})")
        }
        Flaw::Value { column, value } => format!("{value} in {column}"),
    }
}

/// A secret that is not there.
pub(super) fn secret_absent(name: &str) -> Finding {
    finding(
        Level::Warning,
        "secrets.absent",
        format!("{name} is not there."),
        format!("The next start makes another one; {}.", secret_means(name)),
        "put the old file back, if there is one",
    )
}

fn secret_means(name: &str) -> &'static str {
    match name {
        VISITOR_FILE => "identities that the shop has signed are refused until its back end has the new one",
        LOGIN_FILE => "everybody has to log in again, and anonymous visitors begin anew",
        _ => "what it signed is refused",
    }
}

/// A secret that is none.
pub(super) fn secret_wrong(what: &str) -> Finding {
    finding(
        Level::Damage,
        "secrets.wrong",
        format!("{what}."),
        "No message is lost. The server does not start.",
        "put the old file back from a backup; else delete it, and the next start makes another one",
    )
}

/// A secret that others can read.
pub(super) fn secret_open(path: &Path) -> Finding {
    finding(
        Level::Warning,
        "secrets.open",
        format!("{} can be read by other users of this machine.", path.display()),
        "Whoever reads it can pass for any visitor, or for any agent.",
        format!("chmod 600 {}", path.display()),
    )
}

/// Little space.
pub(super) fn disk_low(free_bytes: u64) -> Finding {
    finding(
        Level::Warning,
        "disk.low",
        format!("The disk has {} left.", human_bytes(free_bytes)),
        "When it is full, new messages are refused (journal_full); those acknowledged stay.",
        "du -xsh /var/* | sort -h | tail\nfree some space, or move the data folder to a larger disk",
    )
}
