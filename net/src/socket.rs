//! Making sockets: a listener for one shard, and the socket of an outgoing connection. What is done with
//! them is the backend's business.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd,
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::BACKLOG;

/// Listens with `SO_REUSEPORT`, so that each shard has its own listener on the port; accepted sockets
/// inherit `TCP_NODELAY`.
pub(crate) fn listener(address: SocketAddr) -> io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let bound = socket.local_addr()?.as_socket().expect("a TCP socket has an IP address");
    Ok((socket, bound))
}

/// A socket that is ready to connect to `to`, with its local address chosen by `from`.
pub(crate) fn outgoing(from: Option<IpAddr>, to: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if let Some(from) = from {
        choose_port_late(&socket)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    Ok(socket)
}

/// `IP_BIND_ADDRESS_NO_PORT`: the port is chosen when connecting, where only the pair of both ends must be
/// unique; chosen when binding, one local address would run out after 28,000 connections.
fn choose_port_late(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: `on` lives through the call, the kernel reads `size_of::<c_int>()` bytes of it and keeps no
    // pointer; the descriptor is open because `socket` is borrowed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
