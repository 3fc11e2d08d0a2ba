//! What a shard is told and what it wants done: by its driver, by other shards and by their connections.

use std::net::IpAddr;
use std::{ops::Range, sync::Arc};

use codec::{message::Outlook, websocket::Deflate};
use store::record::Record;

use super::{AckTook, Arrival, Inbound};
use crate::{
    desk::{Address, AgentName, AgentStatus, DeskInput, DeskOutput, teams::TeamName},
    identity::AgentRole,
    jobs::{Done, Job},
    shedding::Step,
};

/// What a shard is told. Connections are named by numbers that are never used twice.
pub enum Input<'a> {
    /// A peer connected.
    Opened {
        /// Its name from now on.
        connection: u64,
        /// Its address, where it is known.
        peer: Option<IpAddr>,
    },
    /// Bytes from a peer; the buffer may be changed in place.
    Received {
        /// Whose.
        connection: u64,
        /// What.
        bytes: &'a mut [u8],
    },
    /// What was queued for the peer has left.
    Drained {
        /// Whose.
        connection: u64,
    },
    /// The connection is gone.
    Closed {
        /// Which.
        connection: u64,
    },
    /// A connection that another shard gave to this one.
    Adopted {
        /// Its name from now on.
        connection: u64,
        /// Matches [`LaneItem::Arrival`].
        token: u64,
    },
    /// A connection given to another shard has left.
    HandedOver {
        /// Which.
        connection: u64,
    },
    /// Something from a lane of this shard.
    Lane(LaneItem),
    /// A message of one of our own connections found the lane full for too long.
    LaneFull(Box<Inbound>),
    /// Every record up to this number survives power loss.
    Durable {
        /// The number [`Output::Record`] had.
        up_to: u64,
    },
    /// The pool says something.
    Done(Done),
    /// The pool's queue was full: this job was not taken.
    JobRefused(Job),
}

/// What a shard wants done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes of [`Outputs::bytes`].
    Send {
        /// To whom.
        connection: u64,
        /// Which bytes.
        bytes: Range<usize>,
        /// How soon.
        urgency: Urgency,
    },
    /// Send a frame that others get, too.
    SendShared {
        /// To whom.
        connection: u64,
        /// The whole frame.
        frame: Arc<[u8]>,
        /// How soon.
        urgency: Urgency,
    },
    /// Send what TLS has to say of itself.
    Flush {
        /// To whom.
        connection: u64,
    },
    /// Close once everything queued has left.
    Close {
        /// Whom.
        connection: u64,
    },
    /// Close at once and without a word.
    Abort {
        /// Whom.
        connection: u64,
    },
    /// Give the connection to another shard.
    HandOver {
        /// Which.
        connection: u64,
        /// To which shard.
        to: usize,
        /// What that shard will know it by.
        token: u64,
    },
    /// Put something into a lane.
    Lane {
        /// Whose lane.
        to: usize,
        /// Which lane.
        vip: bool,
        /// What.
        item: LaneItem,
    },
    /// Append to the journal; records are numbered one after the other.
    Record {
        /// Its number.
        number: u64,
        /// What.
        record: Record,
    },
    /// Ask the pool.
    Job(Job),
}

/// How soon something is sent, where more is to be sent than one turn can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Before what is for others.
    Urgent,
    /// In the order of asking.
    Normal,
    /// With what comes next for the connection, or when nobody else has anything to send.
    Later,
}

impl Urgency {
    /// Of what is said in a conversation.
    pub(super) const fn of(vip: bool) -> Self {
        if vip { Self::Urgent } else { Self::Normal }
    }
}

/// What one turn wants done. Kept by the driver and cleared after each turn.
#[derive(Debug, Default)]
pub struct Outputs {
    /// In order.
    pub list: Vec<Output>,
    /// What [`Output::Send`] points into.
    pub bytes: Vec<u8>,
    /// How long each ack of this turn took from receipt to durable, and whose it was.
    pub acks: Vec<AckTook>,
}

impl Outputs {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.bytes.clear();
        self.acks.clear();
    }

    /// Queues what `write` appends for `connection`.
    pub(super) fn send(&mut self, connection: u64, write: impl FnOnce(&mut Vec<u8>)) {
        self.send_with(Urgency::Normal, connection, write);
    }

    pub(super) fn send_with(&mut self, urgency: Urgency, connection: u64, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.list.push(Output::Send { connection, bytes: start..self.bytes.len(), urgency });
    }

    pub(super) fn lane(&mut self, to: usize, vip: bool, item: LaneItem) {
        self.list.push(Output::Lane { to, vip, item });
    }
}

/// What travels between shards, and from a shard's own connections to its decisions.
#[derive(Debug)]
pub enum LaneItem {
    /// Somebody wants something of a conversation that this shard owns.
    Inbound(Box<Inbound>),
    /// A frame for a connection of this shard.
    Deliver {
        /// To whom; a name no longer in use is nobody.
        connection: u64,
        /// The whole frame.
        frame: Arc<[u8]>,
        /// How soon.
        urgency: Urgency,
    },
    /// Old events for a connection of this shard.
    Page {
        /// To whom; a name no longer in use is nobody.
        connection: u64,
        /// Of which conversation.
        conversation: Arc<str>,
        /// The whole frames, in order.
        page: Vec<Arc<[u8]>>,
    },
    /// A client has taken a page of a conversation that this shard owns.
    PageTaken {
        /// Which conversation.
        conversation: Arc<str>,
        /// Where the client is.
        address: Address,
    },
    /// Close a connection of this shard.
    Dismiss {
        /// Whom.
        connection: u64,
        /// Why.
        farewell: Farewell,
    },
    /// Who is behind a connection that arrives here.
    Arrival {
        /// Matches [`Input::Adopted`].
        token: u64,
        /// What was said so far.
        arrival: Box<Arrival>,
    },
    /// An agent connected somewhere.
    AgentArrived {
        /// Who.
        agent: AgentName,
        /// Where.
        address: Address,
        /// What the account may do.
        role: AgentRole,
        /// What the connection agreed on, if it takes compressed frames.
        deflate: Option<Deflate>,
        /// The last event the client has, by conversation.
        resume: Arc<[(String, u64)]>,
    },
    /// An agent's connection is gone.
    AgentDeparted {
        /// Who.
        agent: AgentName,
        /// Where.
        address: Address,
    },
    /// For the desk.
    Desk(DeskInput),
    /// From the desk, about a conversation that this shard owns.
    DeskSays(DeskOutput),
    /// From the desk, for the agents connected here.
    Presence(Arc<[AgentStatus]>),
    /// How much a shard gives up from now on.
    Shedding {
        /// Which shard.
        shard: usize,
        /// How much.
        step: Step,
    },
    /// Where newcomers would stand, by team, while some shard begins no conversations.
    Outlooks(Arc<[(TeamName, Outlook)]>),
    /// Some shard's journal has failed: no load balancer may send visitors here any more.
    StorageFailed,
}

/// Why we close a connection, with what the peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// The WebSocket close code.
    pub close_code: u16,
    /// The word in the `error` message.
    pub code: &'static str,
    /// What happened and what to do.
    pub text: &'static str,
}
