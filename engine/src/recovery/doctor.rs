//! What is in a journal, for the operator's tools: every segment, its records, and what is wrong with it.
//! Reads only, also beside a running server.
//!
//! It judges as recovery does, but goes on where recovery stops, and says what could be salvaged. What it
//! means for people, `upkeep` says.

use std::{
    collections::{BTreeMap, HashMap},
    fmt, fs,
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
};

use store::journal::{
    BLOCK_BYTES, Cursor, HeaderError, Reader, SegmentHeader, Step, Stop, salvage, salvage_header,
};

use super::scan::{HEAD_BYTES, first_number};
use crate::{
    journal::{BlockBuffer, SegmentName, is_unfinished, open_direct, read_full},
    upkeep::image::read_image,
};

/// So often it looks at a journal in which each look shows other damage.
const LOOKS_MAX: usize = 4;

/// What a damaged segment's name begins with after it was put aside.
pub(crate) const EVIDENCE: &str = "damaged-";

/// The state of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReport {
    /// Which file.
    pub path: PathBuf,
    /// Whose it is, by its name.
    pub stream: u32,
    /// The how many-eth of its stream, by its name.
    pub segment: u32,
    /// Its length.
    pub file_bytes: u64,
    /// What its first block says, or why it says nothing.
    pub header: Result<SegmentHeader, HeaderError>,
    /// How many records, up to the first that is not intact.
    pub records: u64,
    /// Numbers of the first and the last record.
    pub numbers: Option<(u64, u64)>,
    /// Why there are no more; nothing where the header is not intact.
    pub stop: Option<Stop>,
    /// The number that a later segment begins with.
    pub end: Option<u64>,
    /// What is wrong with it.
    pub damage: Option<Damage>,
}

/// What is wrong with a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where in the file.
    pub offset: usize,
    /// In which way.
    pub kind: DamageKind,
    /// Numbers of records that cannot be read, first and last of each stretch. SQL may have them.
    pub lost: Vec<(u64, u64)>,
    /// How many records behind the place can be salvaged.
    pub salvaged: u64,
}

/// In which way a segment is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// Its first block is not intact.
    Header,
    /// Its first block is that of another file, or of a longer or shorter one.
    Name,
    /// Bytes in the middle, and an intact group at this place after them.
    Inside(usize),
    /// The next segment begins with a later record than comes next.
    Gap,
    /// Its first record does not follow the last one of the segment before.
    Chain,
    /// A record that this version does not know.
    Unknown,
    /// A newer version of the format.
    Version(u32),
}

/// The state of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Every stream's segments, in order.
    pub segments: Vec<SegmentReport>,
    /// How many files wait to be used again.
    pub free_files: usize,
    /// Half-made files.
    pub unfinished: Vec<PathBuf>,
    /// Damaged segments that were put aside.
    pub evidence: Vec<PathBuf>,
}

/// Examines the journal of a data directory.
pub fn doctor(data_directory: &Path) -> io::Result<Report> {
    examine(&data_directory.join("journal"), &mut |_, _| {})
}

/// Examines a journal's directory, and says how many segments of how many it has read.
///
/// A server may end a segment and begin the next one between two reads, which looks like records that are
/// missing. So damage counts when a second look shows the same.
pub(crate) fn examine(journal: &Path, progress: &mut dyn FnMut(u64, u64)) -> io::Result<Report> {
    let mut report = look(journal, progress)?;
    for _ in 1..LOOKS_MAX {
        if !report.is_damaged() {
            break;
        }
        let again = look(journal, progress)?;
        let is_same = again.places() == report.places();
        report = again;
        if is_same {
            break;
        }
    }
    Ok(report)
}

