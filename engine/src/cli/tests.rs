//! What each line typed means, and what a wrong one is told.

use super::*;

fn parsed(line: &str) -> Result<Command, UsageError> {
    let words: Vec<&str> = line.split(' ').collect();
    parse(words, |name| (name == "RINGDESK_DATA").then(|| "/from/variable".to_owned()))
}

/// The text for standard error, and whether it is an error at all.
fn told(line: &str) -> (String, bool) {
    match parsed(line).expect_err("the case means nothing") {
        UsageError::Clap(error) => (error.to_string(), error.use_stderr()),
        UsageError::Config(errors) => (errors[0].to_string(), true),
        UsageError::Value(text) => (text, true),
    }
}

#[test]
fn serve_takes_every_setting_as_a_flag() {
    let line = "ringdesk serve --listen 127.0.0.1:1 --metrics 127.0.0.1:2 --data d --shards 2 --backend \
                modern --log-format json --agent-lease-ms 2000 --agent-capacity 3 \
                --heartbeat-ms 9000 --public-url http://a";
    let Ok(Command::Serve(loaded)) = parsed(line) else { panic!("not a serve") };
    let config = loaded.config;
    assert_eq!(config.listen.port(), 1);
    assert_eq!((config.shards, config.agent_capacity, config.heartbeat_ms), (Some(2), 3, 9_000));
    assert_eq!(config.data, PathBuf::from("d"));
}

#[test]
fn serve_without_flags_takes_the_variable() {
    let Ok(Command::Serve(loaded)) = parsed("ringdesk serve") else { panic!("not a serve") };
    assert_eq!(loaded.config.data, PathBuf::from("/from/variable"));
}

#[test]
fn agent_lines_mean_what_they_say() {
    let name = |name| AccountName::new(name).expect("a name");
    let cases = [
        (
            "agent add --data d --name 王小明 --role admin --password-stdin",
            AgentCommand::Add(name("王小明"), AgentRole::Admin),
        ),
        ("agent list --data d", AgentCommand::List),
        ("agent set-password --data d --name a --password-stdin", AgentCommand::SetPassword(name("a"))),
        ("agent disable --data d --name a", AgentCommand::Disable(name("a"))),
    ];
    for (line, command) in cases {
        let parsed = parsed(&format!("ringdesk {line}")).expect("valid");
        assert_eq!(parsed, Command::Agent("d".into(), command), "{line}");
    }
    let Ok(Command::Agent(data, _)) = parsed("ringdesk agent list") else { panic!("not an agent") };
    assert_eq!(data, PathBuf::from("/from/variable"));
}

#[test]
fn a_visitor_token_has_defaults_and_takes_times() {
    let ttl_s = |line: &str| match parsed(&format!("ringdesk visitor-token --visitor u{line}")) {
        Ok(Command::VisitorToken { visitor, .. }) => visitor.ttl_s,
        other => panic!("{other:?}"),
    };
    for (line, seconds) in [
        ("", 3_600),
        (" --ttl 90s", 90),
        (" --ttl 15m", 900),
        (" --ttl 2h", 7_200),
        (" --ttl 30d", 2_592_000),
    ] {
        assert_eq!(ttl_s(line), seconds, "{line}");
    }
    let line = "ringdesk visitor-token --data d --visitor u --name 王 --class vip --site tea";
    let visitor = VisitorTokenArguments {
        id: "u".into(),
        name: "王".into(),
        class: Class::Vip,
        site: "tea".into(),
        ttl_s: 3_600,
    };
    assert_eq!(parsed(line).expect("valid"), Command::VisitorToken { data: "d".into(), visitor });
}

