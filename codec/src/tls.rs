//! TLS 1.2 and 1.3 for a server, without a socket: ciphertext in, plaintext out, and back. `rustls` does the work;
//! what the plaintext means is not known here. `docs/protocol/tls.md`.
//!
//! A connection at rest has no buffer: bytes are read where they are, and only a record that is not whole yet is kept.
//! rustls asks the system for the time and for random numbers when it makes and takes session tickets; nothing else
//! here knows of either.

mod error;

use std::{fmt, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic},
};

pub use self::error::{TlsConfigError, TlsFault};

/// The largest record on the wire: 2^14 bytes, what encryption may add to them, and the header (RFC 5246, section
/// 6.2.3; RFC 8446 allows less).
const RECORD_BYTES_MAX: usize = 16 * 1024 + 2048 + 5;
/// What a peer may leave unfinished, in bytes: a record, or a handshake message in several of them. A `ClientHello`
/// of today has 300 to 2,000.
pub const HELD_BYTES_MAX: usize = 20 * 1024;
/// Plaintext of one record (RFC 8446, section 5.1).
const FRAGMENT_BYTES_MAX: usize = 16 * 1024;
/// The most that a record of ours adds to its plaintext: header, explicit nonce, content type and tag.
const OVERHEAD_BYTES_MAX: usize = 5 + 8 + 1 + 16;

/// An alert (RFC 8446, section 6).
const ALERT_BYTES: usize = 2;
/// Room for a message of TLS itself to begin with; longer ones say how long they are.
const MESSAGE_BYTES: usize = 512;

const _: () = assert!(HELD_BYTES_MAX > RECORD_BYTES_MAX);

/// Certificate, key and what is spoken. Clones are the same, session tickets included.
#[derive(Clone, Debug)]
pub struct TlsConfig(Arc<ServerConfig>);

impl TlsConfig {
    /// Of two files in PEM (RFC 7468): the certificate chain, the server's own first, and its private key.
    ///
    /// Sessions are resumed by tickets (RFC 5077, RFC 8446 section 4.6.1) that only this value can read: nothing is
    /// remembered of a session, and a new certificate begins with none.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsConfigError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsConfigError::NoCertificate)?;
        if chain.is_empty() {
            return Err(TlsConfigError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsConfigError::NoKey)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsConfigError::of)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(TlsConfigError::of)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new().map_err(TlsConfigError::of)?;
        Ok(Self(Arc::new(config)))
    }
}

/// One connection.
pub struct TlsConnection {
    connection: UnbufferedServerConnection,
    /// Ciphertext that is not a whole record, or not a whole handshake message, yet.
    held: Vec<u8>,
    /// What TLS has to say of itself, encrypted already: it goes before everything sealed later.
    outgoing: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was received.
    Fresh,
    /// Both sides may speak, or are on the way to it.
    Open,
    /// The peer has said that it will say nothing more.
    PeerEnded,
    /// A fault, or our own end: nothing is read or said any more.
    Over,
}

impl fmt::Debug for TlsConnection {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = to.debug_struct("TlsConnection");
        debug
            .field("stage", &self.stage)
            .field("is_handshaking", &self.is_handshaking())
            .finish_non_exhaustive()
    }
}

impl TlsConnection {
    /// Before its first byte.
    pub fn new(config: &TlsConfig) -> Self {
        let connection = UnbufferedServerConnection::new(Arc::clone(&config.0))
            .expect("a server needs nothing but its configuration");
        Self { connection, held: Vec::new(), outgoing: Vec::new(), stage: Stage::Fresh }
    }

    /// Whether the peer could not yet be told from anybody else.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the peer has said `close_notify`: nothing more will come of it.
    pub fn peer_has_ended(&self) -> bool {
        self.stage == Stage::PeerEnded
    }

    /// Bytes that it holds of a record or handshake message that is not whole.
    pub fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// Takes bytes of the peer, changing them in place, and appends what they say to `plain`. After a fault,
    /// [`Self::flush`] has the alert that says so, and nothing else is read or said.
    pub fn receive(&mut self, bytes: &mut [u8], plain: &mut Vec<u8>) -> Result<(), TlsFault> {
        match self.stage {
            // A record begins with a number from 20 to 24 (RFC 8446, section 5.1), a method with a letter.
            Stage::Fresh if bytes.first().is_some_and(u8::is_ascii_alphabetic) => {
                self.stage = Stage::Over;
                return Err(TlsFault::PlainHttp);
            }
            Stage::Fresh => self.stage = Stage::Open,
            Stage::Open => {}
            Stage::PeerEnded | Stage::Over => return Ok(()),
        }
        if self.held.is_empty() {
            let used = self.read(bytes, plain)?;
            self.held.extend_from_slice(&bytes[used..]);
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            let used = self.read(&mut held, plain)?;
            if used < held.len() {
                held.drain(..used);
                self.held = held;
            }
        }
        match self.stage {
            Stage::Open if self.held.len() > HELD_BYTES_MAX => Err(self.fail(TlsFault::MessageTooLong)),
            Stage::Open => Ok(()),
            Stage::Fresh | Stage::PeerEnded | Stage::Over => {
                self.held = Vec::new();
                Ok(())
            }
        }
    }