fn look(journal: &Path, progress: &mut dyn FnMut(u64, u64)) -> io::Result<Report> {
    let mut report = Report::default();
    let mut names = Vec::new();
    for entry in fs::read_dir(journal)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().unwrap_or("");
        match SegmentName::parse(name) {
            Some(SegmentName::Free(_)) => report.free_files += 1,
            Some(SegmentName::Segment { stream, segment }) => names.push((stream, segment)),
            None if is_unfinished(name) => report.unfinished.push(entry.path()),
            None if name.starts_with(EVIDENCE) => report.evidence.push(entry.path()),
            None => {}
        }
    }
    names.sort_unstable();
    let first_numbers = first_numbers(journal, &names)?;
    let mut chain = Chain::default();
    for (index, &(stream, segment)) in names.iter().enumerate() {
        chain.begin(stream);
        let later = names[index + 1..].iter().take_while(|(of, _)| *of == stream);
        let end = later.filter_map(|name| first_numbers.get(name)).next().copied();
        let path = journal.join(SegmentName::Segment { stream, segment }.file_name());
        let Some(image) = read_image(&path)? else {
            // It was recycled meanwhile, and those before it were before.
            report.segments.retain(|before| before.stream != stream);
            chain = Chain::default();
            continue;
        };
        let one = examine_one(path, (stream, segment), image, end, &mut chain, &mut report.segments);
        report.segments.push(one);
        progress(index as u64 + 1, names.len() as u64);
    }
    Ok(report)
}