#[test]
fn the_doctor_looks_unless_it_is_told_to_do_something() {
    let cut = DoctorAction::CutDamaged { file: "00-00000003.seg".into(), offset: 8192 };
    for (flags, action) in [
        ("", DoctorAction::Examine),
        (" --repair", DoctorAction::Repair),
        (" --cut-damaged 00-00000003.seg@8192", cut.clone()),
        (" --cut-damaged /d/journal/00-00000003.seg@8192", cut),
        (" --rebuild", DoctorAction::Rebuild { accepts_loss: false }),
        (" --rebuild --accept-loss", DoctorAction::Rebuild { accepts_loss: true }),
    ] {
        let parsed = parsed(&format!("ringdesk doctor --data d{flags}")).expect("valid");
        let doctor = DoctorArguments { action, json: false, segments: false };
        assert_eq!(parsed, Command::Doctor { data: "d".into(), doctor }, "{flags}");
    }
    let Ok(Command::Doctor { data, doctor }) = parsed("ringdesk doctor --json --segments") else {
        panic!("not a doctor")
    };
    assert!(doctor.json && doctor.segments && data == std::path::Path::new("/from/variable"));
}

#[test]
fn a_backup_goes_where_it_is_told_and_a_restore_takes_no_variable() {
    let expected = Command::Backup { data: "d".into(), folder: "b".into() };
    assert_eq!(parsed("ringdesk backup b --data d").expect("valid"), expected);
    for (flags, data, verifies) in
        [(" --data d", Some("d"), false), (" --data d --verify", Some("d"), true), (" --verify", None, true)]
    {
        let arguments = RestoreArguments { backup: "b".into(), data: data.map(PathBuf::from), verifies };
        let parsed = parsed(&format!("ringdesk restore b{flags}")).expect("valid");
        assert_eq!(parsed, Command::Restore(arguments), "{flags}");
    }
}

#[test]
fn what_means_nothing_is_told_why() {
    let long = "x".repeat(129);
    let cases = [
        ("serve --shards 0", "--shards 0: must be a whole number from 1 to 256"),
        ("serve --shards -1", "--shards -1: must be a whole number"),
        ("serve --backend uring", "--backend uring: must be auto, modern, basic or epoll"),
        ("serve --config /nowhere/x.toml", "--config /nowhere/x.toml: cannot be read"),
        ("serve --port 1", "unexpected argument '--port'"),
        ("agent add --name a --role boss --password-stdin", "--role boss: must be agent, supervisor"),
        ("agent add --name a/b --role agent --password-stdin", "--name a/b: "),
        ("agent add --name a --role agent", "--password-stdin"),
        ("agent add --role agent --password-stdin", "--name"),
        ("visitor-token", "--visitor"),
        ("visitor-token --visitor anon-1", "--visitor anon-1: ids that begin with anon-"),
        (&format!("visitor-token --visitor {long}"), "--visitor: has 129 bytes; must have 1 to 128"),
        ("visitor-token --visitor u --class gold", "--class gold: must be vip or normal"),
        ("visitor-token --visitor u --ttl 0s", "--ttl 0s: must be a time from 1s to 365d"),
        ("visitor-token --visitor u --ttl 366d", "--ttl 366d: must be a time"),
        ("visitor-token --visitor u --ttl 1年", "--ttl 1年: must be a time"),
        ("visitor-token --visitor u --ttl 99999999999999999999d", "must be a time"),
        ("doctor --accept-loss", "--rebuild"),
        ("doctor --repair --rebuild", "cannot be used with"),
        ("doctor --cut-damaged 00-00000003.seg", "--cut-damaged 00-00000003.seg: must be FILE@OFFSET"),
        ("doctor --cut-damaged x@1", "--cut-damaged x@1: must be FILE@OFFSET"),
        ("backup", "<DIR>"),
        ("restore b", "restore b: name the data directory to make with --data"),
        ("restart", "unrecognized subcommand 'restart'"),
    ];
    for (line, text) in cases {
        let (told, is_error) = told(&format!("ringdesk {line}"));
        assert!(told.contains(text), "{line}: {told}");
        assert!(is_error, "{line}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for line in
        ["ringdesk --version", "ringdesk --help", "ringdesk serve --help", "ringdesk agent add --help"]
    {
        assert!(!told(line).1, "{line}");
    }
    assert_eq!(told("ringdesk --version").0.trim(), concat!("ringdesk ", env!("CARGO_PKG_VERSION")));
    // Long lines are broken to the width of a terminal.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let help = words(&told("ringdesk serve --help").0);
    for setting in settings::SETTINGS {
        assert!(help.contains(&words(setting.help)), "{}", setting.name);
    }
}

#[test]
fn the_grammar_is_sound() {
    grammar().debug_assert();
}
