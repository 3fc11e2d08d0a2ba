//! Who may do what and see what: one table, read by the shards and by the API, and enumerated by tests.
//!
//! `docs/roles.md` is made of it.

use http::Method;
use store::record::EventKind;

use crate::identity::AgentRole;

/// Somebody, as far as it matters for what may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A visitor, signed or not.
    Visitor,
    /// Talks with visitors.
    Agent,
    /// Sees what agents do.
    Supervisor,
    /// Makes accounts and settings.
    Admin,
}

impl Who {
    /// Everybody, in the order of the table's columns.
    pub const ALL: [Self; 4] = [Self::Visitor, Self::Agent, Self::Supervisor, Self::Admin];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Agent => AgentRole::Agent.name(),
            Self::Supervisor => AgentRole::Supervisor.name(),
            Self::Admin => AgentRole::Admin.name(),
        }
    }
}

impl From<AgentRole> for Who {
    fn from(role: AgentRole) -> Self {
        match role {
            AgentRole::Agent => Self::Agent,
            AgentRole::Supervisor => Self::Supervisor,
            AgentRole::Admin => Self::Admin,
        }
    }
}

/// How far somebody may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Not at all.
    Never,
    /// In what is one's own: the visitor's conversation, those the agent has, one's own presence.
    Own,
    /// In a conversation in which a message was left, and that nobody has.
    Left,
    /// Everywhere.
    Any,
}

impl Grant {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "no",
            Self::Own => "own",
            Self::Left => "messages left",
            Self::Any => "any",
        }
    }
}

/// What a client may ask for over the WebSocket, once hello is done; named as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// `message`
    Message,
    /// `note`
    Note,
    /// `typing`
    Typing,
    /// `read`
    Read,
    /// `human`
    Human,
    /// `rate`
    Rate,
    /// `close`
    Close,
    /// `presence`
    Presence,
    /// `transfer`
    Transfer,
    /// `accept`
    Accept,
    /// `decline`
    Decline,
    /// `takeover`
    TakeOver,
    /// `watch` and `unwatch`
    Watch,
    /// `whisper`
    Whisper,
}

/// Every act, its word, and how far visitors, agents, supervisors and administrators may do it.
pub const ACTS: [(Act, &str, [Grant; 4]); 14] = {
    use Grant::{Any, Left, Never, Own};
    [
        (Act::Message, "message", [Own, Own, Own, Own]),
        (Act::Note, "note", [Never, Own, Any, Any]),
        (Act::Typing, "typing", [Own, Own, Own, Own]),
        (Act::Read, "read", [Own, Own, Own, Own]),
        (Act::Human, "human", [Own, Never, Never, Never]),
        (Act::Rate, "rate", [Own, Never, Never, Never]),
        (Act::Close, "close", [Own, Own, Own, Own]),
        (Act::Presence, "presence", [Never, Own, Own, Own]),
        (Act::Transfer, "transfer", [Never, Own, Own, Own]),
        (Act::Accept, "accept", [Never, Own, Own, Own]),
        (Act::Decline, "decline", [Never, Own, Own, Own]),
        (Act::TakeOver, "takeover", [Never, Left, Any, Any]),
        (Act::Watch, "watch", [Never, Never, Any, Any]),
        (Act::Whisper, "whisper", [Never, Never, Any, Any]),
    ]
};

impl Act {
    /// Its word on the wire.
    pub const fn name(self) -> &'static str {
        ACTS[self as usize].1
    }
}

/// How far somebody may do something.
pub const fn grant(who: Who, act: Act) -> Grant {
    ACTS[act as usize].2[who as usize]
}

/// What somebody is shown of the conversations and of the desk that are theirs to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Events of kind `message`.
    Message,
    /// Events of kind `assigned`.
    Assigned,
    /// Events of kind `queue`.
    Queue,
    /// Events of kind `transferred`.
    Transferred,
    /// Events of kind `closed`.
    Closed,
    /// Events of kind `rating`.
    Rating,
    /// Events of kind `note`, whispers among them.
    Note,
    /// Why a conversation went to an agent, in `assigned` and `transferred`.
    Why,
    /// What the other side is typing, not only that.
    Preview,
    /// Agents' presence and load.
    Presence,
    /// What the server gives up for want of time.
    Shedding,
}

/// Everything there is to see, its word, and whether visitors, agents, supervisors and administrators do.
pub const SIGHTS: [(Sight, &str, [bool; 4]); 11] = [
    (Sight::Message, "event `message`", [true, true, true, true]),
    (Sight::Assigned, "event `assigned`", [true, true, true, true]),
    (Sight::Queue, "event `queue`", [true, true, true, true]),
    (Sight::Transferred, "event `transferred`", [true, true, true, true]),
    (Sight::Closed, "event `closed`", [true, true, true, true]),
    (Sight::Rating, "event `rating`", [true, true, true, true]),
    (Sight::Note, "event `note`", [false, true, true, true]),
    (Sight::Why, "`why` in `assigned` and `transferred`", [false, false, true, true]),
    (Sight::Preview, "`text` in `typing`", [false, true, true, true]),
    (Sight::Presence, "`presence`", [false, true, true, true]),
    (Sight::Shedding, "`shedding`", [false, true, true, true]),
];

/// Whether somebody is shown it.
pub const fn shows(who: Who, sight: Sight) -> bool {
    SIGHTS[sight as usize].2[who as usize]
}

