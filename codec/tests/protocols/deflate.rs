//! `permessage-deflate` against RFC 7692's own examples, tables of offers and faults, and every split.

use std::ops::ControlFlow;

use codec::Decoded;
use codec::http::{self, Limits};
use codec::websocket::{
    COMPRESSED_BYTES_MIN, Compressor, Decoder, Decompressor, Deflate, HandshakeError, Incoming, Opcode, Side,
    accept_upgrade, accept_upgrade_with_deflate, encode_masked_frame,
};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use proptest::prelude::*;

use super::table::{assert_at_every_split, from_hex, table};

const MESSAGE_BYTES_MAX: usize = 70_000;
const HEAD_LIMITS: Limits = Limits { head_bytes_max: 8192, headers_max: 64, body_bytes_max: 0 };
const RSV1: u8 = 0x40;

/// What a connection's bytes mean: one line a message, and at last the fault.
fn understand(side: Side, pieces: &[&[u8]]) -> Vec<String> {
    let mut decoder = Decoder::with_deflate(side, MESSAGE_BYTES_MAX);
    let mut decompressor = Decompressor::default();
    let mut heard = Vec::new();
    for piece in pieces {
        let mut raw = piece.to_vec();
        let result = decoder.receive_with(&mut raw, &mut decompressor, &mut |incoming| {
            heard.push(format!("{incoming:?}"));
            ControlFlow::Continue(())
        });
        match result {
            Ok(used) => assert_eq!(used, raw.len(), "all is taken"),
            Err(error) => {
                heard.push(format!("{error:?}"));
                break;
            }
        }
    }
    heard
}

#[test]
fn the_vectors_are_understood_at_every_split() {
    for case in table(include_str!("../vectors/websocket/deflate.txt")) {
        let [side, hex, expected] = case.columns();
        let side = if side == "server" { Side::Server } else { Side::Client };
        let bytes = from_hex(hex);
        let expected: Vec<&str> = expected.split(" | ").collect();
        assert_at_every_split(&bytes, &expected, &case, |pieces| understand(side, pieces));
    }
}

fn offer(field: &str, answer: impl FnOnce(&http::RequestHead<'_>, &mut Vec<u8>)) -> String {
    let raw = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: {field}\r\n\r\n"
    );
    let Ok(Decoded::Complete { value: head, .. }) = http::decode_request_head(raw.as_bytes(), &HEAD_LIMITS)
    else {
        panic!("{raw} is no head");
    };
    let mut out = Vec::new();
    answer(&head, &mut out);
    String::from_utf8(out).expect("the answer is text")
}

#[test]
fn offers_are_answered_as_the_table_says() {
    const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for case in table(include_str!("../vectors/websocket/offers.txt")) {
        let [expected, field] = case.columns();
        let mut agreed = None;
        let answer =
            offer(field, |head, out| agreed = Some(accept_upgrade_with_deflate(head, "x", true, out)));
        let agreed = agreed.expect("an answer");
        let extensions = answer.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
        match expected {
            "fault" => {
                assert_eq!(agreed, Err(HandshakeError::BadExtensions), "{case}");
                assert_eq!(answer, "", "{case}");
                continue;
            }
            "none" => assert_eq!((agreed, extensions), (Ok(None), None), "{case}"),
            "plain" => {
                assert_eq!((agreed, extensions), (Ok(Some(Deflate::LARGEST_WINDOW)), Some(PLAIN)), "{case}");
            }
            window => {
                let bits: u32 = window.trim_start_matches("+ ").parse().expect("a number");
                let window = agreed.expect("no fault").expect("accepted").window_bytes();
                assert_eq!(window, 2_usize.pow(bits), "{case}");
                let answer = format!("{PLAIN}; server_max_window_bits={bits}");
                assert_eq!(extensions, Some(answer.as_str()), "{case}");
            }
        }
        assert!(answer.starts_with("HTTP/1.1 101 ") && answer.ends_with("\r\n\r\n"), "{case}");
    }
}

#[test]
fn offers_may_come_in_several_fields() {
    let two = "permessage-deflate; server_max_window_bits=7\r\nSec-WebSocket-Extensions: permessage-deflate";
    let answer = offer(two, |head, out| {
        accept_upgrade_with_deflate(head, "x", true, out).expect("well offered");
    });
    assert!(answer.contains("\r\nSec-WebSocket-Extensions: permessage-deflate; "), "{answer}");
}

#[test]
fn without_the_setting_no_offer_is_accepted() {
    let answer = offer("permessage-deflate", |head, out| {
        accept_upgrade(head, "x", out).expect("well asked");
    });
    assert!(answer.starts_with("HTTP/1.1 101 ") && !answer.contains("Extensions"), "{answer}");
}

