//! How long a message takes to its durable ack at low load, and how long the disk takes by itself.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    ops::ControlFlow,
    time::{Duration, Instant},
};

use codec::websocket::{Decoder, Incoming, Opcode, Side, encode_masked_frame, request_upgrade};
use hdrhistogram::Histogram;

use super::{AckReport, Percentiles, Place, floor::Floor, process::Server};

/// Between two samples: low load, so that nothing waits for anything but its own write.
const PAUSE: Duration = Duration::from_millis(3);
/// A loopback round trip with two wake-ups takes longer, whatever the disk is.
const IMPOSSIBLE: Duration = Duration::from_micros(10);
/// Samples of one kind before the next kind has its turn.
const RUN: u32 = 25;

/// Interleaves acks and bare writes, `rounds` times 25 of each.
pub fn ack_beside_floor(place: Place<'_>, backend: &'static str, rounds: u32) -> io::Result<AckReport> {
    let data = place.fresh()?;
    let files = place.fresh()?;
    let server = Server::start(place.program, data.path(), &["--backend", backend])?;
    let mut visitor = Visitor::connect(server.address)?;
    let mut floor = Floor::new(files.path())?;
    let new = || Histogram::<u64>::new(3).expect("three digits are allowed");
    let (mut acks, mut syncs, mut directs) = (new(), new(), new());
    let sample = |histogram: &mut Histogram<u64>, what: &mut dyn FnMut() -> io::Result<Duration>| {
        for _ in 0..RUN {
            std::thread::sleep(PAUSE);
            histogram.saturating_record(what()?.as_micros() as u64);
        }
        io::Result::Ok(())
    };
    for _ in 0..rounds {
        sample(&mut acks, &mut || visitor.say())?;
        sample(&mut syncs, &mut || floor.fdatasync())?;
        sample(&mut directs, &mut || floor.direct())?;
    }
    Ok(AckReport {
        backend,
        ack_us: percentiles(&acks),
        fdatasync_us: percentiles(&syncs),
        direct_us: percentiles(&directs),
    })
}

fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    Percentiles {
        count: histogram.len(),
        p50: histogram.value_at_quantile(0.5),
        p99: histogram.value_at_quantile(0.99),
        max: histogram.max(),
    }
}

/// A visitor on a blocking socket.
struct Visitor {
    stream: TcpStream,
    decoder: Decoder,
    said: u64,
}

impl Visitor {
    fn connect(address: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut request = Vec::new();
        request_upgrade("bench", "/ws", [7; 16], Some("ringdesk.v1"), &mut request);
        stream.write_all(&request)?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let mut visitor = Self { stream, decoder: Decoder::new(Side::Client, 1 << 20), said: 0 };
        visitor.send(r#"{"type":"hello","role":"visitor"}"#)?;
        visitor.wait_for(r#""type":"welcome""#)?;
        // The first words bring a place in the queue, too.
        visitor.say()?;
        visitor.wait_for(r#""kind":"queue""#)?;
        Ok(visitor)
    }

    fn send(&mut self, text: &str) -> io::Result<()> {
        let mut frame = Vec::new();
        encode_masked_frame(Opcode::Text, text.as_bytes(), [1, 2, 3, 4], &mut frame);
        self.stream.write_all(&frame)
    }

    /// From a message to its ack.
    fn say(&mut self) -> io::Result<Duration> {
        self.said += 1;
        let id = format!("m{}", self.said);
        let text = format!(
            r#"{{"type":"message","id":"{id}","content":{{"kind":"text","text":"Is the blue one still there? 还有蓝色的吗?"}}}}"#
        );
        let began = Instant::now();
        self.send(&text)?;
        self.wait_for(&format!(r#""type":"ack","id":"{id}""#))?;
        let took = began.elapsed();
        if took < IMPOSSIBLE {
            return Err(io::Error::other(format!(
                "{id} was acknowledged after {took:?}: no disk is so fast"
            )));
        }
        Ok(took)
    }

    fn wait_for(&mut self, words: &str) -> io::Result<()> {
        let mut is_there = false;
        let mut buffer = [0; 4096];
        while !is_there {
            let count = self.stream.read(&mut buffer)?;
            if count == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            let received = self.decoder.receive(&mut buffer[..count], &mut |incoming| {
                if let Incoming::Text(text) = incoming {
                    is_there |= text.contains(words);
                }
                ControlFlow::Continue(())
            });
            received.map_err(|error| io::Error::other(error.text()))?;
        }
        Ok(())
    }
}
