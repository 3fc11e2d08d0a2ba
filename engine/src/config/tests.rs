//! Which layer wins, and what each bad value is told.

use std::path::Path;

use super::*;
use crate::{
    limits::{self, PeerLimits},
    origin::Pages,
};

type Pairs<'a> = &'a [(&'static str, &'a str)];

fn layered(flags: Pairs<'_>, variables: Pairs<'_>, file: Option<&str>) -> Result<Config, Vec<ConfigError>> {
    let flags = flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    resolve(&Layers::new(flags, variable, file.map(|text| (Path::new("desk.toml"), text)))?)
}

fn complaint(flags: Pairs<'_>, variables: Pairs<'_>, file: Option<&str>) -> String {
    let errors = layered(flags, variables, file).expect_err("the case is a bad one");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_said_gives_the_defaults() {
    let config = layered(&[], &[], None).expect("defaults are valid");
    assert_eq!(
        config,
        Config {
            listen: "0.0.0.0:8080".parse().expect("an address"),
            metrics: "0.0.0.0:9090".parse().expect("an address"),
            data: "./data".into(),
            shards: None,
            backend: BackendChoice::Auto,
            log_format: LogFormat::Text,
            agent_lease_ms: 8_000,
            agent_capacity: 8,
            visitor_idle_s: 1_800,
            agent_silent_s: 600,
            rating_s: 600,
            heartbeat_ms: 30_000,
            websocket_deflate: false,
            tls: None,
            proxies: Proxies::default(),
            public_url: None,
            drain_ms: 10_000,
            peers: Peers {
                connections_max: None,
                address_connections_max: limits::ADDRESS_CONNECTIONS_MAX,
                address_new_per_second: limits::ADDRESS_NEW_PER_SECOND,
                unlimited: ["127.0.0.0/8", "::1/128"].map(|text| text.parse().expect("a network")).into(),
                limits: PeerLimits::default(),
                visitor_origins: Pages::Any,
                agent_origins: Pages::Own,
            },
        }
    );
    assert_eq!(config.public_url(), "http://localhost:8080");
}

#[test]
fn a_flag_beats_a_variable_beats_the_file() {
    let file = "shards = 3\nheartbeat-ms = \"6000\"\nlog-format = 'json'\nagent-capacity = 5";
    let variables = [("RINGDESK_SHARDS", "2"), ("RINGDESK_HEARTBEAT_MS", "7000")];
    let config = layered(&[("shards", "1")], &variables, Some(file)).expect("valid");
    assert_eq!(config.shards, Some(1), "the flag");
    assert_eq!(config.heartbeat_ms, 7_000, "the variable");
    assert_eq!(config.log_format, LogFormat::Json, "the file");
    assert_eq!(config.agent_capacity, 5, "the file");
    assert_eq!(config.agent_lease_ms, 8_000, "the default");
}

#[test]
fn good_values_are_taken() {
    let config = layered(
        &[
            ("listen", "[::1]:0"),
            ("metrics", "127.0.0.1:0"),
            ("data", "/var/lib/ringdesk"),
            ("shards", "256"),
            ("backend", "epoll"),
            ("agent-lease-ms", "1000"),
            ("agent-capacity", "256"),
            ("websocket-deflate", "on"),
            ("trusted-proxies", "127.0.0.1, 10.1.0.0/16,2001:db8::/32"),
            ("proxy-protocol", "on"),
            ("tls-cert", "/etc/ringdesk/cert.pem"),
            ("tls-key", "/etc/ringdesk/key.pem"),
            ("public-url", "https://desk.example.com/"),
        ],
        &[],
        None,
    )
    .expect("valid");
    assert_eq!(config.backend, BackendChoice::Exactly(Backend::Epoll));
    assert_eq!(config.public_url(), "https://desk.example.com");
    assert!(config.websocket_deflate);
    assert_eq!(config.proxies.networks.len(), 3);
    assert!(config.proxies.expects_header([127, 0, 0, 1].into()));
    assert!(!config.proxies.expects_header([127, 0, 0, 2].into()), "one address is no network");
    assert!(config.tls.is_some());
    assert_eq!((config.shards, config.agent_lease_ms, config.agent_capacity), (Some(256), 1_000, 256));
}

#[test]
fn each_bad_value_names_itself_its_limit_and_the_cure() {
    let cases: &[(&'static str, &str, &str)] = &[
        ("listen", "8080", "an IP address and a port"),
        ("listen", "127.0.0.1:70000", "from 0 to 65535"),
        ("listen", "localhost:8080", "such as 0.0.0.0:8080"),
        ("listen", "", "an IP address and a port"),
        ("metrics", "nowhere", "such as 127.0.0.1:9090"),
        ("data", "", "the path of a directory"),
        ("shards", "0", "from 1 to 256"),
        ("shards", "257", "from 1 to 256"),
        ("shards", "-1", "from 1 to 256"),
        ("shards", "many", "leave it out"),
        ("shards", "99999999999999999999999", "from 1 to 256"),
        ("backend", "uring", "auto, modern, basic or epoll"),
        ("backend", "Basic", "auto, modern, basic or epoll"),
        ("log-format", "xml", "text or json"),
        ("agent-lease-ms", "999", "from 1000 to 120000"),
        ("visitor-idle-s", "9", "from 10 to 86400"),
        ("agent-silent-s", "0", "from 10 to 86400"),
        ("rating-s", "86401", "from 1 to 86400"),
        ("agent-lease-ms", "120001", "from 1000 to 120000"),
        ("agent-capacity", "0", "from 1 to 256"),
        ("agent-capacity", "65536", "from 1 to 256"),
        ("heartbeat-ms", "4999", "from 5000 to 300000"),
        ("heartbeat-ms", "3e4", "from 5000 to 300000"),
        ("drain-ms", "300001", "from 0 to 300000"),
        ("connections-max", "15", "from 16 to 10000000"),
        ("address-strangers-max", "0", "from 1 to 10000000"),
        ("unlimited-addresses", "127.0.0.1/33", "none, or up to 256 addresses"),
        ("unlimited-addresses", "localhost", "none, or up to 256 addresses"),
        ("hello-ms", "99", "from 100 to 300000"),
        ("fragments-max", "65537", "from 1 to 65536"),
        ("held-mib-max", "0", "from 1 to 65536"),
        ("visitor-origins", "shop.example", "such as https://shop.example"),
        ("visitor-origins", "https://shop.example/", "such as https://shop.example"),
        ("agent-origins", "own,any", "such as https://intranet.example"),
        ("websocket-deflate", "true", "on or off"),
        ("tls-cert", "", "the path of a file in PEM"),
        ("trusted-proxies", "", "none, or up to 256 addresses and networks"),
        ("trusted-proxies", "proxy.example.com", "such as 127.0.0.1,10.1.0.0/16"),
        ("trusted-proxies", "10.0.0.0/33", "none, or up to 256"),
        ("trusted-proxies", "10.0.0.1,", "none, or up to 256"),
        ("trusted-proxies", "10.0.0.1 10.0.0.2", "with commas between"),
        ("proxy-protocol", "yes", "off, or on"),
        ("proxy-protocol", "on", "where --trusted-proxies names who sends it"),
        ("public-url", "desk.example.com", "http:// or https://"),
        ("public-url", "ftp://desk.example.com", "http:// or https://"),
        ("public-url", "https://desk.example.com/sub", "nothing behind it"),
    ];
    for (name, text, limit) in cases {
        let told = complaint(&[(name, text)], &[], None);
        assert!(told.starts_with(&format!("--{name} {text}: ")), "{name}: {told}");
        assert!(told.contains(limit), "{name} {text}: {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn a_certificate_without_its_key_is_no_setting() {
    let told = complaint(&[("tls-cert", "cert.pem")], &[], None);
    assert_eq!(told, "--tls-cert goes with --tls-key; give both or none");
    let told = complaint(&[], &[("RINGDESK_TLS_KEY", "key.pem")], None);
    assert_eq!(told, "--tls-key goes with --tls-cert; give both or none");
}

#[test]
fn a_bad_value_is_named_as_it_was_given() {
    let cases: &[(Pairs<'_>, Option<&str>, &str)] = &[
        (&[("RINGDESK_SHARDS", "0")], None, "RINGDESK_SHARDS=0: must be a whole number"),
        (&[("RINGDESK_LOG_FORMAT", "xml")], None, "RINGDESK_LOG_FORMAT=xml: must be text or json"),
        (&[], Some("shards = 0"), "desk.toml: shards = 0: must be a whole number"),
        (&[], Some("shard = 1"), "desk.toml: unknown key shard; the keys are listen, metrics,"),
        (&[], Some("shards = true"), "desk.toml: shards is a boolean; must be a text or a whole number"),
        (&[], Some("[shards]"), "desk.toml: shards is a table"),
        (&[], Some("shards = "), "desk.toml: not TOML: "),
    ];
    for (variables, file, begin) in cases {
        let told = complaint(&[], variables, *file);
        assert!(told.starts_with(begin), "{told}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let told = complaint(&[("shards", "0"), ("backend", "x")], &[("RINGDESK_HEARTBEAT_MS", "1")], None);
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[test]
fn a_stronger_layer_hides_a_bad_value() {
    assert!(layered(&[("shards", "1")], &[("RINGDESK_SHARDS", "0")], None).is_ok());
}

#[test]
fn one_address_for_both_ports_is_refused() {
    let told = complaint(&[("listen", "127.0.0.1:1"), ("metrics", "127.0.0.1:1")], &[], None);
    assert!(told.starts_with("--metrics 127.0.0.1:1: is the address of --listen"), "{told}");
}

#[test]
fn a_missing_or_oversized_file_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("desk.toml");
    let told = |path: &Path| load(vec![], Some(path.into()), |_| None).expect_err("bad")[0].to_string();
    assert!(told(&path).contains("desk.toml: cannot be read: "), "{}", told(&path));
    std::fs::write(&path, vec![b'#'; FILE_BYTES_MAX as usize + 1]).expect("written");
    assert!(told(&path).contains("more than 65536"), "{}", told(&path));
    std::fs::write(&path, "shards = 4").expect("written");
    let variable = |name: &str| (name == "RINGDESK_CONFIG").then(|| path.display().to_string());
    assert_eq!(load(vec![], None, variable).expect("valid").config.shards, Some(4));
}

#[test]
fn what_is_read_again_says_what_counts_now_and_what_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("desk.toml");
    let write = |text: &str| std::fs::write(&path, text).expect("written");
    write("shards = 4\nheartbeat-ms = 20000\nagent-capacity = 3");
    let loaded = load(vec![("agent-capacity", "5".into())], Some(path.clone()), |_| None).expect("valid");
    // A flag hides what the file says, then as now.
    write(
        "shards = 2\nheartbeat-ms = 21000\nagent-capacity = 4\nvisitor-origins = \"own\"\ntls-cert = \"c\"\ntls-key = \"k\"",
    );
    let newer = loaded.again(|_| None).expect("valid");
    assert_eq!((newer.config.heartbeat_ms, newer.config.agent_capacity), (21_000, 5));
    let changes = loaded.changes(&newer);
    assert_eq!(changes.now, ["heartbeat-ms", "visitor-origins"]);
    assert_eq!(changes.at_restart, ["shards", "tls-cert", "tls-key"]);
    assert_eq!(newer.clone().with_tls_of(&loaded).config.tls, None);
    assert_eq!(newer.changes(&newer), Changes::default());
    write("shards = 0");
    assert!(loaded.again(|_| None).is_err());
}

#[test]
fn the_table_of_settings_is_sound() {
    for (index, setting) in settings::SETTINGS.iter().enumerate() {
        assert!(settings::SETTINGS[..index].iter().all(|other| other.name != setting.name));
        assert!(!setting.help.is_empty() && !setting.limit.is_empty() && !setting.value_name.is_empty());
        assert!(setting.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
    }
}

#[test]
fn shards_follow_the_cores() {
    for (cpus, shards) in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (64, 63), (1000, 256)] {
        assert_eq!(default_shards(cpus), shards, "{cpus} cores");
    }
}

#[test]
fn lists_of_addresses_and_origins_are_taken_with_commas() {
    let config = layered(
        &[
            ("unlimited-addresses", "10.0.0.0/8, 192.0.2.7"),
            ("visitor-origins", "https://a.example,http://b.example:81"),
        ],
        &[("RINGDESK_AGENT_ORIGINS", "any")],
        Some("held-mib-max = 2"),
    );
    let peers = config.expect("all is right").peers;
    assert_eq!(
        peers.unlimited.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.0/8", "192.0.2.7/32"]
    );
    let listed = ["https://a.example", "http://b.example:81"].map(str::to_owned);
    assert_eq!(peers.visitor_origins, Pages::Listed(listed.into()));
    assert_eq!(peers.agent_origins, Pages::Any);
    assert_eq!(peers.limits.held_bytes_max, 2 * 1024 * 1024);
    let none = layered(&[("unlimited-addresses", "none")], &[], None).expect("none is right");
    assert!(none.peers.unlimited.is_empty());
}
