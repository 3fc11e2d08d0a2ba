//! What is in a data directory, for a person: every segment, its records, and what is wrong with it. Reads
//! only, also beside a running server; then the last segments may change while they are read.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use store::journal::{HeaderError, Reader, SegmentHeader, Stop};

use crate::journal::SegmentName;

/// The state of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReport {
    /// Which file.
    pub path: PathBuf,
    /// Whose it is, or why that cannot be said.
    pub header: Result<SegmentHeader, HeaderError>,
    /// How many records.
    pub records: u64,
    /// Numbers of the first and the last record.
    pub numbers: Option<(u64, u64)>,
    /// Why there are no more; nothing where the header is not intact.
    pub stop: Option<Stop>,
}

/// The state of a data directory's journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Every stream's segments, in order.
    pub segments: Vec<SegmentReport>,
    /// How many files wait to be used again.
    pub free_files: usize,
}

/// Examines the journal of a data directory.
pub fn doctor(data_directory: &Path) -> io::Result<Report> {
    let mut names = Vec::new();
    let directory = data_directory.join("journal");
    for entry in fs::read_dir(&directory)? {
        let name = entry?.file_name();
        names.extend(name.to_str().and_then(SegmentName::parse));
    }
    names.sort();
    let mut report = Report::default();
    for name in names {
        match name {
            SegmentName::Free(_) => report.free_files += 1,
            SegmentName::Segment { .. } => report.segments.push(examine(directory.join(name.file_name()))?),
        }
    }
    Ok(report)
}

fn examine(path: PathBuf) -> io::Result<SegmentReport> {
    let image = fs::read(&path)?;
    let mut reader = match Reader::new(&image, None, None) {
        Ok(reader) => reader,
        Err(error) => {
            return Ok(SegmentReport { path, header: Err(error), records: 0, numbers: None, stop: None });
        }
    };
    let mut records = 0;
    let mut numbers = None;
    for (number, _) in reader.by_ref() {
        records += 1;
        numbers = Some(numbers.map_or((number, number), |(first, _)| (first, number)));
    }
    Ok(SegmentReport { path, header: Ok(reader.header()), records, numbers, stop: reader.stop() })
}

impl Report {
    /// Whether anything acknowledged cannot be read.
    pub fn is_damaged(&self) -> bool {
        self.segments.iter().any(SegmentReport::is_damaged) || self.gaps().next().is_some()
    }

    /// Segments whose first record does not follow the last one of the segment before.
    fn gaps(&self) -> impl Iterator<Item = (&SegmentReport, u64, u64)> {
        let with_records = || self.segments.iter().filter(|segment| segment.numbers.is_some());
        with_records().zip(with_records().skip(1)).filter_map(|(before, after)| {
            let (Some((_, last)), Some((first, _))) = (before.numbers, after.numbers) else { return None };
            (before.stream() == after.stream() && first > last + 1).then_some((after, last, first))
        })
    }
}

impl SegmentReport {
    fn stream(&self) -> Option<u32> {
        self.header.ok().map(|header| header.stream)
    }

    fn is_damaged(&self) -> bool {
        match self.stop {
            None | Some(Stop::Damaged { .. } | Stop::Unknown { .. }) => true,
            Some(Stop::End | Stop::Torn { .. }) => false,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            writeln!(to, "{segment}")?;
        }
        for (segment, last, first) in self.gaps() {
            let path = segment.path.display();
            writeln!(
                to,
                "{path}: begins with record {first}, but the segment before ends with {last}: DAMAGED"
            )?;
        }
        writeln!(to, "{} free files", self.free_files)
    }
}

impl fmt::Display for SegmentReport {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: ", self.path.display())?;
        match self.header {
            Ok(header) => {
                let SegmentHeader { stream, segment, epoch, segment_bytes } = header;
                write!(to, "stream {stream}, segment {segment}, epoch {epoch:#x}, {segment_bytes} bytes, ")?;
            }
            Err(HeaderError::Version(version)) => {
                return write!(to, "format {version}, of a newer version: DAMAGED");
            }
            Err(error) => return write!(to, "no header ({error:?}): DAMAGED"),
        }
        match self.numbers {
            Some((first, last)) => write!(to, "{} records, {first} to {last}", self.records)?,
            None => write!(to, "no records")?,
        }
        match self.stop {
            None | Some(Stop::End) => Ok(()),
            Some(Stop::Torn { offset }) => {
                write!(to, "; torn at {offset}: a write was cut short that was never acknowledged")
            }
            Some(Stop::Damaged { offset, valid_at }) => {
                write!(to, "; DAMAGED at {offset}: intact again at {valid_at}")
            }
            Some(Stop::Unknown { offset }) => {
                write!(to, "; at {offset} a record this version does not know: DAMAGED")
            }
        }
    }
}