impl From<EventKind> for Sight {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Message => Self::Message,
            EventKind::Assigned => Self::Assigned,
            EventKind::Queue => Self::Queue,
            EventKind::Transferred => Self::Transferred,
            EventKind::Closed => Self::Closed,
            EventKind::Rating => Self::Rating,
            EventKind::Note => Self::Note,
        }
    }
}

/// Who may ask for something over REST; each includes those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a login.
    Everybody,
    /// Whoever has an account, from this role on.
    From(AgentRole),
}

impl Access {
    /// Whether somebody who has logged in with this role may.
    pub fn includes(self, role: AgentRole) -> bool {
        match self {
            Self::Everybody => true,
            Self::From(least) => role >= least,
        }
    }

    /// The column of somebody in the table; who has not logged in counts as a visitor.
    fn includes_who(self, who: Who) -> bool {
        let role = AgentRole::ALL.into_iter().find(|role| Who::from(*role) == who);
        role.map_or(self == Self::Everybody, |role| self.includes(role))
    }
}

/// Every request of the API, by method and path.
pub const REQUESTS: [(Method, &str, Access); 20] = {
    use AgentRole::{Admin, Agent, Supervisor};
    [
        (Method::POST, "/api/v1/login", Access::Everybody),
        (Method::GET, "/api/v1/setup", Access::Everybody),
        (Method::POST, "/api/v1/setup", Access::Everybody),
        (Method::GET, "/api/v1/openapi.json", Access::Everybody),
        (Method::GET, "/api/v1/schema/websocket.json", Access::Everybody),
        (Method::GET, "/api/v1/me", Access::From(Agent)),
        (Method::GET, "/api/v1/conversations", Access::From(Agent)),
        (Method::GET, "/api/v1/conversations/{id}", Access::From(Agent)),
        (Method::GET, "/api/v1/conversations/{id}/events", Access::From(Agent)),
        (Method::GET, "/api/v1/search", Access::From(Agent)),
        (Method::GET, "/api/v1/agents", Access::From(Agent)),
        (Method::GET, "/api/v1/teams", Access::From(Agent)),
        (Method::GET, "/api/v1/replies", Access::From(Agent)),
        (Method::PUT, "/api/v1/replies/{shortcut}", Access::From(Supervisor)),
        (Method::DELETE, "/api/v1/replies/{shortcut}", Access::From(Supervisor)),
        (Method::GET, "/api/v1/board", Access::From(Supervisor)),
        (Method::PUT, "/api/v1/teams/{name}", Access::From(Admin)),
        (Method::DELETE, "/api/v1/teams/{name}", Access::From(Admin)),
        (Method::POST, "/api/v1/agents", Access::From(Admin)),
        (Method::GET, "/api/v1/settings/identity", Access::From(Admin)),
    ]
};

/// Who may ask for this; `None`: there is no such request.
pub fn access(method: &Method, path: &str) -> Option<Access> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let row = REQUESTS.iter().find(|(known, known_path, _)| known == method && *known_path == path);
    row.map(|(_, _, access)| *access)
}

/// The tables of `docs/roles.md`.
pub fn tables() -> String {
    let mut text = String::new();
    let head = |what: &str| {
        let names = Who::ALL.map(Who::name).join(" | ");
        format!("| {what} | {names} |\n|---|---|---|---|---|\n")
    };
    let row = |what: &str, cells: [&str; 4]| format!("| {what} | {} |\n", cells.join(" | "));
    let yes = |is: bool| if is { "yes" } else { "no" };
    text += &head("asks for, over the WebSocket");
    for (_, word, grants) in &ACTS {
        text += &row(&format!("`{word}`"), grants.map(Grant::name));
    }
    text += &format!("\n{}", head("is shown"));
    for (_, word, shown) in &SIGHTS {
        text += &row(word, shown.map(yes));
    }
    text += &format!("\n{}", head("asks for, over REST"));
    for (method, path, access) in &REQUESTS {
        text += &row(&format!("`{method} {path}`"), Who::ALL.map(|who| yes(access.includes_who(who))));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_stands_where_its_number_says() {
        for (number, (act, ..)) in ACTS.iter().enumerate() {
            assert_eq!(*act as usize, number, "{act:?}");
        }
        for (number, (sight, ..)) in SIGHTS.iter().enumerate() {
            assert_eq!(*sight as usize, number, "{sight:?}");
        }
        for (number, who) in Who::ALL.into_iter().enumerate() {
            assert_eq!(who as usize, number, "{who:?}");
        }
    }

    /// As `AgentRole` says.
    #[test]
    fn a_role_may_do_what_the_one_before_it_may() {
        let rank =
            |grant| [Grant::Never, Grant::Own, Grant::Left, Grant::Any].iter().position(|one| *one == grant);
        for (act, _, grants) in &ACTS {
            assert!(grants[1..].windows(2).all(|pair| rank(pair[0]) <= rank(pair[1])), "{act:?}");
        }
        for (sight, _, shown) in &SIGHTS {
            assert!(shown[1..].windows(2).all(|pair| pair[0] <= pair[1]), "{sight:?}");
        }
    }

    #[test]
    fn the_page_has_the_tables_as_they_are() {
        let page = include_str!("../../docs/roles.md");
        assert!(page.contains(&tables()), "docs/roles.md is old; it must have:\n{}", tables());
    }
}
