//! HTTP/1.1 against tables of what is accepted and refused, smuggling first of all, at every split.

use codec::Decoded;
use codec::http::{
    BodyDecoder, BodyLength, HEADERS_MAX, HttpError, Limits, OVERHEAD_BYTES_MAX, decode_request_head,
    encode_response_head, reason,
};
use proptest::prelude::*;

use super::table::{table, unescape};

const LIMITS: Limits = Limits { head_bytes_max: 512, headers_max: 8, body_bytes_max: 32 };

/// What a head means, in the words of the table, and how many bytes it took.
fn understand(raw: &[u8]) -> (String, usize) {
    match decode_request_head(raw, &LIMITS) {
        Err(error) => (format!("{error:?}"), 0),
        Ok(Decoded::NeedMore) => ("NeedMore".to_owned(), 0),
        Ok(Decoded::Complete { value: head, used }) => {
            let body = match head.body {
                BodyLength::None => "none".to_owned(),
                BodyLength::Exactly(length) => length.to_string(),
                BodyLength::Chunked => "chunked".to_owned(),
            };
            let close = if head.keep_alive { "" } else { " close" };
            let expects = if head.expects_continue { " continue" } else { "" };
            (format!("{} {} {body}{close}{expects}", head.method, head.target), used)
        }
    }
}

#[test]
fn heads_are_taken_and_refused_as_the_table_says() {
    for case in table(include_str!("../vectors/http/heads.txt")) {
        let (expected, bytes) = case.line.split_once("  ").expect("two columns");
        let bytes = unescape(bytes);
        let (meaning, used) = understand(&bytes);
        assert_eq!(meaning, expected, "{case}");
        for end in 0..bytes.len() {
            let (early, early_used) = understand(&bytes[..end]);
            let same = early == meaning && early_used == used;
            assert!(early == "NeedMore" || same, "{case} cut at {end} is {early}");
            assert!(!same || used == 0 || end >= used, "{case} is not whole at {end}");
        }
    }
}

#[test]
fn a_head_beyond_its_limit_is_refused_before_it_ends() {
    let long_target = format!("GET /{}", "a".repeat(600));
    let long_field = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(600));
    let check = |text: &str, expected: HttpError| {
        for length in [512, 513, text.len()] {
            let error = decode_request_head(&text.as_bytes()[..length], &LIMITS);
            assert_eq!(error, Err(expected), "{length}");
        }
        assert_eq!(decode_request_head(&text.as_bytes()[..511], &LIMITS), Ok(Decoded::NeedMore));
    };
    check(&long_target, HttpError::TargetTooLong);
    check(&long_field, HttpError::HeadTooLarge);
    let exact = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(512 - 25 - 3 - 4));
    assert_eq!(exact.len(), 512);
    assert_eq!(understand(exact.as_bytes()), ("GET / none".to_owned(), 512));
    let over = exact.replace("X: a", "X: aa");
    assert_eq!(understand(over.as_bytes()).0, "HeadTooLarge");
}

#[test]
fn no_limit_of_fields_goes_beyond_the_greatest() {
    let limits = Limits { head_bytes_max: 1 << 16, headers_max: usize::MAX, body_bytes_max: 0 };
    let head = |fields: usize| format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(fields));
    assert!(decode_request_head(head(HEADERS_MAX).as_bytes(), &limits).is_ok());
    let over = head(HEADERS_MAX + 1);
    let error = decode_request_head(over.as_bytes(), &limits);
    assert_eq!(error, Err(HttpError::TooManyHeaders));
}

#[test]
fn fields_are_found_without_regard_to_case() {
    let raw = b"GET / HTTP/1.1\r\nHost: a\r\nX-One:  first \r\nx-one: second\r\n\r\n";
    let Ok(Decoded::Complete { value: head, .. }) = decode_request_head(raw, &LIMITS) else {
        panic!("the head is right");
    };
    assert_eq!(head.header("X-ONE"), Some(b"first".as_slice()));
    assert_eq!(head.values("x-One").count(), 2);
    assert_eq!(head.header("X-Two"), None);
}

/// What a body means, in the words of the table.
fn read_body(length: BodyLength, pieces: &[&[u8]]) -> String {
    let mut decoder = match BodyDecoder::new(length, &LIMITS) {
        Ok(decoder) => decoder,
        Err(error) => return format!("{error:?}"),
    };
    let (mut body, mut left, mut whole) = (Vec::new(), Vec::new(), false);
    for piece in pieces {
        match decoder.receive(piece, &mut body) {
            Err(error) => return format!("{error:?}"),
            Ok((used, complete)) => {
                assert!(complete || used == piece.len(), "all is taken while more is needed");
                left.extend_from_slice(&piece[used..]);
                whole = complete;
            }
        }
    }
    assert!(body.len() as u64 <= LIMITS.body_bytes_max, "the limit holds");
    let text = |bytes: &[u8]| format!("{:?}", String::from_utf8_lossy(bytes));
    match (whole, left.is_empty()) {
        (false, _) => "more".to_owned(),
        (true, true) => text(&body),
        (true, false) => format!("{} + {}", text(&body), text(&left)),
    }
}