/// A bit-for-bit sender: `level` and `bits` of zlib, flushed after each of `flushes`, ended by a last block if
/// `last` says so.
fn deflate(plain: &[u8], level: u32, bits: u8, flushes: &[usize], last: bool) -> Vec<u8> {
    let mut stream = Compress::new_with_window_bits(Compression::new(level), false, bits);
    let mut out = Vec::with_capacity(2 * plain.len() + 1000);
    let mut rest = plain;
    for &size in flushes {
        let (start, end) = rest.split_at(size.min(rest.len()));
        stream.compress_vec(start, &mut out, FlushCompress::Sync).expect("room");
        rest = end;
    }
    if last {
        stream.compress_vec(rest, &mut out, FlushCompress::Finish).expect("room");
        out.push(0);
        return out;
    }
    stream.compress_vec(rest, &mut out, FlushCompress::Sync).expect("room");
    let whole = out.strip_suffix(&[0, 0, 0xff, 0xff]).map(<[u8]>::to_vec);
    // Flushed twice, nothing comes of the second.
    whole.unwrap_or_else(|| vec![0])
}

fn fragments(opcode: Opcode, payload: &[u8], sizes: &[usize]) -> Vec<u8> {
    let (mut out, mut opcode, mut rest, mut flags) = (Vec::new(), opcode, payload, RSV1);
    for &size in sizes {
        let (start, end) = rest.split_at(size.min(rest.len()));
        let at = out.len();
        encode_masked_frame(opcode, start, [1, 2, 3, 4], &mut out);
        out[at] = (out[at] & 0x7f) | flags;
        encode_masked_frame(Opcode::Ping, b"", [5, 6, 7, 8], &mut out);
        (opcode, rest, flags) = (Opcode::Continuation, end, 0);
    }
    let at = out.len();
    encode_masked_frame(opcode, rest, [1, 2, 3, 4], &mut out);
    out[at] |= flags;
    out
}

#[test]
fn a_compressed_message_too_large_is_refused_from_its_header() {
    let header = |first: u8, length: u64| {
        let mut bytes = vec![first, 0xff];
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes
    };
    let most = (MESSAGE_BYTES_MAX + MESSAGE_BYTES_MAX / 8 + MESSAGE_BYTES_MAX / 64 + 64) as u64;
    assert!(understand(Side::Server, &[&header(0xc2, most)]).is_empty());
    assert_eq!(understand(Side::Server, &[&header(0xc2, most + 1)]), ["MessageTooLarge"]);
    let mut stream = vec![0x42, 0x81, 0, 0, 0, 0, b'x'];
    stream.extend_from_slice(&header(0x80, most));
    assert_eq!(understand(Side::Server, &[&stream]), ["MessageTooLarge"]);
    // What is not compressed has no more room than before.
    assert_eq!(understand(Side::Server, &[&header(0x82, 70_001)]), ["MessageTooLarge"]);
}

#[test]
fn what_cannot_be_compressed_passes_at_its_full_size_whatever_zlib_made_of_it() {
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(MESSAGE_BYTES_MAX)
    .collect();
    for level in 0..=9 {
        for bits in [9, 15] {
            let payload = deflate(&noise, level, bits, &[], false);
            let stream = fragments(Opcode::Binary, &payload, &[]);
            let expected = format!("{:?}", Incoming::Binary(&noise));
            assert!(understand(Side::Server, &[&stream]) == [expected], "level {level}, {bits} bits");
        }
    }
}

#[test]
fn a_bomb_gets_1009_whole_and_in_fragments() {
    let bomb = deflate(&vec![0; 30 << 20], 9, 15, &[], false);
    assert!(bomb.len() < MESSAGE_BYTES_MAX, "it would pass by its size");
    for sizes in [&[][..], &[1, 1000, 7]] {
        let heard = understand(Side::Server, &[&fragments(Opcode::Binary, &bomb, sizes)]);
        assert_eq!(heard.last().expect("a fault"), "MessageTooLarge");
    }
}

#[test]
fn blocks_that_all_say_they_are_the_last_are_not_followed_for_ever() {
    let blocks = [3, 0].repeat(30_000);
    assert_eq!(understand(Side::Server, &[&fragments(Opcode::Binary, &blocks, &[])]), ["BadDeflate"]);
}

#[test]
fn between_fragments_only_the_bytes_that_came_are_held() {
    let payload = deflate(&[b'x'; 60_000], 6, 15, &[], false);
    let stream = fragments(Opcode::Text, &payload, &[10]);
    let mut decoder = Decoder::with_deflate(Side::Server, MESSAGE_BYTES_MAX);
    let (mut heard, mut decompressor) = (0, Decompressor::default());
    for byte in stream {
        let result = decoder.receive_with(&mut [byte], &mut decompressor, &mut |incoming| {
            heard += usize::from(matches!(incoming, Incoming::Text(text) if text.len() == 60_000));
            ControlFlow::Continue(())
        });
        result.expect("the stream is right");
        assert!(decoder.held_bytes() <= payload.len() + 14, "{} bytes", decoder.held_bytes());
    }
    assert_eq!((heard, decoder.held_bytes()), (1, 0));
}

