//! The reactor: sockets, journal files and time for one shard thread.
//!
//! [`fabric`] makes the ports that join the shards of one process; each shard thread opens its port
//! and gets a [`Reactor`]. A reactor is driven by calling [`Reactor::turn`] for ever: one turn sends all
//! that was queued, waits, and reports what happened as [`Event`]s. This is the only crate with `unsafe`
//! code and the only one that reads a clock. What the bytes mean is not known here.
//!
//! # How a turn goes
//!
//! 1. Connections that other shards handed over are taken from the mailbox and reported as adopted.
//! 2. Of the connections that have something queued and nothing under way a bounded share gets one send each, for all of
//!    it (`basic` sends what is larger than a registered buffer in parts): those that [`Reactor::hurry`] named first,
//!    then the others as they came. The rest is sent in the next turns, which wait for nothing.
//! 3. Deadlines of closing connections are looked at; there are no other timers.
//! 4. The reactor publishes that it sleeps, asks `ready` and its mailbox once more, and enters the kernel
//!    once: that call submits everything and waits.
//! 5. What the kernel reports becomes events, in the kernel's order; each receive buffer goes back right
//!    after the event that carried it. A connection that could read more than its share waits for the
//!    next turn.
//!
//! The caller acts between turns: it queues bytes, closes, hands over and writes, and step 2 of the next
//! turns sends it. So a connection costs one send a turn, however many frames it was given.
//!
//! # Who owns what
//!
//! A connection lives in one slot of its reactor's table and is named by slot and generation. Each backend
//! keeps the bytes of a send in the connection's outbox until the kernel is done with them, and frees the
//! slot only when nothing is in flight for it, so that a late completion never meets a successor.
//!
//! - `modern` is io_uring of Linux 6.0 and later, `basic` what io_uring had in Linux 5.1, `epoll` is for
//!   everything else. All pass one conformance suite (`tests/conformance`), `basic` also on rings where the
//!   kernel refuses what 5.1 had not.
//! - `fabric` chooses between them by `probe`, which ends with a self-test on live sockets.

mod basic;
mod clock;
mod cpu;
mod deadlines;
mod doorbell;
mod durable;
mod epoll;
mod event;
mod fabric;
mod files;
mod limits;
mod mailbox;
mod memory;
mod modern;
mod notice;
mod outbox;
mod poller;
mod probe;
mod reactor;
mod selftest;
mod senders;
mod slots;
mod socket;
mod token;
mod types;
mod writeback;

pub use clock::now;
pub use cpu::{allowed_cpus, ask_for_short_slices};
pub use doorbell::Waker;
pub use event::{CloseReason, Event};
pub use fabric::{Fabric, Port, fabric};
pub use limits::{Capacity, DRAINED_ABOVE_BYTES, Limits};
pub use memory::{give_memory_back_at_once, refuse_huge_pages};
pub use reactor::Reactor;
pub use types::{Backend, BackendChoice, ConnectionId, FileId, SendError, Stats, Time};
pub use writeback::start_writeback;