#[test]
fn chunked_bodies_are_read_as_the_table_says_at_every_split() {
    for case in table(include_str!("../vectors/http/bodies.txt")) {
        let (expected, bytes) = case.line.split_once("  ").expect("two columns");
        let bytes = unescape(bytes);
        for at in 0..=bytes.len() {
            let (start, end) = bytes.split_at(at);
            assert_eq!(read_body(BodyLength::Chunked, &[start, end]), expected, "{case} split at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read_body(BodyLength::Chunked, &single), expected, "{case} byte by byte");
    }
}

#[test]
fn counted_bodies_end_where_they_should() {
    assert_eq!(read_body(BodyLength::None, &[b"GET"]), r#""" + "GET""#);
    assert_eq!(read_body(BodyLength::Exactly(5), &[b"he", b"llo", b"GET"]), r#""hello" + "GET""#);
    assert_eq!(read_body(BodyLength::Exactly(5), &[b"hell"]), "more");
    assert_eq!(read_body(BodyLength::Exactly(33), &[]), "BodyTooLarge");
}

#[test]
fn extensions_and_trailers_are_bounded_together() {
    let most = OVERHEAD_BYTES_MAX as usize;
    let check = |bytes: String, expected: &str| {
        assert_eq!(read_body(BodyLength::Chunked, &[bytes.as_bytes()]), expected);
    };
    check(format!("0;{}\r\n\r\n", "a".repeat(most)), r#""""#);
    check(format!("0;{}\r\n\r\n", "a".repeat(most + 1)), "ChunkOverheadTooLarge");
    check(format!("0\r\n{}\r\n", "a: b\r\n".repeat(most / 4 + 1)), "ChunkOverheadTooLarge");
    check(format!("{}0;{}\r\n", "1;aaa\r\nx\r\n".repeat(32), "a".repeat(most)), "ChunkOverheadTooLarge");
}

#[test]
fn every_fault_has_its_answer() {
    for error in HttpError::ALL {
        assert!(!reason(error.status()).is_empty(), "{error:?}");
        assert!(error.text().ends_with('.'), "{error:?}");
    }
}

#[test]
fn a_response_head_is_written_plainly() {
    let mut out = b"before".to_vec();
    let fields = [("Content-Length", b"2".as_slice()), ("X-Text", b"a: b")];
    encode_response_head(404, fields, &mut out);
    assert_eq!(out, b"beforeHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX-Text: a: b\r\n\r\n");
    let mut out = Vec::new();
    encode_response_head(299, [], &mut out);
    assert_eq!(out, b"HTTP/1.1 299 \r\n\r\n");
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "would break the response's framing"))]
fn a_field_that_would_end_its_line_is_never_written() {
    let mut out = Vec::new();
    encode_response_head(200, [("X", b"a\r\nSet-Cookie: b".as_slice())], &mut out);
    assert_eq!(out, b"HTTP/1.1 200 OK\r\n\r\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_head_that_was_written_is_read_back(
        method in "[A-Z]{1,10}",
        target in "/[!-\"$-~]{0,60}",
        fields in proptest::collection::vec(("X-[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,10}", "([!-~]([ -~\t]{0,20}[!-~])?)?"), 0..7),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut raw = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n");
        for (name, value) in &fields {
            raw.push_str(&format!("{name}: {value}\r\n"));
        }
        raw.push_str("\r\n");
        let limits = Limits { head_bytes_max: 4096, ..LIMITS };
        let early = decode_request_head(&raw.as_bytes()[..cut.index(raw.len())], &limits);
        prop_assert_eq!(early, Ok(Decoded::NeedMore));
        let Ok(Decoded::Complete { value: head, used }) = decode_request_head(raw.as_bytes(), &limits) else {
            return Err(TestCaseError::fail(raw));
        };
        prop_assert_eq!((head.method, head.target, used), (method.as_str(), target.as_str(), raw.len()));
        let read: Vec<(&str, &[u8])> = head.headers[1..].to_vec();
        let written: Vec<(&str, &[u8])> = fields.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn a_body_that_was_chunked_is_read_back(
        body in proptest::collection::vec(any::<u8>(), 0..=32),
        sizes in proptest::collection::vec(1_usize..10, 0..8),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
    ) {
        let (mut raw, mut rest) = (Vec::new(), body.as_slice());
        for size in sizes.into_iter().chain([32]) {
            let (chunk, after) = rest.split_at(size.min(rest.len()));
            if !chunk.is_empty() {
                raw.extend_from_slice(format!("{:x};e\r\n", chunk.len()).as_bytes());
                raw.extend_from_slice(chunk);
                raw.extend_from_slice(b"\r\n");
            }
            rest = after;
        }
        raw.extend_from_slice(b"0\r\nT: x\r\n\r\n");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(raw.len())).collect();
        cuts.extend([0, raw.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &raw[pair[0]..pair[1]]).collect();
        let text = format!("{:?}", String::from_utf8_lossy(&body));
        prop_assert_eq!(read_body(BodyLength::Chunked, &pieces), text);
    }

    #[test]
    fn no_bytes_make_a_head_panic(raw in proptest::collection::vec(any::<u8>(), 0..600)) {
        understand(&raw);
        read_body(BodyLength::Chunked, &[&raw]);
    }
}
