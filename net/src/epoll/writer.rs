//! The thread that does durable writes for one reactor, because a write to a file blocks its caller. It
//! writes in the order asked and wakes the reactor when one has ended.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use crate::{
    doorbell::Doorbell,
    durable::{BlockBuffer, DurableFile},
    limits::WRITES_QUEUED_MAX,
};

/// One write to do.
#[derive(Debug)]
pub(super) struct Job {
    pub file: Arc<DurableFile>,
    pub offset: u64,
    pub buffer: BlockBuffer,
    pub token: u64,
}

/// One write that has ended.
#[derive(Debug)]
pub(super) struct Done {
    pub token: u64,
    pub result: io::Result<()>,
    pub buffer: BlockBuffer,
}

/// The reactor's side of the thread.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` only while dropping: its end tells the thread to stop.
    jobs: Option<SyncSender<Job>>,
    /// Jobs that the thread has no room for yet.
    waiting: VecDeque<Job>,
    /// Jobs of which the end was not taken yet.
    under_way: u64,
    done: Arc<Mutex<VecDeque<Done>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(doorbell: Arc<Doorbell>) -> io::Result<Self> {
        let (jobs, inbox) = sync_channel(WRITES_QUEUED_MAX);
        let done = Arc::new(Mutex::new(VecDeque::new()));
        let outbox = Arc::clone(&done);
        let thread = std::thread::Builder::new().name("journal".to_owned());
        let thread = thread.spawn(move || work(&inbox, &outbox, &doorbell))?;
        Ok(Self { jobs: Some(jobs), waiting: VecDeque::new(), under_way: 0, done, thread: Some(thread) })
    }

    pub(super) fn write(&mut self, job: Job) {
        self.under_way += 1;
        self.waiting.push_back(job);
        self.feed();
    }

    /// The next write that has ended.
    pub(super) fn take(&mut self) -> Option<Done> {
        let done = self.done.lock().expect("nothing panics while it holds this lock").pop_front()?;
        self.under_way -= 1;
        self.feed();
        Some(done)
    }

    /// Writes that were given and whose end was not taken.
    pub(super) fn under_way(&self) -> u64 {
        self.under_way
    }

    /// Whether [`Writer::take`] has something.
    pub(super) fn has_done(&self) -> bool {
        !self.done.lock().expect("nothing panics while it holds this lock").is_empty()
    }

    fn feed(&mut self) {
        let Some(jobs) = &self.jobs else { return };
        while let Some(job) = self.waiting.pop_front() {
            match jobs.try_send(job) {
                Ok(()) => {}
                Err(TrySendError::Full(job)) => return self.waiting.push_front(job),
                Err(TrySendError::Disconnected(_)) => unreachable!("the thread lives as long as this"),
            }
        }
    }
}

impl Drop for Writer {
    /// Lets the thread finish what it was given: bytes handed to a journal are not abandoned half-way.
    fn drop(&mut self) {
        if let Some(jobs) = self.jobs.take() {
            for job in self.waiting.drain(..) {
                if jobs.send(job).is_err() {
                    break;
                }
            }
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal thread panicked");
        }
    }
}

fn work(inbox: &Receiver<Job>, outbox: &Mutex<VecDeque<Done>>, doorbell: &Doorbell) {
    while let Ok(Job { file, offset, buffer, token }) = inbox.recv() {
        let result = file.write(offset, buffer.bytes());
        let done = Done { token, result, buffer };
        outbox.lock().expect("nothing panics while it holds this lock").push_back(done);
        doorbell.ring();
    }
}
