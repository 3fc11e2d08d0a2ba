//! One contender under load: a closed loop of a fixed number of messages over connections that stay open.

use std::{
    io,
    time::{Duration, Instant},
};

use codec::websocket::{Opcode, encode_masked_frame};

use super::{connect::Lines, connect::PATIENCE, contender::Contender, desk, figures::Cost, frames::Frames};

/// Bytes of a message's text.
const TEXT_BYTES: usize = 100;
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// Who talks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Connections that send, each another message when one is answered.
    pub visitors: usize,
    /// Connections to which the messages are delivered; 0: an echo.
    pub agents: usize,
    /// Frames that a visitor gets for each message.
    pub answers: u64,
    /// Messages of a visitor that may be unanswered at once; they leave together.
    pub window: u64,
}

/// A contender with all its connections.
pub(super) struct Session {
    contender: Contender,
    workload: Workload,
    lines: Lines,
    /// Agents first, then visitors, as the lines are numbered.
    people: Vec<Person>,
    /// Messages sent so far: each has a name of its own.
    sent: u64,
}

#[derive(Debug, Default)]
struct Person {
    frames: Frames,
    /// Messages of this round still to be sent.
    left: u64,
    /// Frames that came since the last message that was answered in full.
    heard: u64,
}

impl Session {
    pub fn open(contender: Contender, workload: Workload) -> io::Result<Self> {
        let mut lines = Lines::new()?;
        let Workload { visitors, agents, .. } = workload;
        if contender.program.is_desk {
            desk::open(&mut lines, &contender, visitors, agents)?;
        } else {
            // Agents have to be known before anybody writes to them.
            for (count, role) in [(agents, "agent"), (visitors, "visitor")] {
                let first = if role == "agent" { 0 } else { agents };
                lines.open(contender.address, count, "/", None)?;
                for number in 0..count.min(agents * count) {
                    lines.send(first + number, &frame(&format!("{role} {}", number % agents)))?;
                }
                lines.listen_until_quiet()?;
            }
        }
        let people = std::iter::repeat_with(Person::default).take(agents + visitors).collect();
        Ok(Self { contender, workload, lines, people, sent: 0 })
    }

    /// Sends `messages`, as evenly as they can be shared out, and waits for all that they bring.
    pub fn round(&mut self, messages: u64) -> io::Result<Cost> {
        let Workload { visitors, agents, answers, window } = self.workload;
        let each = (messages / visitors as u64).max(1);
        let messages = each * visitors as u64;
        let first = window.min(each);
        for visitor in agents..agents + visitors {
            self.people[visitor].left = each - first;
        }
        let (cpu, generator_ns, began) = (self.contender.cpu_time()?, thread_ns()?, Instant::now());
        let all = agents..agents + visitors;
        let mut ready: Vec<usize> = all.flat_map(|visitor| (0..first).map(move |_| visitor)).collect();
        let (mut answered, mut delivered) = (0, 0);
        let deliveries = if agents > 0 { messages } else { 0 };
        let mut heard_at = began;
        while answered < messages * answers || delivered < deliveries {
            for visitor in ready.drain(..) {
                self.send(visitor)?;
            }
            let (people, mut heard) = (&mut self.people, false);
            self.lines.turn(&mut |number, bytes| {
                let Person { frames, left, heard: frames_heard } = &mut people[number];
                heard = true;
                frames.receive(bytes, |_| {
                    if number < agents {
                        delivered += 1;
                        return;
                    }
                    answered += 1;
                    *frames_heard += 1;
                    if *frames_heard == answers {
                        *frames_heard = 0;
                        if *left > 0 {
                            *left -= 1;
                            ready.push(number);
                        }
                    }
                });
            })?;
            let now = Instant::now();
            if heard {
                heard_at = now;
            } else if now - heard_at > PATIENCE {
                let text = format!("{answered} answers and {delivered} deliveries, then nothing more");
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
        }
        let wall_ns = began.elapsed().as_nanos() as u64;
        // What follows the last answer in the same turn belongs to it, too.
        std::thread::sleep(Duration::from_millis(2));
        let (server_ns, aside_ns) = self.contender.cpu_time()?.since(&cpu);
        Ok(Cost { messages, server_ns, aside_ns, generator_ns: thread_ns()? - generator_ns, wall_ns })
    }

    fn send(&mut self, visitor: usize) -> io::Result<()> {
        self.sent += 1;
        let text = if self.contender.program.is_desk {
            desk::message(self.sent)
        } else {
            format!("{:016}{:.<rest$}", self.sent, "", rest = TEXT_BYTES - 16)
        };
        self.lines.send(visitor, &frame(&text))
    }
}

/// A client's text frame.
pub(super) fn frame(text: &str) -> Vec<u8> {
    let mut frame = Vec::with_capacity(text.len() + 8);
    encode_masked_frame(Opcode::Text, text.as_bytes(), MASK, &mut frame);
    frame
}

/// CPU time of this thread.
fn thread_ns() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let ran = text.split(' ').next().and_then(|ns| ns.parse().ok());
    ran.ok_or_else(|| io::Error::other("the kernel does not count CPU time: it has no schedstat"))
}
