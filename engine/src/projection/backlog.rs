//! What a former run left that SQL lacks, applied while the shards already go on with it.

use std::{collections::VecDeque, sync::Arc};

use store::sql::{Batch, Projection};

use super::follower::{Advanced, FollowError};
use crate::{
    journal::{Disk, SegmentFile, SegmentSource},
    recovery::StreamReader,
};

/// The streams of the former run that SQL is not through with.
#[derive(Debug)]
pub(super) struct Backlog {
    disk: Arc<dyn Disk>,
    streams: VecDeque<StreamReader>,
    /// What was read of the first of them, and not applied.
    batches: VecDeque<Batch>,
    /// Files of which SQL has all when it has these batches.
    behind: Vec<SegmentFile>,
    /// Records that SQL lacks.
    pub records: u64,
}

impl Backlog {
    /// `records` are in these streams.
    pub(super) fn new(disk: Arc<dyn Disk>, streams: Vec<StreamReader>, records: u64) -> Self {
        Self { disk, streams: streams.into(), batches: VecDeque::new(), behind: Vec::new(), records }
    }

    /// The stream that it is at; nothing: SQL has all of them.
    pub(super) fn stream(&self) -> Option<u32> {
        self.streams.front().map(StreamReader::stream)
    }

    /// Applies one batch; nothing: there was none in a segment, or the stream was over.
    pub(super) fn advance(
        &mut self,
        projection: &mut Projection,
        source: &SegmentSource,
    ) -> Result<Option<Advanced>, FollowError> {
        let Some(reader) = self.streams.front_mut() else { return Ok(None) };
        if self.batches.is_empty() {
            let mut batches = VecDeque::new();
            let read = reader.read_next(&*self.disk, &mut |batch| batches.push_back(batch));
            self.behind = read.map_err(FollowError::Left)?;
            self.batches = batches;
            if self.behind.is_empty() {
                self.streams.pop_front();
                return Ok(None);
            }
        }
        let mut advanced = None;
        if let Some(batch) = self.batches.front() {
            let up_to = projection.apply(reader.stream(), batch.records()).map_err(FollowError::Sql)?;
            self.records -= batch.records().len() as u64;
            self.batches.pop_front();
            advanced = Some(Advanced { up_to, is_full: true });
        }
        if self.batches.is_empty() {
            std::mem::take(&mut self.behind).into_iter().for_each(|file| source.passed(file));
        }
        Ok(advanced)
    }
}
