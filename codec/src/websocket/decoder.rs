//! Bytes of one connection to messages.
//!
//! A frame that lies whole in the receive buffer is unmasked there and handed out as a slice: nothing is
//! copied and nothing allocated. Only what is incomplete is held; of a compressed message, its bytes as they came.

use std::ops::ControlFlow;

use super::deflate::compressed_bytes_max;
use super::header::{self, Expected, Frame, HEADER_BYTES_MAX};
use super::partial::{Message, Partial, Text};
use super::{Decompressor, Incoming, NO_CODE, Opcode, Side, WebSocketError};

/// Bytes of one connection to messages. Holds bytes only while a frame or a message is incomplete.
#[derive(Debug)]
pub struct Decoder {
    /// `None` on an idle connection, and a million connections are idle.
    partial: Option<Box<Partial>>,
    message_bytes_max: u32,
    fragments_max: u32,
    side: Side,
    /// Whether messages may be compressed.
    deflate: bool,
    /// Nothing counts behind a close frame or a fault.
    ended: bool,
    /// The beginning of a header.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: u8,
}

/// A million idle connections hold a million of these.
const DECODER_BYTES_MAX: usize = 64;
const _: () = assert!(size_of::<Decoder>() <= DECODER_BYTES_MAX);

type OnMessage<'f> = dyn FnMut(Incoming<'_>) -> ControlFlow<()> + 'f;

impl Decoder {
    /// `message_bytes_max` bounds one message, over all its fragments; at most 4 GiB − 1.
    pub fn new(side: Side, message_bytes_max: usize) -> Self {
        let message_bytes_max = u32::try_from(message_bytes_max).unwrap_or(u32::MAX);
        let header = [0; HEADER_BYTES_MAX];
        let fragments_max = u32::MAX;
        let deflate = false;
        Self {
            partial: None,
            message_bytes_max,
            fragments_max,
            side,
            deflate,
            ended: false,
            header,
            header_bytes: 0,
        }
    }

    /// Bounds the fragments of one message, too: empty ones are within any number of bytes, and never end.
    pub fn with_fragments_max(self, fragments_max: u32) -> Self {
        Self { fragments_max, ..self }
    }

    /// The same for a connection that agreed on `permessage-deflate`: `message_bytes_max` bounds a message before
    /// it is compressed. On the wire a compressed one may be longer by a sixth, the worst that zlib makes of it.
    pub fn with_deflate(side: Side, message_bytes_max: usize) -> Self {
        Self { deflate: true, ..Self::new(side, message_bytes_max) }
    }

    /// Takes what arrived, unmasking in place, and reports each whole message and control frame. Returns
    /// how many bytes of `raw` were taken: all of them, unless `on_message` broke off. The rest may be
    /// given again, also to this decoder on another shard.
    ///
    /// After a close frame or an error the connection has nothing more to say: what still comes is taken
    /// and ignored (RFC 6455 section 5.5.1).
    pub fn receive(
        &mut self,
        raw: &mut [u8],
        on_message: &mut OnMessage<'_>,
    ) -> Result<usize, WebSocketError> {
        self.receive_with(raw, &mut Decompressor::default(), on_message)
    }

    /// The same with what compressed messages need, so that it is not made anew for each.
    pub fn receive_with(
        &mut self,
        raw: &mut [u8],
        decompressor: &mut Decompressor,
        on_message: &mut OnMessage<'_>,
    ) -> Result<usize, WebSocketError> {
        let mut used = 0;
        while used < raw.len() && !self.ended {
            match self.receive_frame(&mut raw[used..], decompressor, on_message) {
                Ok((taken, flow)) => {
                    used += taken;
                    if flow.is_break() {
                        return Ok(used);
                    }
                }
                Err(error) => {
                    self.ended = true;
                    self.partial = None;
                    return Err(error);
                }
            }
        }
        Ok(raw.len())
    }

    /// Bytes held for an incomplete frame or message. Their buffers grow by doubling, so the memory they
    /// take is at most twice that and a small constant.
    pub fn held_bytes(&self) -> usize {
        usize::from(self.header_bytes) + self.partial.as_ref().map_or(0, |partial| partial.held_bytes())
    }

