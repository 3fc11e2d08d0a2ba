//! What the tables make of records.

use std::path::PathBuf;

use super::*;
use crate::record::{EventKind, Record, Role, TeamRecord};

struct Database {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

fn database() -> Database {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ringdesk.db");
    Database { _directory: directory, path }
}

fn conversation(id: &str, at_ms: u64) -> Record {
    Record::Conversation(ConversationRecord {
        conversation: id.into(),
        site: "default".into(),
        visitor: format!("visitor of {id}"),
        name: "小明".into(),
        vip: true,
        page: "https://shop.example/".into(),
        at_ms,
    })
}

fn event(id: &str, seq: u64, kind: EventKind, phase: Phase, agent: &str) -> Record {
    Record::Event(EventRecord {
        conversation: id.into(),
        seq,
        at_ms: 1000 * seq,
        kind,
        role: Role::Visitor,
        from_id: "v".into(),
        from_name: "小明".into(),
        client_id: if kind == EventKind::Message { format!("client-{seq}") } else { String::new() },
        content: format!("{{\"seq\":{seq}}}"),
        agent: agent.into(),
        phase,
    })
}

fn numbered(from: u64, records: Vec<Record>) -> Vec<(u64, Record)> {
    (from..).zip(records).collect()
}

fn story() -> Vec<(u64, Record)> {
    numbered(
        1,
        vec![
            conversation("a", 500),
            event("a", 1, EventKind::Message, Phase::Queued, ""),
            event("a", 2, EventKind::Assigned, Phase::Unanswered, "li"),
            conversation("b", 600),
            event("b", 1, EventKind::Message, Phase::Queued, ""),
            event("a", 3, EventKind::Message, Phase::Answered, "li"),
            conversation("c", 700),
            event("c", 1, EventKind::Message, Phase::WaitingUserInput, ""),
            event("c", 2, EventKind::Closed, Phase::Closed, ""),
            event("c", 3, EventKind::Rating, Phase::Closed, ""),
        ],
    )
}

#[test]
fn a_story_applied_in_any_batches_is_the_same_in_sql() {
    for batch in [1, 3, 100] {
        let database = database();
        let mut projection = Projection::open(&database.path).expect("opens");
        for records in story().chunks(batch) {
            projection.apply(0, records).expect("applies");
            projection.apply(0, records).expect("applies twice, to no effect");
        }
        assert_eq!(projection.progress().expect("reads"), [(0, 10)].into());
        check_story(&Reader::open(&database.path).expect("opens"));
    }
}

fn check_story(reader: &Reader) {
    let a = reader.conversation("a").expect("reads").expect("is there");
    assert_eq!((a.seq, a.phase, a.agent.as_str(), a.rated), (3, Phase::Answered, "li", false));
    let known: Vec<_> = a.known_ids.iter().map(|known| (known.id.as_str(), known.seq, known.at_ms)).collect();
    assert_eq!(known, [("client-1", 1, 1000), ("client-3", 3, 3000)]);
    assert_eq!(Record::Conversation(a.record), conversation("a", 500));
    assert_eq!(reader.conversation("nobody's").expect("reads"), None);

    let mut live = Vec::new();
    reader.live_conversations(|stored| live.push(stored.record.conversation)).expect("reads");
    assert_eq!(live, ["b", "a"]);
    let Record::Conversation(record) = conversation("a", 500) else { unreachable!("made as one") };
    let open = reader.open_conversation_of(&record.site, &record.visitor).expect("reads");
    assert!(open.is_some_and(|stored| stored.phase != Phase::Closed));
    assert_eq!(reader.open_conversation_of(&record.site, "nobody").expect("reads"), None);
    let last_id =
        |visitor: &str, characters| reader.last_id_of("default", visitor, characters).expect("reads");
    assert_eq!(last_id(&record.visitor, 1).as_deref(), Some("a"));
    assert_eq!((last_id(&record.visitor, 2), last_id("nobody", 1)), (None, None));

    let events = reader.events("a", 1, 100, usize::MAX).expect("reads");
    assert_eq!(
        events.into_iter().map(Record::Event).collect::<Vec<_>>(),
        [
            event("a", 2, EventKind::Assigned, Phase::Unanswered, "li"),
            event("a", 3, EventKind::Message, Phase::Answered, "li"),
        ]
    );
    assert_eq!(reader.events("a", 0, 1, usize::MAX).expect("reads").len(), 1);
    assert_eq!(reader.events("a", 0, 100, 1).expect("reads").len(), 1, "one at least");
    assert_eq!(reader.events("a", u64::MAX, 1, usize::MAX).expect("reads"), []);

    let list = |state| -> Vec<String> {
        let found = reader.conversations(&Listed { state, ..Listed::all("default", 10) }).expect("reads");
        found.into_iter().map(|summary| summary.record.conversation).collect()
    };
    assert_eq!(list(ConversationState::All), ["c", "a", "b"]);
    assert_eq!(list(ConversationState::Open), ["a", "b"]);
    assert_eq!(list(ConversationState::Waiting), ["b"]);
    assert_eq!(list(ConversationState::Mine("li")), ["a"]);
    assert_eq!(list(ConversationState::Mine("")), [""; 0]);
    assert_eq!(list(ConversationState::Closed), ["c"]);
    assert_eq!(reader.conversations(&Listed::all("other", 10)).expect("reads"), []);
    assert_eq!(
        reader
            .conversations(&Listed { visitor: Some("visitor of b"), ..Listed::all("default", 10) })
            .expect("reads")
            .len(),
        1
    );

    let first = reader.conversations(&Listed::all("default", 1)).expect("reads");
    assert_eq!((first[0].opened_at_ms, first[0].closed_at_ms, first[0].rated), (700, Some(2000), true));
    assert_eq!(first[0].last_message.as_ref().expect("something was said").seq, 1);
    let rest = reader
        .conversations(&Listed { before: first[0].before, ..Listed::all("default", 10) })
        .expect("reads");
    assert_eq!(rest.len(), 2);
}

#[test]
fn a_gap_is_refused_and_changes_nothing() {
    let database = database();
    let mut projection = Projection::open(&database.path).expect("opens");
    let story = story();
    projection.apply(4, &story[..2]).expect("applies");
    let batch = [story[2].clone(), story[4].clone()];
    assert!(matches!(projection.apply(4, &batch), Err(SqlError::Missing { stream: 4, needed: 4, given: 5 })));
    assert_eq!(projection.progress().expect("reads"), [(4, 2)].into());
    assert_eq!(projection.apply(4, &story).expect("applies"), 10);
}

#[test]
fn a_number_taken_by_another_event_is_refused_and_the_same_event_is_not() {
    let database = database();
    let mut projection = Projection::open(&database.path).expect("opens");
    let message = event("a", 1, EventKind::Message, Phase::Queued, "");
    projection.apply(0, &numbered(1, vec![message.clone()])).expect("applies");
    projection.apply(1, &numbered(1, vec![message])).expect("applies");
    let note = event("a", 1, EventKind::Note, Phase::Queued, "");
    assert!(matches!(projection.apply(1, &numbered(2, vec![note])), Err(SqlError::Seq { seq: 1, .. })));
}

#[test]
fn streams_applied_in_the_wrong_order_do_not_bring_back_the_past() {
    let database = database();
    let mut projection = Projection::open(&database.path).expect("opens");
    let newer = vec![conversation("a", 900), event("a", 2, EventKind::Closed, Phase::Closed, "li")];
    let older = vec![conversation("a", 500), event("a", 1, EventKind::Message, Phase::Queued, "")];
    projection.apply(1, &numbered(1, newer)).expect("applies");
    projection.apply(0, &numbered(1, older)).expect("applies");
    let reader = Reader::open(&database.path).expect("opens");
    let summary = reader
        .conversations(&Listed { visitor: Some("visitor of a"), ..Listed::all("default", 1) })
        .expect("reads")
        .remove(0);
    assert_eq!((summary.seq, summary.phase, summary.record.at_ms), (2, Phase::Closed, 900));
    assert_eq!((summary.closed_at_ms, summary.last_message.map(|event| event.seq)), (Some(2000), Some(1)));
}

#[test]
fn only_the_newest_client_ids_are_known() {
    let database = database();
    let mut projection = Projection::open(&database.path).expect("opens");
    let messages = (1..=600).map(|seq| event("a", seq, EventKind::Message, Phase::Queued, "")).collect();
    projection.apply(0, &numbered(1, messages)).expect("applies");
    let reader = Reader::open(&database.path).expect("opens");
    let known = reader.conversation("a").expect("reads").expect("is there").known_ids;
    assert_eq!((known.len(), known[0].seq, known[KNOWN_IDS_MAX - 1].seq), (KNOWN_IDS_MAX, 89, 600));
}

#[test]
fn a_file_of_a_newer_version_is_refused() {
    let database = database();
    let connection = open_writer(&database.path).expect("opens");
    connection.pragma_update(None, "user_version", 999).expect("writes");
    let error = Projection::open(&database.path).expect_err("too new");
    assert!(matches!(error, SqlError::Newer { found: 999, .. }), "{error}");
}

#[test]
fn an_account_is_made_once_and_changed_often() {
    let database = database();
    let accounts = Accounts::open(&database.path).expect("opens");
    let li = Account {
        name: "li".into(),
        role: AccountRole::Agent,
        password_hash: "hash".into(),
        created_at_ms: 17,
        disabled: false,
    };
    assert!(accounts.create(&li).expect("writes"));
    assert!(!accounts.create(&li).expect("writes"));
    assert!(!accounts.any_admin().expect("reads"));
    assert!(accounts.set_role("li", AccountRole::Admin).expect("writes"));
    assert!(accounts.set_password("li", "other").expect("writes"));
    assert!(accounts.any_admin().expect("reads"));
    assert!(accounts.set_disabled("li", true).expect("writes"));
    assert!(!accounts.any_admin().expect("reads"));
    assert!(!accounts.set_disabled("wang", true).expect("writes"));
    let changed = Account { role: AccountRole::Admin, password_hash: "other".into(), disabled: true, ..li };
    assert_eq!(accounts.find("li").expect("reads"), Some(changed.clone()));
    assert_eq!(accounts.find("wang").expect("reads"), None);
    assert_eq!(accounts.list().expect("reads"), [changed]);
}

#[test]
fn a_setting_is_what_was_set_last() {
    let database = database();
    let settings = Settings::open(&database.path).expect("opens");
    assert_eq!(settings.value("secret").expect("reads"), None);
    assert_eq!(settings.set_once("secret", "a").expect("writes"), "a");
    assert_eq!(settings.set_once("secret", "b").expect("writes"), "a");
    settings.set("secret", "c").expect("writes");
    assert_eq!(settings.value("secret").expect("reads").as_deref(), Some("c"));
}

fn said(id: &str, seq: u64, kind: EventKind, words: &str) -> Record {
    let Record::Event(event) = event(id, seq, kind, Phase::Answered, "li") else {
        unreachable!("made as one")
    };
    let content = format!("{{\"kind\":\"text\",\"text\":\"{words}\"}}");
    Record::Event(EventRecord { content, role: Role::Agent, from_id: "li".into(), ..event })
}

fn talks() -> Vec<(u64, Record)> {
    numbered(
        1,
        vec![
            conversation("a", 1),
            said("a", 1, EventKind::Message, "你好，我想退款"),
            said("a", 2, EventKind::Message, "Please refund my order A-17"),
            conversation("b", 2),
            said("b", 1, EventKind::Message, "退货和退款有什么区别？"),
            said("a", 3, EventKind::Note, "third refund this week"),
            said("b", 2, EventKind::Message, "Café au lait, tax REFUNDED; 款退"),
            event("b", 3, EventKind::Assigned, Phase::Answered, "li"),
        ],
    )
}

fn search_for(query: &str) -> SearchQuery {
    SearchQuery {
        terms: Terms::parse(query).expect("something to search for"),
        site: "default".into(),
        from_ms: 0,
        until_ms: u64::MAX,
        visitor: None,
        agent: None,
        conversation: None,
        before: u64::MAX,
        limit: 10,
    }
}

#[test]
fn what_was_said_is_found_in_chinese_and_english_the_newest_first() {
    let database = database();
    let mut projection = Projection::open(&database.path).expect("opens");
    projection.apply(0, &talks()).expect("applies");
    projection.apply(0, &talks()).expect("applies twice, to no effect");
    let reader = Reader::open(&database.path).expect("opens");
    let found = |query: SearchQuery| -> Vec<String> {
        let found = reader.search(&query).expect("answers");
        found.hits.iter().map(|hit| format!("{} {}", hit.event.conversation, hit.event.seq)).collect()
    };
    for (query, expected) in [
        ("退款", vec!["b 1", "a 1"]),
        ("退", vec!["b 2", "b 1", "a 1"]),
        ("退货 区别", vec!["b 1"]),
        ("款退", vec!["b 2"]),
        ("refund", vec!["b 2", "a 3", "a 2"]),
        ("refund my", vec!["a 2"]),
        ("cafe", vec!["b 2"]),
        ("Ａ－１７", vec!["a 2"]),
        ("nothing of the kind", vec![]),
        ("\") OR words:*", vec![]),
        ("退款\0", vec!["b 1", "a 1"]),
    ] {
        assert_eq!(found(search_for(query)), expected, "{query}");
    }
    let refund = || search_for("refund");
    assert_eq!(found(SearchQuery { limit: 1, ..refund() }), ["b 2"]);
    let page = reader.search(&SearchQuery { limit: 1, ..refund() }).expect("answers");
    let first = &page.hits[0];
    assert_eq!(page.next, Some(first.place));
    assert_eq!(reader.search(&refund()).expect("answers").next, None);
    assert_eq!((first.visitor.as_str(), first.name.as_str(), first.vip), ("visitor of b", "小明", true));
    assert_eq!(found(SearchQuery { before: first.place, ..refund() }), ["a 3", "a 2"]);
    assert_eq!(found(SearchQuery { site: "other".into(), ..refund() }), [] as [&str; 0]);
    assert_eq!(found(SearchQuery { from_ms: 3_000, ..refund() }), ["a 3"]);
    assert_eq!(found(SearchQuery { until_ms: 3_000, ..refund() }), ["b 2", "a 2"]);
    assert_eq!(found(SearchQuery { visitor: Some("visitor of a".into()), ..refund() }), ["a 3", "a 2"]);
    assert_eq!(found(SearchQuery { agent: Some("li".into()), ..refund() }).len(), 3);
    assert_eq!(found(SearchQuery { agent: Some("wang".into()), ..refund() }), [] as [&str; 0]);
    assert_eq!(found(SearchQuery { conversation: Some("b".into()), ..refund() }), ["b 2"]);
}

#[test]
fn no_question_of_the_api_reads_a_whole_table() {
    let database = database();
    drop(Projection::open(&database.path).expect("opens"));
    let reader = Reader::open(&database.path).expect("opens");
    let plan = |sql: &str, parameters: usize| -> Vec<String> {
        let mut statement =
            reader.connection().prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("is SQL");
        let nothing = vec![rusqlite::types::Value::Null; parameters];
        let rows = statement.query_map(rusqlite::params_from_iter(nothing), |row| row.get(3)).expect("reads");
        rows.collect::<Result<_, _>>().expect("reads")
    };
    let states = [
        ConversationState::All,
        ConversationState::Open,
        ConversationState::Waiting,
        ConversationState::Mine("li"),
        ConversationState::Closed,
    ];
    for state in states {
        for visitor in [None, Some("v")] {
            let (sql, _) = super::read::list_sql(&Listed { state, visitor, ..Listed::all("default", 10) });
            for step in plan(&sql, 8) {
                assert!(!step.contains("SCAN"), "{state:?} {visitor:?}: {step}");
                assert!(!step.contains("TEMP B-TREE"), "{state:?} {visitor:?}: {step}");
            }
        }
    }
    let of_visitor = Listed { visitor: Some("v"), ..Listed::all("default", 10) };
    let steps = plan(&super::read::list_sql(&of_visitor).0, 8);
    assert!(steps.iter().all(|step| step.contains("conversations_by_visitor")), "{steps:?}");
    let all_columns = rows::CONVERSATION_COLUMNS;
    let open = super::read::OPEN_OF_VISITOR;
    let steps = plan(&format!("SELECT {all_columns} FROM conversations WHERE {open}"), 2);
    assert!(steps.iter().all(|step| step.contains("conversations_by_visitor")), "{steps:?}");
    let last = super::read::LAST_ID_OF_VISITOR;
    let steps = plan(&format!("SELECT max(id) FROM conversations WHERE {last}"), 3);
    assert!(steps.iter().all(|step| step.contains("conversations_by_visitor")), "{steps:?}");
    let steps = plan(&format!("SELECT key FROM conversations WHERE {}", super::read::LIVE), 0);
    assert!(steps.iter().all(|step| step.contains("conversations_live")), "{steps:?}");
    let steps = plan(super::search::SEARCH, 10);
    // The index itself is a virtual table, which SQLite calls scanned: by the words, from the newest on, and so is the
    // bounded part of it that is looked at.
    let is_bounded = |step: &&String| !step.contains("said_words VIRTUAL TABLE") && !step.contains("SCAN w");
    let scans: Vec<_> = steps.iter().filter(|step| step.contains("SCAN")).filter(is_bounded).collect();
    assert!(scans.is_empty(), "{steps:?}");
    assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_that_can_be_typed_is_an_error(typed in "(?s).{0,40}|[\"'*^:(){}+\\-, ANDORNEAR退款é]{1,30}") {
        thread_local! {
            static DATABASE: (Database, Reader) = {
                let database = database();
                let mut projection = Projection::open(&database.path).expect("opens");
                projection.apply(0, &talks()).expect("applies");
                let reader = Reader::open(&database.path).expect("opens");
                (database, reader)
            };
        }
        if let Some(terms) = Terms::parse(&typed) {
            DATABASE.with(|(_, reader)| {
                let query = SearchQuery { terms, ..search_for("x") };
                reader.search(&query).unwrap_or_else(|error| panic!("{typed:?}: {error}"));
            });
        }
    }
}

#[test]
fn a_conversation_is_for_the_team_that_was_named_last_and_knows_who_served() {
    let database = database();
    let mut projection = Projection::open(&database.path).expect("opens");
    let team =
        |team: &str, at_ms| Record::Team(TeamRecord { conversation: "a".into(), team: team.into(), at_ms });
    let records = vec![
        conversation("a", 500),
        team("returns", 600),
        event("a", 1, EventKind::Message, Phase::Queued, ""),
        event("a", 2, EventKind::Assigned, Phase::Unanswered, "li"),
        team("boots", 700),
        // Of another stream, and older.
        team("hats", 650),
        event("a", 3, EventKind::Closed, Phase::Rating, "li"),
    ];
    projection.apply(0, &numbered(1, records)).expect("applies");
    let reader = Reader::open(&database.path).expect("opens");
    let stored = reader.conversation("a").expect("reads").expect("is there");
    assert_eq!((stored.team.as_str(), stored.last_at_ms, stored.last_message), ("boots", 3_000, 1));
    let visitor = &stored.record.visitor;
    assert_eq!(reader.last_agent_of("default", visitor).expect("reads"), Some(("li".into(), 3_000)));
    assert_eq!(reader.last_agent_of("default", "nobody").expect("reads"), None);
    // Over for whoever begins anew, and live for the clock that waits for a rating.
    assert_eq!(reader.open_conversation_of("default", visitor).expect("reads"), None);
    let mut live = 0;
    reader.live_conversations(|_| live += 1).expect("reads");
    assert_eq!(live, 1);
    let listed = |state| {
        let listed = Listed { state, ..Listed::all("default", 10) };
        reader.conversations(&listed).expect("reads").len()
    };
    assert_eq!(listed(ConversationState::Closed), 1);
    assert_eq!(listed(ConversationState::Open) + listed(ConversationState::Left), 0);
}

#[test]
fn teams_are_kept_changed_and_removed() {
    let database = database();
    let teams = Teams::open(&database.path).expect("opens");
    let team = |name: &str, settings: &str| StoredTeam {
        site: "default".into(),
        name: name.into(),
        settings: settings.into(),
    };
    teams.put(&team("returns", "{}")).expect("writes");
    teams.put(&team("boots", "{}")).expect("writes");
    teams.put(&team("returns", "{\"x\":1}")).expect("writes");
    assert_eq!(teams.list().expect("reads"), [team("boots", "{}"), team("returns", "{\"x\":1}")]);
    assert!(teams.remove("default", "boots").expect("writes"));
    assert!(!teams.remove("default", "boots").expect("writes"));
    assert!(!teams.remove("another", "returns").expect("writes"));
    assert_eq!(teams.list().expect("reads").len(), 1);
}

#[test]
fn canned_replies_are_kept_changed_and_removed_and_no_more_than_allowed() {
    let database = database();
    let replies = Replies::open(&database.path).expect("opens");
    let reply = |shortcut: &str, text: &str| StoredReply {
        site: "default".into(),
        shortcut: shortcut.into(),
        text: text.into(),
    };
    assert!(replies.put(&reply("hi", "您好"), 2).expect("writes"));
    assert!(replies.put(&reply("bye", "再见"), 2).expect("writes"));
    assert!(!replies.put(&reply("more", "x"), 2).expect("reads"), "a third one is too many");
    assert!(replies.put(&reply("hi", "您好！"), 2).expect("writes"), "a change is not");
    assert!(replies.put(&StoredReply { site: "tea".into(), ..reply("hi", "x") }, 1).expect("writes"));
    assert_eq!(replies.list("default").expect("reads"), [reply("bye", "再见"), reply("hi", "您好！")]);
    assert!(replies.remove("default", "bye").expect("writes"));
    assert!(!replies.remove("default", "bye").expect("writes"));
    assert_eq!(replies.list("default").expect("reads").len(), 1);
    assert_eq!(replies.list("tea").expect("reads").len(), 1);
}
