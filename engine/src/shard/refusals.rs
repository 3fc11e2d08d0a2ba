//! Why something is not done: in which words, and when to try again.

use codec::message::{Outlook, ServerMessage};
use dialog::Refusal;

use super::{
    Outputs, Shard,
    inbound::{Inbound, Sender},
};
use crate::limits;

/// When it is worth to ask again for what was refused.
#[derive(Clone, Copy, Debug)]
enum Retry {
    /// When those who were refused before have had their turn; VIPs and agents sooner.
    WhenThereIsRoom,
    /// When somebody has seen to the disk.
    WhenRepaired,
}

/// Why something is not done.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    code: &'static str,
    text: &'static str,
    retry: Option<Retry>,
    /// Of a conversation that is not begun now.
    outlook: Option<Outlook>,
}

impl Refused {
    /// A conversation that is not begun now; where it would stand.
    pub fn not_begun(outlook: Option<Outlook>) -> Self {
        Self { outlook, ..NOT_BEGUN }
    }

    /// The same, worth to be asked again then.
    const fn until(self, retry: Retry) -> Self {
        Self { retry: Some(retry), ..self }
    }

    /// Whether the same may be done another time.
    pub const fn is_for_now(&self) -> bool {
        self.retry.is_some()
    }
}

const fn refused(code: &'static str, text: &'static str) -> Refused {
    Refused { code, text, retry: None, outlook: None }
}

pub const NOT_YOURS: Refused =
    refused("not_your_conversation", "another agent has this conversation, or nobody; ask for a transfer");
pub const CLOSED: Refused = refused(
    "conversation_closed",
    "the conversation is over; say hello without a conversation to begin a new one",
);
const ANSWERED: Refused = refused(
    "wrong_state",
    "the visitor has your answer and waits for nobody; close the conversation, or transfer it",
);
pub const UNKNOWN: Refused =
    refused("unknown_conversation", "there is no such conversation; use the id as an event gave it");
pub const ALREADY_RATED: Refused = refused("already_rated", "this conversation has its rating already");
pub const NOTHING_SAID: Refused = refused("wrong_state", "nothing was said in this conversation yet");
pub const JOURNAL_FULL: Refused = refused(
    "journal_full",
    "the server cannot store more right now; the message was not taken, send it again later",
)
.until(Retry::WhenThereIsRoom);
pub const OVERLOADED: Refused =
    refused("overloaded", "the server is too busy right now; the message was not taken, send it again later")
        .until(Retry::WhenThereIsRoom);
const NOT_BEGUN: Refused = Refused {
    text: "too many conversations wait right now, and no new ones are begun; the message was not taken, send it again later",
    ..OVERLOADED
};
pub const STORAGE_FAILED: Refused = refused(
    "storage_failed",
    "the disk behind this conversation has failed; send it again with the same id when the server is back",
)
.until(Retry::WhenRepaired);
pub const UNAVAILABLE: Refused = refused(
    "unavailable",
    "the conversation cannot be read right now; the message was not taken, send it again later",
)
.until(Retry::WhenThereIsRoom);

/// The dialog's refusal, in words.
impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Closed => CLOSED,
            Refusal::NotServed => NOT_YOURS,
            Refusal::Answered => ANSWERED,
        }
    }
}

impl Shard {
    /// Refuses what somebody wants, with a time to try again where that is of use.
    pub(super) fn tell(&mut self, inbound: &Inbound, refused: &Refused, out: &mut Outputs) {
        let retry_after_ms = refused.retry.map(|retry| match retry {
            Retry::WhenThereIsRoom if inbound.vip => limits::RETRY_AFTER_MS,
            Retry::WhenThereIsRoom => self.overload.retries.next_ms(self.now.monotonic_us),
            Retry::WhenRepaired => limits::FAILED_RETRY_AFTER_MS,
        });
        self.reply_refused(&inbound.sender, inbound.body.message_id(), refused, retry_after_ms, out);
    }

    pub(super) fn reply_refused(
        &mut self,
        sender: &Sender,
        id: &str,
        refused: &Refused,
        retry_after_ms: Option<u32>,
        out: &mut Outputs,
    ) {
        let message = ServerMessage::Refused {
            id: id.into(),
            code: refused.code.into(),
            text: refused.text.into(),
            retry_after_ms,
            outlook: refused.outlook,
        };
        self.reply(sender, &message, out);
    }
}
