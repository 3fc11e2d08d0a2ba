//! A small journal cut and flipped at every byte that was ever written, then recovered: what was acknowledged is
//! there, or the start is refused with the file's name; nothing in between, and never a panic.

use std::{fs, ops::Range, path::PathBuf};

use store::journal::{BLOCK_BYTES, Reader};

use super::*;

/// Records of each group.
const GROUPS: [u64; 5] = [2, 1, 3, 1, 2];
/// As small as a segment may be, so that thousands of them are read quickly.
const SEGMENT_BYTES_MAX: usize = 384 * 1024;

/// A journal of one segment.
struct Small {
    directory: tempfile::TempDir,
    segment: PathBuf,
    intact: Vec<u8>,
    /// Where each record lies, with its padding.
    records: Vec<Range<usize>>,
    /// Where each group's last byte is, padding included.
    group_ends: Vec<usize>,
}

fn small() -> Small {
    // In memory where there is such a folder: each of some thousand changes is read back around the page cache.
    let directory = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| directory());
    let limits = MakerLimits { segment_bytes_max: SEGMENT_BYTES_MAX, ..MakerLimits::default() };
    let mut life = live(directory.path(), limits);
    let mut group_ends = Vec::new();
    for count in GROUPS {
        life.append(count, 30);
        life.settle();
        group_ends.push(life.journal.published().position().offset as usize);
    }
    drop(life);
    let segment = segments(directory.path()).remove(0);
    let intact = fs::read(&segment).expect("reads");
    let mut reader = Reader::new(&intact, None, None).expect("a header");
    let mut records = Vec::new();
    while reader.next().is_some() {
        let end = reader.cursor().offset;
        let begin = records.last().map_or(BLOCK_BYTES, |range: &Range<usize>| range.end);
        // A group begins at a block.
        let begin =
            if intact[begin..].starts_with(b"RDr1") { begin } else { begin.next_multiple_of(BLOCK_BYTES) };
        records.push(begin..end);
    }
    assert_eq!(records.len() as u64, GROUPS.iter().sum::<u64>());
    // The server that wrote it is gone, and so is what it made ahead.
    for other in segments(directory.path()).into_iter().skip(1) {
        fs::remove_file(other).expect("is there");
    }
    Small { directory, segment, intact, records, group_ends }
}

impl Small {
    /// What recovery makes of other bytes: how many records, or the offset of the damage.
    fn recover(&self, bytes: &[u8], name: &str) -> Result<u64, usize> {
        fs::write(&self.segment, bytes).expect("writes");
        let mut projection =
            Projection::open_shared_memory(&format!("damage-{name}")).expect("memory suffices");
        let journal = DataDirectory::open(self.directory.path()).expect("no other server").journal();
        match recover(&journal, &mut projection) {
            Ok(recovered) => Ok(recovered.start(0).next_number - 1),
            Err(RecoveryError::Damaged { path, offset }) => {
                assert_eq!(path, self.segment, "{name}");
                Err(offset)
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }

    /// Records before the first one that is not what it was.
    fn intact_records(&self, bytes: &[u8]) -> u64 {
        let same =
            |record: &&Range<usize>| bytes.get((*record).clone()) == Some(&self.intact[(*record).clone()]);
        self.records.iter().take_while(same).count() as u64
    }

    fn written(&self) -> Range<usize> {
        BLOCK_BYTES..self.records.last().expect("there are some").end
    }

    /// The group that a byte belongs to.
    fn group_of(&self, at: usize) -> usize {
        self.group_ends.iter().position(|end| at < *end).expect("a byte of some group")
    }
}

#[test]
fn a_journal_cut_at_any_byte_keeps_every_record_before_the_cut() {
    let small = small();
    for cut in small.written() {
        let mut bytes = small.intact[..cut].to_vec();
        bytes.resize(small.intact.len(), 0);
        let expected = small.intact_records(&bytes);
        assert_eq!(small.recover(&bytes, &format!("cut-{cut}")), Ok(expected), "cut at {cut}");
    }
    for length in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, small.written().end, small.intact.len() - 1] {
        let refused = small.recover(&small.intact[..length], &format!("short-{length}"));
        assert_eq!(refused, Err(0), "a file of {length} bytes is not what was made");
    }
}

#[test]
fn a_journal_flipped_at_any_byte_loses_nothing_that_a_later_group_proves() {
    let small = small();
    let header = (0..48).chain((48..BLOCK_BYTES).step_by(97));
    for at in header {
        let mut bytes = small.intact.clone();
        bytes[at] ^= 0x10;
        // Another version is not damage, and is told apart; the checksum makes all else of it damage.
        assert_eq!(small.recover(&bytes, &format!("header-{at}")), Err(0), "header flipped at {at}");
    }
    for at in small.written() {
        let mut bytes = small.intact.clone();
        bytes[at] ^= 0x10;
        let found = small.recover(&bytes, &format!("flip-{at}"));
        let expected = small.intact_records(&bytes);
        let is_last = small.group_of(at) + 1 == GROUPS.len();
        match found {
            Ok(found) => assert!(is_last && found == expected, "flipped at {at}: {found} records"),
            Err(offset) => {
                assert!(!is_last, "flipped at {at}: a torn tail is no damage");
                let group = small.group_of(at);
                let begin = if group == 0 { BLOCK_BYTES } else { small.group_ends[group - 1] };
                // At the end of the last intact record: at most the padding before the group that is damaged.
                let earliest =
                    small.records.iter().map(|record| record.end).filter(|end| *end <= begin).max();
                assert!(
                    offset >= earliest.unwrap_or(BLOCK_BYTES) && offset <= at,
                    "flipped at {at}: damage at {offset}"
                );
            }
        }
    }
}
