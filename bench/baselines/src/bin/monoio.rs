//! monoio over io_uring; frames by our codec.

use std::{io, process::ExitCode};

use baselines::{
    Agents, Mode,
    framed::{ByteOutbox, Client, READ_BYTES},
};
use monoio::{
    IoUringDriver, RuntimeBuilder,
    io::{AsyncReadRent, AsyncWriteRent, AsyncWriteRentExt, Splitable},
    net::{TcpListener, TcpStream},
};

fn main() -> ExitCode {
    baselines::main(|mode, listener| {
        let mut runtime = RuntimeBuilder::<IoUringDriver>::new().with_entries(1_024).build()?;
        runtime.block_on(serve(mode, listener))
    })
}

async fn serve(mode: Mode, listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let agents = Agents::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let client = Client::new(mode, Agents::clone(&agents));
        monoio::spawn(async move {
            match mode {
                Mode::Echo => echo(stream, client).await,
                Mode::Chat => chat(stream, client).await,
            }
        });
    }
}

async fn echo(mut stream: TcpStream, mut client: Client) {
    let (mut input, mut out) = (Vec::with_capacity(READ_BYTES), Vec::new());
    loop {
        let (result, bytes) = stream.read(input).await;
        input = bytes;
        if !matches!(result, Ok(1..)) || client.receive(&mut input, &mut out).is_break() {
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

async fn chat(stream: TcpStream, mut client: Client) {
    let (mut reader, writer) = stream.into_split();
    let outbox = client.outbox();
    monoio::spawn(send(writer, outbox.clone()));
    let (mut input, mut out) = (Vec::with_capacity(READ_BYTES), Vec::new());
    loop {
        let (result, bytes) = reader.read(input).await;
        input = bytes;
        if !matches!(result, Ok(1..)) || client.receive(&mut input, &mut out).is_break() {
            return outbox.close();
        }
        if !out.is_empty() {
            outbox.queue(|queued| queued.append(&mut out));
        }
    }
}

async fn send(mut writer: impl AsyncWriteRent, outbox: ByteOutbox) {
    let mut spare = Vec::new();
    while let Some(bytes) = outbox.take(spare).await {
        let (result, bytes) = writer.write_all(bytes).await;
        spare = bytes;
        spare.clear();
        if result.is_err() {
            return;
        }
    }
}
