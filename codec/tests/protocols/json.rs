//! `ringdesk.v1` against tables of what is accepted and refused, and there and back for everything that can
//! be said.

use std::borrow::Cow;

use codec::json::{AT_MS_MAX, decode_client, decode_server, encode_client, encode_server};
use codec::message::{
    ClientMessage, Content, Estimate, Event, EventKind, Hello, Outlook, PresenceState,
    RESUMED_CONVERSATIONS_MAX, Role, ServerMessage, TransferTarget,
};
use proptest::option::of;
use proptest::prelude::*;

use super::table::table;

fn written(message: &ClientMessage<'_>) -> String {
    let mut out = Vec::new();
    encode_client(message, &mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// What a text means, in the words of the table.
fn understand(text: &str) -> String {
    match decode_client(text) {
        Ok(message) => written(&message),
        Err(error) => format!("{} {} {}", error.code(), error.id().unwrap_or("-"), error.text()),
    }
}

/// Replaces `^N^` by N times the letter x.
fn expand(text: &str) -> String {
    let parts: Vec<&str> = text.split('^').collect();
    let part = |(index, part): (usize, &&str)| match index % 2 {
        0 => (*part).to_owned(),
        _ => "x".repeat(part.parse().expect("a number between carets")),
    };
    parts.iter().enumerate().map(part).collect()
}

#[test]
fn client_texts_are_taken_and_refused_as_the_table_says() {
    for case in table(include_str!("../vectors/json/client.txt")) {
        let (expected, text) = case.line.split_once("  ").expect("two columns");
        let (expected, text) = (expand(expected), expand(text));
        assert_eq!(understand(&text), expected, "{case}");
        let whole = if decode_client(&text).is_ok() { text.trim_end() } else { "" };
        for (at, _) in whole.char_indices().take(300) {
            let refused = decode_client(&whole[..at]).expect_err("half a text is none");
            assert_eq!(refused.code(), "not_json", "{case} cut at {at}");
        }
    }
}

#[test]
fn a_text_without_escapes_is_borrowed() {
    let text = r#"{"type":"message","id":"m1","conversation":"c","content":{"kind":"text","text":"hello"}}"#;
    let Ok(ClientMessage::Message { id, conversation, content: Content::Text { text } }) =
        decode_client(text)
    else {
        panic!("the text is a message");
    };
    assert!(matches!(id, Cow::Borrowed("m1")));
    assert!(matches!(conversation, Some(Cow::Borrowed("c"))));
    assert!(matches!(text, Cow::Borrowed("hello")));
}

#[test]
fn an_agent_resumes_a_bounded_number_of_conversations() {
    let hello = |count: usize| {
        let members: Vec<String> = (0..count).map(|index| format!(r#""c{index}":1"#)).collect();
        let text = format!(
            r#"{{"type":"hello","role":"agent","token":"t","conversations":{{{}}}}}"#,
            members.join(",")
        );
        decode_client(&text).map(drop).map_err(|error| error.code())
    };
    assert_eq!(hello(RESUMED_CONVERSATIONS_MAX), Ok(()));
    assert_eq!(hello(RESUMED_CONVERSATIONS_MAX + 1), Err("too_large"));
}

#[test]
fn a_deep_text_is_refused_or_skipped_without_harm() {
    for text in [
        format!(r#"{{"type":"human","x":{}"#, "[".repeat(1 << 20)),
        format!(r#"{{"type":"human","x":{}"#, r#"{"a":"#.repeat(1 << 18)),
        "[".repeat(1 << 20),
    ] {
        assert_eq!(decode_client(&text).map(drop).map_err(|error| error.code()), Err("not_json"));
    }
}

/// Every server message with the text that DESIGN promises.
fn known_server_messages() -> Vec<(ServerMessage<'static>, &'static str)> {
    let event = Event {
        conversation: "c1".into(),
        seq: 18,
        at_ms: 1_794_355_200_123,
        kind: EventKind::Message,
        id: "m1".into(),
        role: Role::Agent,
        from_id: "li".into(),
        from_name: "李".into(),
        content: r#"{"kind":"text","text":"你好"}"#.into(),
    };
    let bare = Event {
        kind: EventKind::Queue,
        id: "".into(),
        role: Role::System,
        from_id: "".into(),
        from_name: "".into(),
        content: r#"{"place":1,"waiting":3}"#.into(),
        ..event.clone()
    };
    vec![
        (
            ServerMessage::Welcome {
                conversation: Some("c1".into()),
                seq: 17,
                token: Some("t".into()),
                version: "0.1.0".into(),
                heartbeat_ms: 30_000,
            },
            r#"{"type":"welcome","conversation":"c1","seq":17,"token":"t","server":{"version":"0.1.0","heartbeat_ms":30000}}"#,
        ),
        (
            ServerMessage::Ack { id: "m1".into(), seq: 18, at_ms: 1_794_355_200_123 },
            r#"{"type":"ack","id":"m1","seq":18,"at":"2026-11-11T00:00:00.123Z"}"#,
        ),
        (
            ServerMessage::Refused {
                id: "m1".into(),
                code: "overloaded".into(),
                text: "Busy.".into(),
                retry_after_ms: Some(2000),
                outlook: None,
            },
            r#"{"type":"refused","id":"m1","code":"overloaded","text":"Busy.","retry_after_ms":2000}"#,
        ),
        (
            ServerMessage::Refused {
                id: "m1".into(),
                code: "overloaded".into(),
                text: "Busy.".into(),
                retry_after_ms: Some(2000),
                outlook: Some(Outlook {
                    place: 42,
                    estimate: Some(Estimate { likely_s: 600, low_s: 450, high_s: 800 }),
                }),
            },
            r#"{"type":"refused","id":"m1","code":"overloaded","text":"Busy.","retry_after_ms":2000,"place":42,"estimate_s":600,"low_s":450,"high_s":800}"#,
        ),
        (
            ServerMessage::Event(event),
            r#"{"type":"event","conversation":"c1","seq":18,"at":"2026-11-11T00:00:00.123Z","kind":"message","id":"m1","from":{"role":"agent","id":"li","name":"李"},"content":{"kind":"text","text":"你好"}}"#,
        ),
        (
            ServerMessage::Event(bare),
            r#"{"type":"event","conversation":"c1","seq":18,"at":"2026-11-11T00:00:00.123Z","kind":"queue","from":{"role":"system"},"content":{"place":1,"waiting":3}}"#,
        ),
        (
            ServerMessage::Typing { conversation: "c1".into(), role: Role::Visitor, text: Some("he".into()) },
            r#"{"type":"typing","conversation":"c1","from":{"role":"visitor"},"text":"he"}"#,
        ),
        (
            ServerMessage::Read { conversation: "c1".into(), role: Role::Agent, seq: 3 },
            r#"{"type":"read","conversation":"c1","from":{"role":"agent"},"seq":3}"#,
        ),
        (
            ServerMessage::Presence { agent: "li".into(), state: None, capacity: 8, serving: 2 },
            r#"{"type":"presence","agent":"li","state":"gone","capacity":8,"serving":2}"#,
        ),
        (ServerMessage::Shedding { step: "typing".into() }, r#"{"type":"shedding","step":"typing"}"#),
        (
            ServerMessage::Error {
                code: "bad_token".into(),
                text: "Log in again.".into(),
                retry_after_ms: None,
            },
            r#"{"type":"error","code":"bad_token","text":"Log in again."}"#,
        ),
        (
            ServerMessage::Error {
                code: "server_stopping".into(),
                text: "Come back.".into(),
                retry_after_ms: Some(1700),
            },
            r#"{"type":"error","code":"server_stopping","text":"Come back.","retry_after_ms":1700}"#,
        ),
    ]
}

#[test]
fn server_messages_are_written_as_promised_and_read_back() {
    for (message, text) in known_server_messages() {
        let mut out = b"before ".to_vec();
        encode_server(&message, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), format!("before {text}"));
        assert_eq!(decode_server(text), Ok(message), "{text}");
    }
}

#[test]
fn server_texts_that_are_none_are_refused() {
    let check = |text: &str, code: &str| {
        assert_eq!(decode_server(text).map_err(|error| error.code()), Err(code), "{text}");
    };
    check("", "not_json");
    check("[]", "not_json");
    check("{}", "missing_field");
    check(r#"{"type":"human"}"#, "unknown_type");
    check(r#"{"type":"ack","id":"m1","seq":18,"at":"yesterday"}"#, "bad_field");
    check(r#"{"type":"welcome","seq":0}"#, "missing_field");
    for (_, text) in known_server_messages() {
        check(&text[..text.len() - 1], "not_json");
    }
}

type Text = Cow<'static, str>;

/// Up to so many characters of the kinds that escapes are about.
fn words(characters_max: usize) -> impl Strategy<Value = Text> {
    let letters = prop_oneof![
        Just('a'),
        Just('"'),
        Just('\\'),
        Just('\n'),
        Just('\u{1}'),
        Just('\u{7f}'),
        Just('\u{2028}'),
        Just('好'),
        Just('😀'),
        any::<char>()
    ];
    let text = proptest::collection::vec(letters, 1..=characters_max);
    text.prop_map(|letters| letters.into_iter().collect::<String>().replace('\0', "0"))
        .prop_filter("more than white space", |text| !text.trim().is_empty())
        .prop_map(Cow::Owned)
}

fn name() -> impl Strategy<Value = Text> {
    words(16).prop_map(|text| text.replace(char::is_control, "-").into())
}

fn url() -> impl Strategy<Value = Text> {
    "(https?://[a-z]{1,9}|)/([a-z0-9?=&\"%你][a-z0-9/?=&\"%你]{0,40})?".prop_map(Cow::Owned)
}

fn content() -> impl Strategy<Value = Content<'static>> {
    prop_oneof![
        words(200).prop_map(|text| Content::Text { text }),
        (url(), of(name())).prop_map(|(url, name)| Content::Image { url, name }),
        (url(), name(), of(0..1_u64 << 53)).prop_map(|(url, name, bytes)| Content::File { url, name, bytes }),
        (name(), of(url()), of(words(50)), of(url())).prop_map(|(title, url, text, image)| Content::Card {
            title,
            url,
            text,
            image
        }),
        (name(), of(name()), of(name()), of(url())).prop_map(|(number, title, amount, url)| Content::Order {
            number,
            title,
            amount,
            url
        }),
    ]
}

fn hello() -> impl Strategy<Value = Hello<'static>> {
    let token = || "[!-~]{1,80}".prop_map(Cow::Owned);
    prop_oneof![
        (of(name()), of(token()), of(name()), 0..1_u64 << 53, of(url()), of(name())).prop_map(
            |(site, token, conversation, after, page, team)| Hello::Visitor {
                site,
                token,
                conversation,
                after,
                page,
                team
            }
        ),
        (token(), proptest::collection::vec((name(), 0..1_u64 << 53), 0..5))
            .prop_map(|(token, conversations)| Hello::Agent { token, conversations }),
    ]
}

fn client_message() -> impl Strategy<Value = ClientMessage<'static>> {
    let state = prop_oneof![Just(PresenceState::Ready), Just(PresenceState::Away)];
    prop_oneof![
        hello().prop_map(ClientMessage::Hello),
        (name(), of(name()), content()).prop_map(|(id, conversation, content)| ClientMessage::Message {
            id,
            conversation,
            content
        }),
        (name(), name(), words(100)).prop_map(|(id, conversation, text)| ClientMessage::Note {
            id,
            conversation,
            text
        }),
        (of(name()), of(words(100)))
            .prop_map(|(conversation, text)| ClientMessage::Typing { conversation, text }),
        (of(name()), 0..1_u64 << 53)
            .prop_map(|(conversation, seq)| ClientMessage::Read { conversation, seq }),
        Just(ClientMessage::Human),
        (1..=5_u8, of(words(100))).prop_map(|(score, text)| ClientMessage::Rate { score, text }),
        of(name()).prop_map(|conversation| ClientMessage::Close { conversation }),
        (state, of(1..=100_u16)).prop_map(|(state, capacity)| ClientMessage::Presence { state, capacity }),
        (name(), name(), any::<bool>(), of(words(100))).prop_map(|(conversation, name, is_team, note)| {
            let to = if is_team { TransferTarget::Team(name) } else { TransferTarget::Agent(name) };
            ClientMessage::Transfer { conversation, to, note }
        }),
        name().prop_map(|conversation| ClientMessage::Accept { conversation }),
        name().prop_map(|conversation| ClientMessage::Decline { conversation }),
        name().prop_map(|conversation| ClientMessage::TakeOver { conversation }),
        (name(), 0..1_u64 << 53, any::<bool>())
            .prop_map(|(conversation, after, begins)| ClientMessage::Watch { conversation, after, begins }),
        (name(), name(), words(100)).prop_map(|(id, conversation, text)| ClientMessage::Whisper {
            id,
            conversation,
            text
        }),
    ]
}

fn event() -> impl Strategy<Value = Event<'static>> {
    let who = (proptest::sample::select(vec![Role::Visitor, Role::Agent, Role::System]), name(), name());
    let kind = proptest::sample::select(EventKind::ALL.to_vec());
    (name(), any::<u64>(), 0..=AT_MS_MAX, kind, name(), who, content()).prop_map(
        |(conversation, seq, at_ms, kind, id, (role, from_id, from_name), content)| Event {
            conversation,
            seq,
            at_ms,
            kind,
            id,
            role,
            from_id,
            from_name,
            content: content.to_json().into(),
        },
    )
}

proptest! {
    #[test]
    fn what_a_client_says_is_read_back(message in client_message()) {
        let text = written(&message);
        prop_assert_eq!(decode_client(&text), Ok(message), "{}", text);
    }

    #[test]
    fn an_event_is_read_back(event in event()) {
        let mut out = Vec::new();
        let message = ServerMessage::Event(event);
        encode_server(&message, &mut out);
        let text = std::str::from_utf8(&out).expect("JSON is UTF-8");
        prop_assert!(serde_json::from_str::<serde_json::Value>(text).is_ok());
        prop_assert_eq!(decode_server(text), Ok(message), "{}", text);
    }

    #[test]
    fn no_text_makes_a_decoder_panic(text in "[{}\\[\\]\",:a-z0-9\\\\ .-]{0,80}") {
        drop(decode_client(&text));
        drop(decode_server(&text));
    }
}
