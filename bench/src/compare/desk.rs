//! The whole desk as a contender: accounts, logins, hellos, and a visitor with each agent's every seat.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
};

use super::{connect::Lines, contender::Contender, frames::Frames, session::frame};

const PASSWORD: &str = "a password for the bench";

/// Opens the lines of agents, then those of visitors, and returns when each visitor is with an agent.
pub(super) fn open(
    lines: &mut Lines,
    contender: &Contender,
    visitors: usize,
    agents: usize,
) -> io::Result<()> {
    let address = contender.address;
    let capacity = visitors.div_ceil(agents);
    lines.open(address, agents, "/ws", Some("ringdesk.v1"))?;
    for agent in 0..agents {
        let token = log_in(contender, &format!("agent-{agent:03}"))?;
        lines.send(agent, &frame(&format!(r#"{{"type":"hello","role":"agent","token":"{token}"}}"#)))?;
        let presence = format!(r#"{{"type":"presence","state":"ready","capacity":{capacity}}}"#);
        wait_for(lines, r#""type":"welcome""#, |number| number == agent, 1)?;
        lines.send(agent, &frame(&presence))?;
    }
    lines.listen_until_quiet()?;
    lines.open(address, visitors, "/ws", Some("ringdesk.v1"))?;
    for visitor in agents..agents + visitors {
        lines.send(visitor, &frame(r#"{"type":"hello","role":"visitor"}"#))?;
        wait_for(lines, r#""type":"welcome""#, |number| number == visitor, 1)?;
        lines.send(visitor, &frame(&message(u64::MAX - visitor as u64)))?;
        wait_for(lines, r#""kind":"assigned""#, |number| number < agents, 1)?;
    }
    lines.listen_until_quiet()
}

/// A visitor's message; `number` makes its name.
pub(super) fn message(number: u64) -> String {
    format!(
        r#"{{"type":"message","id":"{number:016x}","content":{{"kind":"text","text":"Is the blue one still there? 还有蓝色的吗?"}}}}"#
    )
}

/// Waits until those whose number is `of` have heard `words` so many times.
fn wait_for(lines: &mut Lines, words: &str, of: impl Fn(usize) -> bool, times: usize) -> io::Result<()> {
    let (mut frames, mut heard) = (std::collections::HashMap::<usize, Frames>::new(), 0);
    let waited = lines.listen_until(|number, bytes| {
        if of(number) {
            frames.entry(number).or_default().receive(bytes, |text| {
                heard += usize::from(String::from_utf8_lossy(text).contains(words));
            });
        }
        heard >= times
    });
    waited.map_err(|error| io::Error::new(error.kind(), format!("waiting for {words}: {error}")))
}

/// Makes an account with the server's own program, and logs in.
fn log_in(contender: &Contender, name: &str) -> io::Result<String> {
    let mut child = Command::new(&contender.program.path)
        .args(["agent", "add", "--name", name, "--role", "agent", "--password-stdin", "--data"])
        .arg(contender.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    child.stdin.take().expect("asked for above").write_all(format!("{PASSWORD}\n").as_bytes())?;
    if !child.wait()?.success() {
        return Err(io::Error::other(format!("the account {name} was not made")));
    }
    let body = format!(r#"{{"name":"{name}","password":"{PASSWORD}"}}"#);
    let answer = post(contender.address, "/api/v1/login", &body)?;
    let token = answer.split(r#""token":""#).nth(1).and_then(|rest| rest.split('"').next());
    token.map(str::to_owned).ok_or_else(|| io::Error::other(format!("{name} cannot log in: {answer}")))
}

fn post(address: SocketAddr, target: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let length = body.len();
    write!(
        stream,
        "POST {target} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
