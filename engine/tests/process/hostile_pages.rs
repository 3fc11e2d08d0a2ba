//! Web pages of other sites: any may have visitors, none but our own has agents, unless the operator says otherwise.

use serde_json::json;

use crate::{
    desk::{Client, Desk, connect, upgrade_request},
    quiet::{ended, wait_for},
};

/// The settings, the page's origin, and what becomes of a visitor and of an agent.
type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>, Fate, Fate);

/// What becomes of a person who comes from a page.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Welcome,
    /// The WebSocket is not even opened.
    Forbidden,
    /// It is, but not for this role.
    Closed(u16),
}

fn fate(desk: &Desk, origin: Option<&str>, hello: &serde_json::Value) -> Fate {
    let field = origin.map_or_else(String::new, |origin| format!("origin: {origin}\r\n"));
    let status = desk.raw(&[upgrade_request(&field).as_slice(), b"\x88\x80\0\0\0\0"].concat());
    if status.starts_with("HTTP/1.1 403 ") {
        return Fate::Forbidden;
    }
    let mut client = Client::upgrade(connect(desk.address), &field);
    client.send(hello);
    match client.wait_until_any(&["welcome", "error"])["type"].as_str() {
        Some("welcome") => Fate::Welcome,
        _ => Fate::Closed(client.wait_for_close().expect("a code")),
    }
}

#[test]
fn pages_of_other_sites_have_visitors_and_no_agents() {
    let strict = [
        ("RINGDESK_VISITOR_ORIGINS", "https://shop.example"),
        ("RINGDESK_PUBLIC_URL", "https://chat.example"),
    ];
    let own = "http://desk";
    let cases: Vec<Case<'_>> = vec![
        (&[], None, Fate::Welcome, Fate::Welcome),
        (&[], Some(own), Fate::Welcome, Fate::Welcome),
        (&[], Some("https://shop.example"), Fate::Welcome, Fate::Closed(4403)),
        (&[], Some("null"), Fate::Welcome, Fate::Closed(4403)),
        (&strict, None, Fate::Welcome, Fate::Welcome),
        (&strict, Some(own), Fate::Welcome, Fate::Welcome),
        (&strict, Some("https://chat.example"), Fate::Welcome, Fate::Welcome),
        (&strict, Some("https://shop.example"), Fate::Welcome, Fate::Closed(4403)),
        (&strict, Some("https://evil.example"), Fate::Forbidden, Fate::Forbidden),
    ];
    for settings in [&[][..], &strict] {
        let settings: Vec<(&'static str, &str)> = settings.to_vec();
        let desk = Desk::start_with("epoll", 1, &settings);
        desk.add_agent("ann", "agent");
        let agent = json!({"type":"hello","role":"agent","token":desk.login("ann")});
        for (_, origin, as_visitor, as_agent) in cases.iter().filter(|case| case.0 == settings) {
            let visitor = json!({"type":"hello","role":"visitor"});
            assert_eq!(fate(&desk, *origin, &visitor), *as_visitor, "{origin:?} with {settings:?}");
            assert_eq!(fate(&desk, *origin, &agent), *as_agent, "{origin:?} with {settings:?}");
        }
        wait_for("wrong_origin", 1.0, || ended(&desk, "wrong_origin"));
    }
}