    /// Reads what is whole, and returns how much that was.
    fn read(&mut self, bytes: &mut [u8], plain: &mut Vec<u8>) -> Result<usize, TlsFault> {
        let mut used = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(&mut bytes[used..]);
            let more = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(TlsFault::of)?;
                        plain.extend_from_slice(record.payload);
                        discard += record.discard;
                    }
                    true
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.stage = Stage::PeerEnded;
                    true
                }
                Ok(state) => take_outgoing(state, &mut self.outgoing),
                Err(error) => return Err(self.fail(TlsFault::of(error))),
            };
            used += discard;
            if !more {
                return Ok(used);
            }
        }
    }

    /// Nothing more is read; the alert that rustls has for the peer is taken out.
    fn fail(&mut self, fault: TlsFault) -> TlsFault {
        self.stage = Stage::Over;
        self.held = Vec::new();
        // Not once more than there are alerts: it would read on.
        while self.connection.wants_write() {
            let state = self.connection.process_tls_records(&mut []).state;
            if !state.is_ok_and(|state| take_outgoing(state, &mut self.outgoing)) {
                break;
            }
        }
        fault
    }

    /// Encrypts `plain` and appends it to `out`, behind what TLS itself has to say. False: it may not be said,
    /// because the handshake is not through or the connection is over; then only the latter is appended.
    #[must_use]
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> bool {
        self.write(out, |traffic, room| traffic.encrypt(plain, room), sealed_bytes_max(plain.len()))
    }

    /// Appends what is to be sent of itself.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.outgoing);
        // At rest there is no buffer.
        self.outgoing = Vec::new();
    }

    /// Whether [`Self::flush`] has something.
    pub fn wants_flush(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Says that nothing more will come (RFC 8446, section 6.1), so that the peer can tell an end from a cut. It does
    /// nothing while the handshake is not through, or after a fault, which says enough.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if self.write(out, |traffic, room| traffic.queue_close_notify(room), sealed_bytes_max(ALERT_BYTES)) {
            self.stage = Stage::Over;
        }
    }

    fn write(
        &mut self,
        out: &mut Vec<u8>,
        encrypt: impl Fn(&mut WriteTraffic<'_, ServerConnectionData>, &mut [u8]) -> Result<usize, EncryptError>,
        bytes_max: usize,
    ) -> bool {
        self.flush(out);
        if !matches!(self.stage, Stage::Open | Stage::PeerEnded) {
            return false;
        }
        loop {
            // What is held was read as far as it goes: nothing is made of it here.
            match self.connection.process_tls_records(&mut self.held).state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    return append(out, bytes_max, |room| encrypt(&mut traffic, room));
                }
                Ok(state) => {
                    if !take_outgoing(state, out) {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
    }
}

/// Appends what TLS has to say of itself to `out`; false: that was not what it waits for.
fn take_outgoing(state: ConnectionState<'_, '_, ServerConnectionData>, out: &mut Vec<u8>) -> bool {
    match state {
        ConnectionState::EncodeTlsData(mut message) => append(out, MESSAGE_BYTES, |room| {
            message.encode(room).map_err(|error| match error {
                EncodeError::InsufficientSize(size) => EncryptError::InsufficientSize(size),
                EncodeError::AlreadyEncoded => unreachable!("each is encoded once"),
            })
        }),
        // What was appended is as good as sent.
        ConnectionState::TransmitTlsData(sent) => {
            sent.done();
            true
        }
        _ => false,
    }
}

/// Appends what `write` puts into a slice of `bytes_max` bytes, or of as many as it asks for then. False: the keys
/// are used up, after 2^24 records at least.
fn append(
    out: &mut Vec<u8>,
    bytes_max: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> bool {
    let start = out.len();
    let mut room = bytes_max;
    loop {
        out.resize(start + room, 0);
        match write(&mut out[start..]) {
            Ok(written) => {
                out.truncate(start + written);
                return true;
            }
            Err(EncryptError::InsufficientSize(size)) => room = size.required_size,
            Err(EncryptError::EncryptExhausted) => {
                out.truncate(start);
                return false;
            }
        }
    }
}

/// What plaintext becomes at most.
fn sealed_bytes_max(plain_bytes: usize) -> usize {
    plain_bytes + plain_bytes.div_ceil(FRAGMENT_BYTES_MAX) * OVERHEAD_BYTES_MAX
}