#[test]
fn short_messages_and_control_frames_are_not_compressed() {
    let first_byte = |opcode: Opcode, payload: &[u8]| {
        let mut out = Vec::new();
        Compressor::default().encode_frame(Deflate::LARGEST_WINDOW, opcode, payload, &mut out);
        out[0]
    };
    assert_eq!(first_byte(Opcode::Text, &[b'x'; COMPRESSED_BYTES_MIN]), 0xc1);
    assert_eq!(first_byte(Opcode::Text, &[b'x'; COMPRESSED_BYTES_MIN - 1]), 0x81);
    assert_eq!(first_byte(Opcode::Pong, &[b'x'; 125]), 0x8a);
    let noise: Vec<u8> = (0..=255_u8)
        .cycle()
        .take(1000)
        .scan(1_u32, |state, byte| {
            *state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            Some((*state >> 24) as u8 ^ byte)
        })
        .collect();
    assert_eq!(first_byte(Opcode::Binary, &noise), 0x82, "noise does not become shorter");
}

fn message() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,1200}",
        "[a-d]{400,4000}",
        ("[您好订单到哪里了a-f]{1,40}", 1_usize..200).prop_map(|(text, times)| text.repeat(times)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn what_any_sender_compresses_is_heard_however_it_is_cut(
        text in message(),
        (level, bits, last) in (0_u32..=9, 9_u8..=15, any::<bool>()),
        flushes in proptest::collection::vec(0_usize..900, 0..3),
        sizes in proptest::collection::vec(0_usize..400, 0..4),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
    ) {
        let payload = deflate(text.as_bytes(), level, bits, &flushes, last);
        let stream = fragments(Opcode::Text, &payload, &sizes);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        let mut expected = vec![format!("{:?}", Incoming::Ping(b"")); sizes.len()];
        expected.push(format!("{:?}", Incoming::Text(&text)));
        prop_assert_eq!(understand(Side::Server, &pieces), expected);
    }

    #[test]
    fn what_we_compress_is_heard_and_keeps_to_the_window(
        texts in proptest::collection::vec(message(), 1..5),
        bits in 8_u32..=15,
    ) {
        let field = format!("permessage-deflate; server_max_window_bits={bits}");
        let mut agreed = None;
        offer(&field, |head, out| agreed = accept_upgrade_with_deflate(head, "x", true, out).expect("well offered"));
        let agreed = agreed.expect("accepted");
        let (mut compressor, mut stream, mut expected) = (Compressor::default(), Vec::new(), Vec::new());
        for text in &texts {
            let start = stream.len();
            compressor.encode_frame(agreed, Opcode::Text, text.as_bytes(), &mut stream);
            let frame = &stream[start..];
            prop_assert!(frame.len() <= text.len() + 4);
            if frame[0] & RSV1 != 0 {
                let header = if frame[1] == 126 { 4 } else { 2 };
                prop_assert_eq!(inflate_within(&frame[header..], bits as u8), text.as_bytes());
            }
            expected.push(format!("{:?}", Incoming::Text(text)));
        }
        prop_assert_eq!(understand(Side::Client, &[&stream]), expected);
    }

    #[test]
    fn a_clients_frames_are_heard_by_a_server(text in message(), mask in any::<[u8; 4]>()) {
        let mut stream = Vec::new();
        Compressor::default().encode_masked_frame(Opcode::Text, text.as_bytes(), mask, &mut stream);
        prop_assert_eq!(understand(Side::Server, &[&stream]), [format!("{:?}", Incoming::Text(&text))]);
    }

    #[test]
    fn no_compressed_bytes_make_a_decoder_panic(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
        let stream = fragments(Opcode::Binary, &raw, &[]);
        let split = stream.len() / 2;
        let whole = understand(Side::Server, &[&stream]);
        prop_assert_eq!(whole.len(), 1);
        prop_assert_eq!(whole, understand(Side::Server, &[&stream[..split], &stream[split..]]));
    }
}

/// As a client with a window of that size and not a byte more: each piece of output leaves its hands.
fn inflate_within(payload: &[u8], bits: u8) -> Vec<u8> {
    let mut stream = Decompress::new_with_window_bits(false, bits);
    let input = [payload, &[0, 0, 0xff, 0xff]].concat();
    let (mut out, mut piece) = (Vec::new(), [0; 64]);
    loop {
        let (taken, made) = (stream.total_in() as usize, stream.total_out());
        stream.decompress(&input[taken..], &mut piece, FlushDecompress::None).expect("within the window");
        let length = (stream.total_out() - made) as usize;
        out.extend_from_slice(&piece[..length]);
        if length < piece.len() && stream.total_in() as usize == input.len() {
            return out;
        }
    }
}