fn first_numbers(journal: &Path, names: &[(u32, u32)]) -> io::Result<HashMap<(u32, u32), u64>> {
    let mut head = BlockBuffer::new(HEAD_BYTES);
    let mut found = HashMap::new();
    for &(stream, segment) in names {
        let path = journal.join(SegmentName::Segment { stream, segment }.file_name());
        let file = match open_direct(OpenOptions::new().read(true), &path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let read = read_full(&file, head.bytes(), 0)?;
        let head = &head.bytes()[..read];
        let Ok(header) = SegmentHeader::decode(head) else { continue };
        found.extend(first_number(&header, head).map(|number| ((stream, segment), number)));
    }
    Ok(found)
}

/// What is expected of the next segment of a stream.
#[derive(Default)]
struct Chain {
    stream: Option<u32>,
    /// The number, and the checksum before it.
    next: Option<(u64, u32)>,
    /// Where the last record ended, and what follows it there.
    behind: Option<Behind>,
}

/// The end of a segment whose successor is not known yet.
struct Behind {
    offset: usize,
    epoch: u64,
    image: Vec<u8>,
}

impl Chain {
    fn begin(&mut self, stream: u32) {
        if self.stream != Some(stream) {
            *self = Self { stream: Some(stream), ..Self::default() };
        }
    }
}

/// `before` are the segments examined before; the last one may turn out to lack records at its end.
fn examine_one(
    path: PathBuf,
    (stream, segment): (u32, u32),
    image: Vec<u8>,
    end: Option<u64>,
    chain: &mut Chain,
    before: &mut [SegmentReport],
) -> SegmentReport {
    let mut report = SegmentReport {
        path,
        stream,
        segment,
        file_bytes: image.len() as u64,
        header: SegmentHeader::decode(&image),
        records: 0,
        numbers: None,
        stop: None,
        end,
        damage: None,
    };
    let expected_next = chain.next;
    let expected = expected_next.map(|(number, _)| number);
    let kind = match report.header {
        Err(HeaderError::Version(version)) => Some(DamageKind::Version(version)),
        Err(HeaderError::Short | HeaderError::Blank | HeaderError::Damaged) => Some(DamageKind::Header),
        Ok(header) => {
            let is_named = (header.stream, header.segment) == (stream, segment);
            let is_whole = header.segment_bytes as usize == image.len();
            (!is_named || !is_whole).then_some(DamageKind::Name)
        }
    };
    if let Some(kind) = kind {
        report.damage = Some(damage(&image, &report, 0, kind, expected));
        *chain = Chain { stream: Some(stream), ..Chain::default() };
        return report;
    }
    let mut reader = Reader::new(&image, None, None).expect("its header was read");
    let mut next = None;
    while let Some((number, _)) = reader.next() {
        report.records += 1;
        report.numbers = Some(report.numbers.map_or((number, number), |(first, _)| (first, number)));
        if next.is_none() && end.is_some_and(|end| number + 1 >= end) {
            next = Some(reader.cursor());
        }
    }
    report.stop = reader.stop();
    let cursor = next.unwrap_or(reader.cursor());
    link(&mut report, &image, chain, before);
    // What a later segment has, or lies behind its beginning, is not read here.
    if next.is_none()
        && report.damage.is_none()
        && let Some((offset, kind)) = stopped(report.stop)
    {
        let expected = report.numbers.map(|(_, last)| last + 1).or(expected);
        report.damage = Some(damage(&image, &report, offset, kind, expected));
    }
    *chain = Chain { stream: Some(stream), ..Chain::default() };
    if report.damage.is_none() {
        chain.next = cursor.number.zip(cursor.previous).or(expected_next);
        chain.behind = Some(Behind { offset: cursor.offset, epoch: cursor.epoch, image });
    }
    report
}

fn stopped(stop: Option<Stop>) -> Option<(usize, DamageKind)> {
    match stop {
        None | Some(Stop::End | Stop::Torn { .. }) => None,
        Some(Stop::Damaged { offset, valid_at }) => Some((offset, DamageKind::Inside(valid_at))),
        Some(Stop::Unknown { offset }) => Some((offset, DamageKind::Unknown)),
    }
}

/// Compares the first record with what the segment before ended with.
fn link(report: &mut SegmentReport, image: &[u8], chain: &Chain, before: &mut [SegmentReport]) {
    let (Some((first, _)), Some((number, previous)), Ok(header)) =
        (report.numbers, chain.next, report.header)
    else {
        return;
    };
    if first > number {
        if let (Some(behind), Some(last)) = (&chain.behind, before.last_mut()) {
            last.end = Some(first);
            let found = damage_behind(behind, number, first);
            last.damage = Some(found);
        }
    } else {
        let mut cursor = Cursor::new(header.epoch, Some(number), Some(previous));
        if !matches!(cursor.step(image, 0), Step::Record { .. } | Step::Unknown) {
            let found = damage(image, report, BLOCK_BYTES, DamageKind::Chain, Some(number));
            report.damage = Some(found);
        }
    }
}

fn damage_behind(behind: &Behind, number: u64, first: u64) -> Damage {
    let saved = salvage(&behind.image, behind.epoch, behind.offset);
    let saved: Vec<u64> = saved.into_iter().map(|(number, _)| number).collect();
    let (lost, salvaged) = missing(&saved, number, Some(first));
    Damage { offset: behind.offset, kind: DamageKind::Gap, lost, salvaged }
}

fn damage(
    image: &[u8],
    report: &SegmentReport,
    offset: usize,
    kind: DamageKind,
    expected: Option<u64>,
) -> Damage {
    let saved = report
        .proved_header(image, Some(kind))
        .map_or_else(Vec::new, |header| salvage(image, header.epoch, offset.max(BLOCK_BYTES)));
    let saved: Vec<u64> = saved.into_iter().map(|(number, _)| number).collect();
    // Where nothing before it is there any more, SQL has what came before.
    let (lost, salvaged) = missing(&saved, expected.unwrap_or(1), report.end);
    Damage { offset, kind, lost, salvaged }
}

/// Stretches of numbers from `from` up to `end` that are not in `saved`, and how many are. Without an end,
/// up to the last one saved.
fn missing(saved: &[u64], from: u64, end: Option<u64>) -> (Vec<(u64, u64)>, u64) {
    let end = end.unwrap_or_else(|| saved.last().map_or(from, |last| last + 1));
    let (mut lost, mut salvaged, mut next) = (Vec::new(), 0, from);
    for &number in saved.iter().filter(|&&number| number >= from && number < end) {
        if number > next {
            lost.push((next, number - 1));
        }
        next = number + 1;
        salvaged += 1;
    }
    if next < end {
        lost.push((next, end - 1));
    }
    (lost, salvaged)
}

impl SegmentReport {
    /// Its header, where that is not what is damaged; else what the rest of its image proves it to have been.
    pub(crate) fn proved_header(&self, image: &[u8], damage: Option<DamageKind>) -> Option<SegmentHeader> {
        let header = self.header.ok().filter(|_| damage != Some(DamageKind::Name));
        header.or_else(|| salvage_header(image, self.stream, self.segment))
    }
}

impl Damage {
    /// How many of the records that cannot be read SQL does not have either.
    pub fn lost_records(&self, progress: u64) -> u64 {
        self.lost_beyond(progress).iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Those that SQL, which is at `progress`, does not have either.
    pub fn lost_beyond(&self, progress: u64) -> Vec<(u64, u64)> {
        let beyond = self.lost.iter().filter(|(_, last)| *last > progress);
        beyond.map(|&(first, last)| (first.max(progress + 1), last)).collect()
    }
}

impl Report {
    /// Damage, each with whether recovery stops at it where SQL is at `progress`.
    pub fn damages<'a>(
        &'a self,
        progress: &'a BTreeMap<u32, u64>,
    ) -> impl Iterator<Item = (&'a SegmentReport, &'a Damage, bool)> {
        self.segments.iter().filter_map(|segment| {
            let damage = segment.damage.as_ref()?;
            let progress = progress.get(&segment.stream).copied().unwrap_or(0);
            let is_in_sql = |number: Option<u64>| number.is_some_and(|number| number <= progress + 1);
            let is_passed = match damage.kind {
                DamageKind::Header | DamageKind::Name | DamageKind::Version(_) => false,
                DamageKind::Chain => is_in_sql(segment.numbers.map(|(first, _)| first)),
                DamageKind::Inside(_) | DamageKind::Gap | DamageKind::Unknown => is_in_sql(segment.end),
            };
            Some((segment, damage, !is_passed))
        })
    }

    /// Where the damage is.
    fn places(&self) -> Vec<(&Path, usize, DamageKind)> {
        let damaged = self.segments.iter().filter_map(|segment| Some((segment, segment.damage.as_ref()?)));
        damaged.map(|(segment, damage)| (segment.path.as_path(), damage.offset, damage.kind)).collect()
    }

    /// Streams whose first record that SQL needs is not there: what SQL needs, and what comes instead.
    pub fn missing<'a>(
        &'a self,
        progress: &'a BTreeMap<u32, u64>,
    ) -> impl Iterator<Item = (u32, u64, u64)> + 'a {
        self.streams().into_iter().filter_map(|stream| {
            let needed = progress.get(&stream).copied().unwrap_or(0) + 1;
            let of = self.segments.iter().filter(|segment| segment.stream == stream);
            let mut read = of.filter(|segment| segment.end.is_none_or(|end| end > needed));
            let first = read.next()?.numbers?.0;
            (first > needed).then_some((stream, needed, first))
        })
    }

    /// The streams there are.
    pub fn streams(&self) -> Vec<u32> {
        let mut streams: Vec<u32> = self.segments.iter().map(|segment| segment.stream).collect();
        streams.dedup();
        streams
    }

    /// The last record of a stream that can be read.
    pub fn last_number(&self, stream: u32) -> u64 {
        let of = self.segments.iter().filter(|segment| segment.stream == stream);
        of.filter_map(|segment| segment.numbers).map(|(_, last)| last).max().unwrap_or(0)
    }

    /// Whether anything cannot be read, whatever SQL has.
    pub fn is_damaged(&self) -> bool {
        self.damages(&BTreeMap::new()).next().is_some()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            writeln!(to, "{segment}")?;
        }
        writeln!(to, "{} free files", self.free_files)
    }
}

impl fmt::Display for SegmentReport {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: ", self.path.display())?;
        match self.header {
            Ok(SegmentHeader { epoch, .. }) => {
                write!(to, "{} bytes, epoch {epoch:#x}, ", self.file_bytes)?;
            }
            Err(error) => write!(to, "{} bytes, no header ({error:?}), ", self.file_bytes)?,
        }
        match self.numbers {
            Some((first, last)) => write!(to, "{} records, {first} to {last}", self.records)?,
            None => write!(to, "no records")?,
        }
        if let Some(Stop::Torn { offset }) = self.stop {
            write!(to, "; torn at {offset}")?;
        }
        match &self.damage {
            Some(damage) => write!(to, "; DAMAGED at {}", damage.offset),
            None => Ok(()),
        }
    }
}