    /// Takes bytes up to the end of one frame, or all there are.
    fn receive_frame(
        &mut self,
        raw: &mut [u8],
        decompressor: &mut Decompressor,
        on_message: &mut OnMessage<'_>,
    ) -> Result<(usize, ControlFlow<()>), WebSocketError> {
        if self.partial.as_ref().is_some_and(|partial| partial.frame.is_some()) {
            return self.receive_payload(raw, decompressor, on_message);
        }
        let Some((frame, header_bytes)) = self.receive_header(raw)? else {
            return Ok((raw.len(), ControlFlow::Continue(())));
        };
        let payload = &mut raw[header_bytes..];
        let in_message = self.partial.is_some();
        let alone = frame.opcode.is_control() || (frame.last && !in_message);
        if alone && payload.len() >= frame.length {
            let payload = &mut payload[..frame.length];
            unmask(payload, &frame, 0);
            self.ended |= frame.opcode == Opcode::Close;
            let flow = match frame.compressed {
                true => self.decompressed(frame.opcode, payload, decompressor, on_message)?,
                false => on_message(incoming(frame.opcode, payload)?),
            };
            return Ok((header_bytes + frame.length, flow));
        }
        self.begin(frame)?;
        let (taken, flow) = self.receive_payload(payload, decompressor, on_message)?;
        Ok((header_bytes + taken, flow))
    }

    /// The next frame, and how many bytes of `raw` its header took. Without one, all of `raw` was kept.
    fn receive_header(&mut self, raw: &[u8]) -> Result<Option<(Frame, usize)>, WebSocketError> {
        let expected = self.expected();
        let before = usize::from(self.header_bytes);
        if before == 0
            && let Some(whole) = header::parse(raw, &expected)?
        {
            return Ok(Some(whole));
        }
        let added = raw.len().min(HEADER_BYTES_MAX - before);
        self.header[before..before + added].copy_from_slice(&raw[..added]);
        match header::parse(&self.header[..before + added], &expected)? {
            Some((frame, header_bytes)) => {
                self.header_bytes = 0;
                Ok(Some((frame, header_bytes - before)))
            }
            None => {
                debug_assert!(before + added < HEADER_BYTES_MAX, "a header of full length is whole");
                self.header_bytes = (before + added) as u8;
                Ok(None)
            }
        }
    }

    fn expected(&self) -> Expected {
        let bytes_max = self.message_bytes_max as usize;
        let compressed_bytes_max = compressed_bytes_max(bytes_max);
        let message = self.partial.as_ref().map(|partial| &partial.message);
        let held = message.and_then(Message::len);
        let message_bytes_left = match message {
            Some(Message::Compressed { bytes, .. }) => compressed_bytes_max - bytes.len(),
            _ => bytes_max - held.unwrap_or(0),
        };
        Expected {
            side: self.side,
            in_message: held.is_some(),
            message_bytes_left,
            compressed_bytes_max: self.deflate.then_some(compressed_bytes_max),
        }
    }

    /// Makes room for a frame that is not whole yet, or is a part of a message.
    fn begin(&mut self, frame: Frame) -> Result<(), WebSocketError> {
        let partial = self.partial.get_or_insert_default();
        partial.received = 0;
        match frame.opcode {
            opcode if frame.compressed => partial.message = Message::Compressed { opcode, bytes: Vec::new() },
            Opcode::Text => partial.message = Message::Text(Text::default()),
            Opcode::Binary => partial.message = Message::Binary(Vec::new()),
            Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => {}
        }
        if !frame.opcode.is_control() {
            partial.fragments = partial.fragments.saturating_add(1);
        }
        if partial.fragments > self.fragments_max {
            return Err(WebSocketError::TooManyFragments);
        }
        partial.frame = Some(frame);
        Ok(())
    }

