//! Tokens made by another implementation (`tests/vectors/visitor_tokens.tsv`), and our own round trips.

use super::*;

const VECTORS: &str = include_str!("../../tests/vectors/visitor_tokens.tsv");
const NOW: u64 = 1_799_999_999;

fn identity() -> Identity {
    Identity::new("0123456789abcdef".repeat(4).as_bytes(), "fedcba9876543210".repeat(4).as_bytes())
}

/// What came of a token, in the words of the vectors.
fn outcome(token: &str, now: u64) -> String {
    match identity().visitor(token, now) {
        Ok(visitor) => {
            let class = if visitor.class == Class::Vip { "vip" } else { "normal" };
            let name = if visitor.name.is_empty() { "-" } else { &visitor.name };
            let kind = if visitor.anonymous { "anonymous" } else { "visitor" };
            format!("{kind} {} {name} {class} {}", visitor.id, visitor.site)
        }
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn tokens_made_elsewhere_are_read_as_their_line_says() {
    let mut title = "";
    let mut lines = 0;
    for line in VECTORS.lines() {
        match line.split_once('\t') {
            Some((expected, token)) => {
                assert_eq!(outcome(token, NOW), expected, "{title}");
                lines += 1;
            }
            None => title = line,
        }
    }
    assert!(lines >= 30, "only {lines} vectors were read");
}

#[test]
fn only_the_time_given_decides_about_age() {
    let claims = VisitorClaims {
        sub: "u".into(),
        name: String::new(),
        class: Class::Vip,
        site: "default".into(),
        exp: 100,
    };
    let token = identity().sign_visitor(&claims);
    assert_eq!(outcome(&token, 99), "visitor u - vip default");
    assert_eq!(outcome(&token, 100), "Expired");
    assert_eq!(outcome(&token, 0), "visitor u - vip default");
}

#[test]
fn an_anonymous_visitor_is_known_again() {
    let token = identity().sign_anonymous("anon-7f", "tea", 100);
    assert_eq!(outcome(&token, 99), "anonymous anon-7f - normal tea");
    assert_eq!(outcome(&token, 100), "Expired");
}

#[test]
fn a_login_lasts_twelve_hours() {
    let token = identity().sign_agent("王", AgentRole::Supervisor, 1_000);
    let agent = Agent { name: "王".into(), role: AgentRole::Supervisor };
    assert_eq!(identity().agent(&token, 1_000 + LOGIN_TTL_S - 1), Ok(agent));
    assert_eq!(identity().agent(&token, 1_000 + LOGIN_TTL_S), Err(TokenError::Expired));
}

#[test]
fn no_token_of_one_kind_passes_for_another() {
    let identity = identity();
    let agent = identity.sign_agent("anon-1", AgentRole::Admin, 1_000);
    let anonymous = identity.sign_anonymous("anon-1", "default", 5_000);
    let claims = VisitorClaims {
        sub: "admin".into(),
        name: String::new(),
        class: Class::Normal,
        site: "default".into(),
        exp: 5_000,
    };
    let shop = identity.sign_visitor(&claims);
    assert_eq!(identity.visitor(&agent, 1_000), Err(TokenError::Forged));
    assert_eq!(identity.agent(&anonymous, 1_000), Err(TokenError::Forged));
    assert_eq!(identity.agent(&shop, 1_000), Err(TokenError::Forged));
}

#[test]
fn a_token_longer_than_the_wire_allows_is_not_looked_at() {
    assert_eq!(outcome(&"a".repeat(TOKEN_BYTES_MAX + 1), NOW), "Malformed");
}

#[test]
fn a_debug_print_shows_no_key() {
    assert_eq!(format!("{:?}", identity()), "Identity");
}
