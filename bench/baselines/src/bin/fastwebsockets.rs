//! tokio, hyper for the upgrade, and fastwebsockets.

use std::{io, process::ExitCode};

use baselines::{Agents, Hello, ID_BYTES, Mode, enter, outbox::Outbox};
use fastwebsockets::{
    FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError, WebSocketWrite, upgrade,
};
use http_body_util::Empty;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tokio::{io::WriteHalf, net::TcpListener};

type Payloads = Outbox<Vec<Vec<u8>>>;

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
            let answer = service_fn(move |request| accept(mode, Agents::clone(&agents), request));
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).with_upgrades();
            if let Err(error) = served.await {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}

async fn accept(
    mode: Mode,
    agents: Agents<Payloads>,
    mut request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade::upgrade(&mut request)?;
    tokio::task::spawn_local(async move {
        let Ok(mut socket) = upgraded.await else { return };
        socket.set_auto_close(false);
        // An error is the peer's end: there is nobody to tell.
        let _ended: Result<(), WebSocketError> = match mode {
            Mode::Echo => echo(FragmentCollector::new(socket)).await,
            Mode::Chat => {
                let (reader, writer) = socket.split(tokio::io::split);
                chat(FragmentCollectorRead::new(reader), writer, agents).await
            }
        };
    });
    Ok(response)
}

async fn echo(mut socket: FragmentCollector<TokioIo<Upgraded>>) -> Result<(), WebSocketError> {
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Text => socket.write_frame(frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

async fn chat(
    mut reader: FragmentCollectorRead<tokio::io::ReadHalf<TokioIo<Upgraded>>>,
    writer: WebSocketWrite<WriteHalf<TokioIo<Upgraded>>>,
    agents: Agents<Payloads>,
) -> Result<(), WebSocketError> {
    let outbox = Payloads::default();
    tokio::task::spawn_local(send(writer, outbox.clone()));
    let mut hello = None;
    let mut answer = |_: Frame<'_>| async { Ok::<_, WebSocketError>(()) };
    loop {
        let Ok(frame) = reader.read_frame(&mut answer).await else { break };
        match (hello, frame.opcode) {
            (_, OpCode::Close) => break,
            (None, OpCode::Text) => {
                hello = Hello::parse(&frame.payload);
                if let Some(Hello::Agent(number)) = hello {
                    enter(&agents, number, outbox.clone());
                }
            }
            (Some(Hello::Visitor(to)), OpCode::Text) => {
                let text = &*frame.payload;
                outbox.queue(|payloads| payloads.push(text[..text.len().min(ID_BYTES)].to_vec()));
                if let Some(Some(agent)) = agents.borrow().get(to) {
                    agent.queue(|payloads| payloads.push(text.to_vec()));
                }
            }
            _ => {}
        }
    }
    outbox.close();
    Ok(())
}

async fn send(mut writer: WebSocketWrite<WriteHalf<TokioIo<Upgraded>>>, outbox: Payloads) {
    let mut spare = Vec::new();
    while let Some(mut payloads) = outbox.take(spare).await {
        for payload in payloads.drain(..) {
            if writer.write_frame(Frame::text(Payload::Owned(payload))).await.is_err() {
                return;
            }
        }
        spare = payloads;
    }
}
