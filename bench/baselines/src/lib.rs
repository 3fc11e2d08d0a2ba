//! What every baseline does, so that only the published crates differ: an echo of WebSocket messages, and a tiny
//! chat. Each program in `src/bin` is one of them over one runtime.
//!
//! The chat: `agent 3` says who one is, `visitor 3` whom one writes to. From then on each message of a visitor is
//! acknowledged with its first [`ID_BYTES`] bytes and delivered to that agent as it is. Nothing is stored.
//!
//! Where a runtime has no WebSocket library of its own, the frames are made by our codec: then the runtime is all
//! that differs from `ringdesk-echo`.

pub mod framed;
pub mod outbox;

use std::{cell::RefCell, io, net::SocketAddr, process::ExitCode, rc::Rc};

/// Bytes of a message that are its name.
pub const ID_BYTES: usize = 16;

/// What a server does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sends it back.
    Echo,
    /// Acknowledges and delivers it.
    Chat,
}

/// The agents of a chat, by number, each with its way out.
pub type Agents<T> = Rc<RefCell<Vec<Option<T>>>>;

/// What somebody says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello {
    /// I am agent so-and-so.
    Agent(usize),
    /// I write to agent so-and-so.
    Visitor(usize),
}

impl Hello {
    /// Reads `agent 3` or `visitor 3`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (who, number) = std::str::from_utf8(text).ok()?.split_once(' ')?;
        let number = number.parse().ok().filter(|number| *number < 65_536)?;
        match who {
            "agent" => Some(Self::Agent(number)),
            "visitor" => Some(Self::Visitor(number)),
            _ => None,
        }
    }
}

/// Notes who agent `number` is.
pub fn enter<T>(agents: &Agents<T>, number: usize, way: T) {
    let mut agents = agents.borrow_mut();
    if agents.len() <= number {
        agents.resize_with(number + 1, || None);
    }
    agents[number] = Some(way);
}

/// Reads the command line (`echo` or `chat`), binds a port of the kernel's choice, and serves for ever.
pub fn main(serve: impl FnOnce(Mode, std::net::TcpListener) -> io::Result<()>) -> ExitCode {
    let mode = match std::env::args().nth(1).as_deref() {
        Some("echo") => Mode::Echo,
        Some("chat") => Mode::Chat,
        _ => {
            eprintln!("say what to serve: echo or chat");
            return ExitCode::FAILURE;
        }
    };
    let served = listen().and_then(|(listener, address)| {
        println!("listening on {address}");
        serve(mode, listener)
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn listen() -> io::Result<(std::net::TcpListener, SocketAddr)> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(1_024)?;
    let listener = std::net::TcpListener::from(socket);
    let address = listener.local_addr()?;
    Ok((listener, address))
}
