//! Goes on without what a damaged segment cannot give any more. The file itself is never changed: it is put
//! aside under another name.
//!
//! Every record that can be proved to be the segment's goes to SQL, those before the damage and those behind
//! it; SQL is then as far as the next segment begins. Where a conversation lacks an event afterwards, a note
//! says so. The order makes it repeatable: first SQL, then the name.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use store::{
    journal::{BLOCK_BYTES, Reader, salvage},
    record::Record,
    sql::Projection,
};

use super::{error::UpkeepError, files, finding::stretches, watch::Watch};
use crate::{
    journal::directory_of,
    recovery::{self, DamageKind, DataDirectory, EVIDENCE, Report, SegmentReport},
};

/// Records applied in one transaction.
const BATCH_RECORDS: usize = 2_000;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where the damaged file is now.
    pub evidence: PathBuf,
    /// Whose records.
    pub stream: u32,
    /// Records that were read behind the damage.
    pub salvaged: u64,
    /// Numbers of those that are lost.
    pub lost: Vec<(u64, u64)>,
    /// Notes in place of lost events.
    pub notes: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "The file is kept as {}.", self.evidence.display())?;
        writeln!(to, "{} records behind the damage were salvaged.", self.salvaged)?;
        let records: u64 = self.lost.iter().map(|(first, last)| last - first + 1).sum();
        match records {
            0 => write!(to, "Nothing is lost."),
            _ => write!(
                to,
                "{records} records of stream {} are lost: {}. {} notes stand where conversations lack an event.",
                self.stream,
                stretches(&self.lost),
                self.notes
            ),
        }
    }
}

/// What an operator types to cut this damage.
pub fn command(path: &Path, offset: usize) -> String {
    let data = directory_of(directory_of(path));
    format!("ringdesk doctor --data {} --cut-damaged {}@{offset}", data.display(), name(path))
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Cuts the damage that the doctor found at `offset` of the file of that name.
pub fn cut(
    data_path: &Path,
    file: &str,
    offset: usize,
    now_ms: u64,
    watch: &Watch,
) -> Result<Cut, UpkeepError> {
    if !data_path.join("journal").is_dir() {
        return Err(UpkeepError::NoData(data_path.to_owned()));
    }
    let data = DataDirectory::open(data_path)?;
    let journal = data_path.join("journal");
    let report = recovery::examine(&journal, &mut watch.begin("reading the journal"))
        .map_err(UpkeepError::disk(&journal))?;
    let mut projection = Projection::open(&data.database())?;
    let segment = find(&report, file, offset, &projection.progress()?)?;
    for before in report.segments.iter().filter(|one| one.stream == segment.stream) {
        if before.segment < segment.segment {
            apply(before, &mut projection)?;
        }
    }
    let stream = segment.stream;
    let progress = projection.progress()?.get(&stream).copied().unwrap_or(0);
    let damage = segment.damage.as_ref().expect("it was found by it");
    let records = records(segment, true)?;
    let last = records.last().map_or(progress, |&(number, _)| number);
    let up_to = segment.end.map_or(last, |end| end - 1);
    let notes = projection.apply_salvaged(stream, &records, up_to)?;
    projection.close()?;
    let evidence = put_aside(&segment.path, offset, now_ms)?;
    let lost = damage.lost_beyond(progress);
    Ok(Cut { evidence, stream, salvaged: damage.salvaged, lost, notes })
}

/// The segment with that damage; no earlier one of its stream may have any that a start stops at.
fn find<'a>(
    report: &'a Report,
    file: &str,
    offset: usize,
    progress: &BTreeMap<u32, u64>,
) -> Result<&'a SegmentReport, UpkeepError> {
    let place = |segment: &SegmentReport, offset: usize| format!("{}@{offset}", name(&segment.path));
    let named = format!("{file}@{offset}");
    let damages: Vec<_> = report.damages(progress).collect();
    let found = damages.iter().find(|(segment, damage, _)| place(segment, damage.offset) == named);
    let Some((segment, damage, _)) = found else {
        let found = damages.iter().map(|(segment, damage, _)| place(segment, damage.offset)).collect();
        return Err(UpkeepError::NotThere { named, found });
    };
    if matches!(damage.kind, DamageKind::Version(_) | DamageKind::Unknown) {
        return Err(UpkeepError::Newer(segment.path.clone()));
    }
    let earlier = damages.iter().filter(|(one, _, is_needed)| {
        *is_needed && one.stream == segment.stream && one.segment < segment.segment
    });
    let earlier: Vec<_> = earlier.map(|(one, damage, _)| place(one, damage.offset)).collect();
    if !earlier.is_empty() {
        return Err(UpkeepError::NotThere { named: format!("{named} that comes first"), found: earlier });
    }
    report
        .segments
        .iter()
        .find(|one| one.path == segment.path)
        .ok_or(UpkeepError::NotThere { named, found: Vec::new() })
}

/// The records of a segment before the next one begins. `salvages`: also those behind damage.
pub(super) fn records(segment: &SegmentReport, salvages: bool) -> Result<Vec<(u64, Record)>, UpkeepError> {
    let image = fs::read(&segment.path).map_err(UpkeepError::disk(&segment.path))?;
    let mut records: Vec<_> = if salvages {
        let damage = segment.damage.as_ref().map(|damage| damage.kind);
        segment
            .proved_header(&image, damage)
            .map_or_else(Vec::new, |header| salvage(&image, header.epoch, BLOCK_BYTES))
    } else {
        Reader::new(&image, None, None).map_or_else(|_| Vec::new(), Iterator::collect)
    };
    records.retain(|(number, _)| segment.end.is_none_or(|end| *number < end));
    Ok(records)
}

fn apply(segment: &SegmentReport, projection: &mut Projection) -> Result<(), UpkeepError> {
    let progress = projection.progress()?.get(&segment.stream).copied().unwrap_or(0);
    if segment.end.is_some_and(|end| end <= progress + 1) {
        return Ok(());
    }
    for batch in records(segment, false)?.chunks(BATCH_RECORDS) {
        projection.apply(segment.stream, batch)?;
    }
    Ok(())
}

fn put_aside(path: &Path, offset: usize, now_ms: u64) -> Result<PathBuf, UpkeepError> {
    let stem = name(path);
    let stem = stem.strip_suffix(".seg").unwrap_or(&stem);
    let name = format!("{EVIDENCE}{stem}-at-{offset}-{}", files::time_name(now_ms));
    let evidence = path.with_file_name(name);
    files::rename(path, &evidence).map_err(UpkeepError::disk(path))?;
    Ok(evidence)
}
