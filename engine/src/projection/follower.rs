//! One stream's place in its files, and the way from there to its durable end.

use std::{fmt, io, path::PathBuf, sync::Arc};

use store::{
    journal::{BLOCK_BYTES, Cursor, RECORD_BYTES_MAX, SegmentHeader, Step},
    sql::{Batch, Projection, SqlError},
};

use super::Followed;
use crate::{
    journal::{BlockBuffer, Disk, Position, Published, SegmentFile, SegmentName, SegmentSource},
    recovery::RecoveryError,
};

/// Read at once; each stream has memory for it.
const WINDOW_BYTES: usize = 256 * 1024;
const _: () = assert!(RECORD_BYTES_MAX + BLOCK_BYTES <= WINDOW_BYTES, "any record fits, wherever it begins");
const _: () = assert!(WINDOW_BYTES.is_multiple_of(BLOCK_BYTES));

/// Why it cannot go on just now.
#[derive(Debug)]
pub(super) enum FollowError {
    /// The file cannot be read.
    Disk(PathBuf, io::Error),
    /// What is durable cannot be read back.
    Damaged(PathBuf, usize),
    /// What a former run left cannot be read.
    Left(RecoveryError),
    /// SQL refuses.
    Sql(SqlError),
}

impl fmt::Display for FollowError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(path, error) => write!(to, "cannot read {}: {error}: check the disk", path.display()),
            Self::Damaged(path, offset) => write!(
                to,
                "{} is damaged at offset {offset}: check the disk, and examine it with `ringdesk doctor`",
                path.display()
            ),
            Self::Left(error) => error.fmt(to),
            Self::Sql(error) => error.fmt(to),
        }
    }
}

/// What [`Follower::advance`] applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Advanced {
    pub up_to: u64,
    /// There is surely more: a batch may not have more at once, or the stream is in a later segment.
    pub is_full: bool,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Follower {
    stream: u32,
    disk: Arc<dyn Disk>,
    published: Arc<Published>,
    /// The segment that is read, or to be opened.
    segment: u32,
    open: Option<Open>,
    /// The segment before, until the first record of this one shows that nothing was missed.
    behind: Option<SegmentFile>,
    /// The first record that it was to follow.
    first: u64,
    number: u64,
    previous: u32,
    window: BlockBuffer,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file_bytes: u64,
    cursor: Cursor,
}

impl Follower {
    pub(super) fn new(followed: Followed, disk: Arc<dyn Disk>) -> Self {
        Self {
            stream: followed.stream,
            disk,
            published: followed.published,
            segment: followed.start.next_segment,
            open: None,
            behind: None,
            first: followed.start.next_number,
            number: followed.start.next_number,
            previous: followed.start.previous,
            window: BlockBuffer::new(WINDOW_BYTES),
        }
    }

    pub(super) fn stream(&self) -> u32 {
        self.stream
    }

    /// Records that became durable since it follows.
    pub(super) fn durable_records(&self) -> u64 {
        (self.published.number() + 1).saturating_sub(self.first)
    }

    /// Durable records that were not applied.
    pub(super) fn lag_records(&self) -> u64 {
        (self.published.number() + 1).saturating_sub(self.number)
    }

    /// Applies one batch; nothing: all that is durable is in SQL.
    pub(super) fn advance(
        &mut self,
        projection: &mut Projection,
        source: &SegmentSource,
    ) -> Result<Option<Advanced>, FollowError> {
        let durable = self.published.position();
        while self.segment <= durable.segment {
            if self.open.is_none() {
                self.open = Some(self.open_segment()?);
            }
            let (batch, cursor) = self.read(durable)?;
            if !batch.records().is_empty() {
                let up_to = projection.apply(self.stream, batch.records()).map_err(FollowError::Sql)?;
                self.take(cursor);
                if let Some(behind) = self.behind.take() {
                    source.passed(behind);
                }
                let is_full = batch.is_full() || self.segment < durable.segment;
                return Ok(Some(Advanced { up_to, is_full }));
            }
            if self.segment == durable.segment {
                return self.check_end(durable).map(|()| None);
            }
            self.leave()?;
        }
        Ok(None)
    }

    fn open_segment(&self) -> Result<Open, FollowError> {
        let name = SegmentName::Segment { stream: self.stream, segment: self.segment };
        let path = self.disk.path(&name.file_name());
        let mut block = BlockBuffer::new(BLOCK_BYTES);
        let read = self.disk.read(&path, 0, block.bytes());
        let read = read.map_err(|error| FollowError::Disk(path.clone(), error))?;
        match SegmentHeader::decode(&block.bytes()[..read]) {
            Ok(header) if (header.stream, header.segment) == (self.stream, self.segment) => {
                let cursor = Cursor::new(header.epoch, Some(self.number), Some(self.previous));
                Ok(Open { path, file_bytes: header.segment_bytes.into(), cursor })
            }
            Ok(_) | Err(_) => Err(FollowError::Damaged(path, 0)),
        }
    }

    /// The next records of the segment that are durable, as many as a batch may have, and the place behind them.
    fn read(&mut self, durable: Position) -> Result<(Batch, Cursor), FollowError> {
        let open = self.open.as_ref().expect("it was opened before");
        let end = if self.segment == durable.segment { durable.offset.into() } else { open.file_bytes };
        let mut cursor = open.cursor;
        let mut batch = Batch::default();
        loop {
            let before = cursor.offset;
            let begin = cursor.offset / BLOCK_BYTES * BLOCK_BYTES;
            let wanted =
                usize::try_from(end.saturating_sub(begin as u64)).unwrap_or(usize::MAX).min(WINDOW_BYTES);
            let window = &mut self.window.bytes()[..wanted];
            let read = self
                .disk
                .read(&open.path, begin as u64, window)
                .map_err(|error| FollowError::Disk(open.path.clone(), error))?;
            while !batch.is_full()
                && let Step::Record { number, record } = cursor.step(&window[..read], begin)
            {
                batch.push(number, record);
            }
            if batch.is_full() || wanted < WINDOW_BYTES || cursor.offset == before {
                return Ok((batch, cursor));
            }
        }
    }

    fn take(&mut self, cursor: Cursor) {
        self.number = cursor.number.expect("known after a record");
        self.previous = cursor.previous.expect("known after a record");
        if let Some(open) = &mut self.open {
            open.cursor = cursor;
        }
    }

    /// There is no further record: then everything durable was read.
    fn check_end(&self, durable: Position) -> Result<(), FollowError> {
        let open = self.open.as_ref().expect("it was opened before");
        if open.cursor.offset.next_multiple_of(BLOCK_BYTES) >= durable.offset as usize {
            Ok(())
        } else {
            Err(FollowError::Damaged(open.path.clone(), open.cursor.offset))
        }
    }

    /// There is no further record, and the stream is in a later segment.
    fn leave(&mut self) -> Result<(), FollowError> {
        let open = self.open.take().expect("it was opened before");
        if self.behind.is_some() {
            // A segment that was written has records; this one shows none.
            let error = FollowError::Damaged(open.path.clone(), open.cursor.offset);
            self.open = Some(open);
            return Err(error);
        }
        self.behind = Some(SegmentFile { path: open.path, file_bytes: open.file_bytes });
        self.segment += 1;
        Ok(())
    }
}
