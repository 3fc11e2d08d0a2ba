//! tokio-uring; frames by our codec.

use std::{io, process::ExitCode, rc::Rc};

use baselines::{
    Agents, Mode,
    framed::{ByteOutbox, Client, READ_BYTES},
};
use tokio_uring::net::{TcpListener, TcpStream};

fn main() -> ExitCode {
    baselines::main(|mode, listener| tokio_uring::builder().entries(1_024).start(serve(mode, listener)))
}

async fn serve(mode: Mode, listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener);
    let agents = Agents::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let client = Client::new(mode, Agents::clone(&agents));
        tokio_uring::spawn(async move {
            match mode {
                Mode::Echo => echo(stream, client).await,
                Mode::Chat => chat(Rc::new(stream), client).await,
            }
        });
    }
}

async fn echo(stream: TcpStream, mut client: Client) {
    let (mut input, mut out) = (Vec::with_capacity(READ_BYTES), Vec::new());
    loop {
        let (result, bytes) = stream.read(input).await;
        input = bytes;
        let Ok(count @ 1..) = result else { return };
        if client.receive(&mut input[..count], &mut out).is_break() {
            return;
        }
        if !out.is_empty() {
            let (result, bytes) = stream.write_all(out).await;
            out = bytes;
            out.clear();
            if result.is_err() {
                return;
            }
        }
    }
}

async fn chat(stream: Rc<TcpStream>, mut client: Client) {
    let outbox = client.outbox();
    tokio_uring::spawn(send(Rc::clone(&stream), outbox.clone()));
    let (mut input, mut out) = (Vec::with_capacity(READ_BYTES), Vec::new());
    loop {
        let (result, bytes) = stream.read(input).await;
        input = bytes;
        let Ok(count @ 1..) = result else { return outbox.close() };
        if client.receive(&mut input[..count], &mut out).is_break() {
            return outbox.close();
        }
        if !out.is_empty() {
            outbox.queue(|queued| queued.append(&mut out));
        }
    }
}

async fn send(stream: Rc<TcpStream>, outbox: ByteOutbox) {
    let mut spare = Vec::new();
    while let Some(bytes) = outbox.take(spare).await {
        let (result, bytes) = stream.write_all(bytes).await;
        spare = bytes;
        spare.clear();
        if result.is_err() {
            return;
        }
    }
}
