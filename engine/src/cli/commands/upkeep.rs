//! `doctor`, `backup` and `restore` for people and machines: what is printed, and how it ends.

use std::{path::Path, time::Instant};

use serde_json::json;

use super::{CommandError, now_unix_ms, print};
use crate::{
    cli::{DoctorAction, DoctorArguments, RestoreArguments},
    upkeep::{
        self,
        doctor::{DatabaseFacts, Examined},
        error::UpkeepError,
        files::{human_bytes, time_text},
        finding::{Finding, Level},
        watch::Watch,
    },
};

/// How much a backup lets others go first on a busy machine.
const NICE: i32 = 10;

/// Looks, and does what was asked before.
pub(super) fn doctor(data: &Path, arguments: DoctorArguments) -> Result<(), CommandError> {
    let watch = Watch::new();
    let did = act(data, &arguments.action, &watch)?;
    let examined = upkeep::doctor::examine(data, &watch).map_err(CommandError::Upkeep)?;
    drop(watch);
    let text = if arguments.json {
        document(data, &examined, &did).to_string()
    } else {
        report(data, &examined, &did, arguments.segments)
    };
    print(text.trim_end())?;
    if examined.is_damaged() { Err(CommandError::Damaged(data.to_owned())) } else { Ok(()) }
}

/// What was done, a line each.
fn act(data: &Path, action: &DoctorAction, watch: &Watch) -> Result<Vec<String>, CommandError> {
    let lines = |text: String| text.lines().map(str::to_owned).collect();
    let did: Result<Vec<String>, UpkeepError> = match action {
        DoctorAction::Examine => Ok(Vec::new()),
        DoctorAction::Repair => upkeep::repair::repair(data, watch).map(|did| {
            if did.is_empty() { vec!["There was nothing that a repair could put right.".into()] } else { did }
        }),
        DoctorAction::CutDamaged { file, offset } => {
            upkeep::cut::cut(data, file, *offset, now_unix_ms(), watch).map(|cut| lines(cut.to_string()))
        }
        DoctorAction::Rebuild { accepts_loss } => {
            upkeep::rebuild::rebuild(data, *accepts_loss, now_unix_ms(), watch)
                .map(|rebuilt| lines(rebuilt.to_string()))
        }
    };
    did.map_err(CommandError::Upkeep)
}

fn report(data: &Path, examined: &Examined, did: &[String], segments: bool) -> String {
    let mut text = String::new();
    for line in did {
        text += &format!("done: {line}\n");
    }
    if !did.is_empty() {
        text += "\n";
    }
    text += &facts(data, examined);
    if segments {
        text += &format!("\n{}", examined.journal);
    }
    for (number, finding) in (1..).zip(&examined.findings) {
        text += &told(number, finding);
    }
    let worst = examined.findings.iter().map(|finding| finding.level).max();
    text += match worst {
        Some(Level::Damage) => "\nDAMAGED.\n",
        Some(Level::Warning) => "\nHealthy, but see the warnings.\n",
        Some(Level::Notice) | None => "\nHealthy: nothing is wrong.\n",
    };
    text
}

fn facts(data: &Path, examined: &Examined) -> String {
    let journal = &examined.journal;
    let records: u64 = journal.segments.iter().map(|segment| segment.records).sum();
    let mut text = format!(
        "data      {}\njournal   {} streams, {} segments, {records} records, {} free files\n",
        data.display(),
        journal.streams().len(),
        journal.segments.len(),
        journal.free_files
    );
    if let Some(database) = &examined.database {
        let DatabaseFacts { version, conversations, events, accounts, settings, .. } = database;
        text += &format!(
            "database  version {version}: {conversations} conversations, {events} events, {accounts} accounts, \
             {settings} settings\n"
        );
    }
    if let Some(free_bytes) = examined.free_bytes {
        text += &format!("disk      {} free\n", human_bytes(free_bytes));
    }
    text
}

fn told(number: usize, finding: &Finding) -> String {
    let level = match finding.level {
        Level::Damage => "DAMAGE",
        Level::Warning => "warning",
        Level::Notice => "notice",
    };
    let mut text = format!("\n{number}. {level} [{}] {}\n   {}\n", finding.key, finding.what, finding.means);
    for (index, step) in finding.next.lines().enumerate() {
        text += &format!("   {} {step}\n", if index == 0 { "Next:" } else { "     " });
    }
    text
}

fn document(data: &Path, examined: &Examined, did: &[String]) -> serde_json::Value {
    let segments = examined.journal.segments.iter().map(|segment| {
        json!({
            "file": segment.path,
            "stream": segment.stream,
            "segment": segment.segment,
            "bytes": segment.file_bytes,
            "records": segment.records,
            "first": segment.numbers.map(|(first, _)| first),
            "last": segment.numbers.map(|(_, last)| last),
            "damaged_at": segment.damage.as_ref().map(|damage| damage.offset),
        })
    });
    json!({
        "ringdesk": env!("CARGO_PKG_VERSION"),
        "at": time_text(now_unix_ms()),
        "data": data,
        "healthy": !examined.is_damaged(),
        "server_running": examined.is_in_use,
        "done": did,
        "findings": examined.findings,
        "database": examined.database,
        "progress": examined.progress,
        "free_bytes": examined.free_bytes,
        "free_files": examined.journal.free_files,
        "segments": segments.collect::<Vec<_>>(),
    })
}

/// Copies, and says what is in the copy.
pub(super) fn backup(data: &Path, folder: &Path) -> Result<(), CommandError> {
    if let Err(error) = rustix::process::nice(NICE) {
        // No reason not to make a backup.
        eprintln!("ringdesk: the system lets this be no nicer to others: {error}");
    }
    let began = Instant::now();
    let watch = Watch::new();
    let made = upkeep::backup::backup(data, folder, &now_unix_ms, &watch).map_err(CommandError::Upkeep)?;
    drop(watch);
    print(&format!(
        "Backed up {} to {} in {:.1} s; {} records were in the journal only.\n{}",
        data.display(),
        folder.display(),
        began.elapsed().as_secs_f64(),
        made.applied,
        made.manifest,
    ))?;
    if made.flaws > 0 {
        print(&format!(
            "The doctor has something to say about it, as about the original: ringdesk doctor --data {}",
            data.display()
        ))?;
    }
    Ok(())
}

/// Restores, or only looks.
pub(super) fn restore(arguments: &RestoreArguments) -> Result<(), CommandError> {
    let RestoreArguments { backup, data, verifies } = arguments;
    let began = Instant::now();
    let watch = Watch::new();
    let done = match data {
        None => upkeep::restore::verify(backup, &watch),
        Some(data) => upkeep::restore::restore(backup, data, *verifies, &watch),
    };
    let manifest = done.map_err(CommandError::Upkeep)?;
    drop(watch);
    let seconds = began.elapsed().as_secs_f64();
    let compared = if *verifies { "; all hashes and counts are equal" } else { "" };
    let first = match data {
        None => format!("{} is whole{compared} ({seconds:.1} s).", backup.display()),
        Some(data) => {
            format!("Restored {} to {} in {seconds:.1} s{compared}.", backup.display(), data.display())
        }
    };
    print(&format!("{first}\n{manifest}"))?;
    match data {
        None => Ok(()),
        Some(data) => print(&format!("Next: ringdesk serve --data {}", data.display())),
    }
}