    /// Takes payload of the frame under way.
    fn receive_payload(
        &mut self,
        raw: &mut [u8],
        decompressor: &mut Decompressor,
        on_message: &mut OnMessage<'_>,
    ) -> Result<(usize, ControlFlow<()>), WebSocketError> {
        let partial = self.partial.as_mut().expect("a frame is under way");
        let frame = partial.frame.expect("a frame is under way");
        let control = frame.opcode.is_control();
        let taken = raw.len().min(frame.length - partial.received);
        let payload = &mut raw[..taken];
        unmask(payload, &frame, partial.received);
        partial.append(payload, control)?;
        if partial.received < frame.length {
            return Ok((taken, ControlFlow::Continue(())));
        }
        partial.frame = None;
        let flow = match control {
            true => self.finish_control(frame.opcode, on_message)?,
            false if frame.last => self.finish_message(decompressor, on_message)?,
            false => ControlFlow::Continue(()),
        };
        Ok((taken, flow))
    }

    fn finish_control(
        &mut self,
        opcode: Opcode,
        on_message: &mut OnMessage<'_>,
    ) -> Result<ControlFlow<()>, WebSocketError> {
        let partial = self.partial.as_mut().expect("a control frame was under way");
        let payload = std::mem::take(&mut partial.control);
        if matches!(partial.message, Message::None) {
            self.partial = None;
        }
        self.ended |= opcode == Opcode::Close;
        Ok(on_message(incoming(opcode, &payload)?))
    }

    fn finish_message(
        &mut self,
        decompressor: &mut Decompressor,
        on_message: &mut OnMessage<'_>,
    ) -> Result<ControlFlow<()>, WebSocketError> {
        let partial = self.partial.take().expect("a message was under way");
        Ok(match &partial.message {
            Message::None => unreachable!("a data frame's header begins its message"),
            Message::Text(text) => on_message(Incoming::Text(text.finish()?)),
            Message::Binary(bytes) => on_message(Incoming::Binary(bytes)),
            Message::Compressed { opcode, bytes } => {
                self.decompressed(*opcode, bytes, decompressor, on_message)?
            }
        })
    }

    /// Reports a compressed message that has come whole.
    fn decompressed(
        &self,
        opcode: Opcode,
        payload: &[u8],
        decompressor: &mut Decompressor,
        on_message: &mut OnMessage<'_>,
    ) -> Result<ControlFlow<()>, WebSocketError> {
        let message = decompressor.decompress(payload, self.message_bytes_max as usize);
        let flow = message.and_then(|message| Ok(on_message(incoming(opcode, message)?)));
        decompressor.give_back();
        flow
    }
}

fn unmask(payload: &mut [u8], frame: &Frame, offset: usize) {
    if let Some(mask) = frame.mask {
        header::apply_mask(payload, mask, offset);
    }
}

/// The payload of one whole frame, checked.
fn incoming(opcode: Opcode, payload: &[u8]) -> Result<Incoming<'_>, WebSocketError> {
    match opcode {
        Opcode::Text => {
            std::str::from_utf8(payload).map(Incoming::Text).map_err(|_| WebSocketError::TextNotUtf8)
        }
        Opcode::Binary => Ok(Incoming::Binary(payload)),
        Opcode::Ping => Ok(Incoming::Ping(payload)),
        Opcode::Pong => Ok(Incoming::Pong(payload)),
        Opcode::Close => close(payload),
        Opcode::Continuation => unreachable!("a continuation is never alone"),
    }
}

/// RFC 6455 sections 5.5.1 and 7.4.
fn close(payload: &[u8]) -> Result<Incoming<'_>, WebSocketError> {
    match payload {
        [] => Ok(Incoming::Close(NO_CODE, "")),
        [_] => Err(WebSocketError::CloseTooShort),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !may_be_sent(code) {
                return Err(WebSocketError::BadCloseCode);
            }
            let reason = std::str::from_utf8(reason).map_err(|_| WebSocketError::ReasonNotUtf8)?;
            Ok(Incoming::Close(code, reason))
        }
    }
}

/// The codes of RFC 6455 that go over the wire, those registered since (1012 to 1014), and the ranges left
/// to libraries and applications.
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
