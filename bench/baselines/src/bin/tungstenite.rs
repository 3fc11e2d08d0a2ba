//! tokio and tokio-tungstenite, with buffers of 4 KiB instead of 128.

use std::{io, process::ExitCode};

use baselines::{Agents, Hello, ID_BYTES, Mode, enter, outbox::Outbox};
use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config,
    tungstenite::{Error, Message, Utf8Bytes, protocol::WebSocketConfig},
};

const BUFFER_BYTES: usize = 4_096;

type Messages = Outbox<Vec<Message>>;

fn main() -> ExitCode {
    baselines::main(|mode, listener| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        tokio::task::LocalSet::new().block_on(&runtime, serve(mode, listener))
    })
}

async fn serve(mode: Mode, listener: std::net::TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let agents = Agents::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let agents = Agents::clone(&agents);
        tokio::task::spawn_local(async move {
            let config =
                WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES);
            let Ok(socket) = accept_async_with_config(stream, Some(config)).await else { return };
            let ended = match mode {
                Mode::Echo => echo(socket).await,
                Mode::Chat => chat(socket, agents).await,
            };
            if let Err(error) = ended
                && !matches!(error, Error::ConnectionClosed | Error::Io(_) | Error::Protocol(_))
            {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}

async fn echo(mut socket: WebSocketStream<TcpStream>) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn chat(socket: WebSocketStream<TcpStream>, agents: Agents<Messages>) -> Result<(), Error> {
    let (sink, mut source) = socket.split();
    let outbox = Messages::default();
    tokio::task::spawn_local(send(sink, outbox.clone()));
    let mut hello = None;
    while let Some(Ok(message)) = source.next().await {
        let Message::Text(text) = message else { continue };
        match hello {
            None => {
                hello = Hello::parse(text.as_bytes());
                if let Some(Hello::Agent(number)) = hello {
                    enter(&agents, number, outbox.clone());
                }
            }
            Some(Hello::Agent(_)) => {}
            Some(Hello::Visitor(to)) => {
                let id = Utf8Bytes::from(&text[..text.floor_char_boundary(ID_BYTES)]);
                outbox.queue(|messages| messages.push(Message::Text(id)));
                if let Some(Some(agent)) = agents.borrow().get(to) {
                    agent.queue(|messages| messages.push(Message::Text(text)));
                }
            }
        }
    }
    outbox.close();
    Ok(())
}

/// Everything that was queued leaves with one flush.
async fn send(mut sink: SplitSink<WebSocketStream<TcpStream>, Message>, outbox: Messages) {
    let mut spare = Vec::new();
    while let Some(mut messages) = outbox.take(spare).await {
        for message in messages.drain(..) {
            if sink.feed(message).await.is_err() {
                return;
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
        spare = messages;
    }
}
