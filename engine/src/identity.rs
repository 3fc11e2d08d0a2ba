//! Who somebody is: signed tokens of visitors and of agents (JWT, RFC 7519; HS256, RFC 7515).
//!
//! Pure: the time is an argument, and keys are given; [`secrets`] is the one place that touches files.
//!
//! There are three keys. The shop's back end signs its visitors with the *visitor secret*. Agents' login
//! tokens are signed with the *login secret*, which never leaves the server. Anonymous visitors' tokens are
//! signed with a key derived from the login secret, so a shop that leaks its secret does not leak them, and
//! an anonymous token is never an agent's. Ids that begin with [`ANONYMOUS_PREFIX`] are the server's own: a
//! shop-signed token with such an id is refused, so that no shop takes over an anonymous conversation by
//! accident.

pub mod secrets;

use std::sync::Arc;

use codec::message::{NAME_BYTES_MAX, TOKEN_BYTES_MAX};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};

/// How ids of anonymous visitors begin.
pub const ANONYMOUS_PREFIX: &str = "anon-";
/// The site of a token that names none.
pub const SITE_DEFAULT: &str = "default";
/// How long an agent's login lasts.
pub const LOGIN_TTL_S: u64 = 12 * 60 * 60;
/// How long an anonymous visitor is known: a returning browser keeps its conversation for so long.
pub const ANONYMOUS_TTL_S: u64 = 180 * 24 * 60 * 60;

/// Says what the derived key is for; another purpose takes another label.
const ANONYMOUS_KEY_LABEL: &[u8] = b"ringdesk anonymous visitors v1";

/// Why a token is not accepted. The peer's fault, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Not signed with our key.
    Forged,
    /// Right, but too old.
    Expired,
    /// Not a JWT signed with HS256, or a claim is missing or out of its limits.
    Malformed,
}

impl TokenError {
    /// The word for the client's program.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Forged => "token_forged",
            Self::Expired => "token_expired",
            Self::Malformed => "token_malformed",
        }
    }

    /// What was wrong and what to do.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Forged => "the token's signature is not ours; sign it with the secret shown in the console",
            Self::Expired => "the token has expired; get a new one",
            Self::Malformed => {
                "not a token we know: a JWT with alg HS256 and the claims sub (1 to 128 bytes) and exp, \
                 and where given name, site (both at most 128 bytes) and class (vip or normal)"
            }
        }
    }
}

/// A visitor's class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Never waits behind the crowd.
    Vip,
    /// Everybody else.
    #[default]
    Normal,
}

/// What a visitor's token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorClaims {
    /// The visitor's id within the site, 1 to 128 bytes.
    pub sub: String,
    /// The name to show; may be empty.
    #[serde(default)]
    pub name: String,
    /// Which lane the visitor's messages take.
    #[serde(default)]
    pub class: Class,
    /// Which shop.
    #[serde(default = "site_default")]
    pub site: String,
    /// Until when, seconds since 1970.
    pub exp: u64,
}

fn site_default() -> String {
    SITE_DEFAULT.to_owned()
}

/// A visitor whose token was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The visitor's id within the site.
    pub id: String,
    /// The name to show; may be empty.
    pub name: String,
    /// Which lane the visitor's messages take.
    pub class: Class,
    /// Which shop.
    pub site: String,
    /// Made by us for somebody who did not say who it is.
    pub anonymous: bool,
}

/// What an account may do; each role may do what the one before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentRole {
    /// Talks with visitors.
    Agent,
    /// Sees what agents do.
    Supervisor,
    /// Makes accounts and settings.
    Admin,
}

impl AgentRole {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Agent, Self::Supervisor, Self::Admin];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// An agent who has logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The account's name.
    pub name: String,
    /// What it may do.
    pub role: AgentRole,
}

#[derive(Serialize, Deserialize)]
struct LoginClaims {
    sub: String,
    role: AgentRole,
    exp: u64,
}

/// Reads and writes tokens. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Identity(Arc<Keys>);

struct Keys {
    visitor: Key,
    anonymous: Key,
    login: Key,
    validation: Validation,
}

/// A key both ways; HMAC knows one only.
struct Key {
    sign: EncodingKey,
    verify: DecodingKey,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        Self { sign: EncodingKey::from_secret(secret), verify: DecodingKey::from_secret(secret) }
    }
}

impl std::fmt::Debug for Identity {
    /// Keys never reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// With the bytes of both secrets.
    pub fn new(visitor_secret: &[u8], login_secret: &[u8]) -> Self {
        let login = Key::new(login_secret);
        let anonymous = jsonwebtoken::crypto::sign(ANONYMOUS_KEY_LABEL, &login.sign, Algorithm::HS256)
            .expect("an HMAC of any bytes exists");
        // The clock is ours to give, so the library's own checks of time are off.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Self(Arc::new(Keys {
            visitor: Key::new(visitor_secret),
            anonymous: Key::new(anonymous.as_bytes()),
            login,
            validation,
        }))
    }

    /// Who a visitor's token says it is, shop-signed or anonymous. A token is good until the second before
    /// its `exp`.
    pub fn visitor(&self, token: &str, now_unix_s: u64) -> Result<Visitor, TokenError> {
        let (claims, anonymous) = match self.read::<VisitorClaims>(token, &self.0.visitor) {
            Err(TokenError::Forged) => (self.read::<VisitorClaims>(token, &self.0.anonymous)?, true),
            shop_signed => (shop_signed?, false),
        };
        let right = (1..=NAME_BYTES_MAX).contains(&claims.sub.len())
            && claims.name.len() <= NAME_BYTES_MAX
            && (1..=NAME_BYTES_MAX).contains(&claims.site.len())
            && claims.sub.starts_with(ANONYMOUS_PREFIX) == anonymous;
        if !right {
            return Err(TokenError::Malformed);
        }
        still_good(claims.exp, now_unix_s)?;
        Ok(Visitor { id: claims.sub, name: claims.name, class: claims.class, site: claims.site, anonymous })
    }

    /// Who is logged in with this token.
    pub fn agent(&self, token: &str, now_unix_s: u64) -> Result<Agent, TokenError> {
        let claims: LoginClaims = self.read(token, &self.0.login)?;
        still_good(claims.exp, now_unix_s)?;
        Ok(Agent { name: claims.sub, role: claims.role })
    }

    /// A token for an anonymous visitor of `site`, whose id begins with [`ANONYMOUS_PREFIX`], until
    /// `exp_unix_s`.
    pub fn sign_anonymous(&self, id: &str, site: &str, exp_unix_s: u64) -> String {
        debug_assert!(id.starts_with(ANONYMOUS_PREFIX), "not an anonymous id: {id}");
        let claims = VisitorClaims {
            sub: id.to_owned(),
            name: String::new(),
            class: Class::Normal,
            site: site.to_owned(),
            exp: exp_unix_s,
        };
        write(&claims, &self.0.anonymous)
    }

    /// A token as the shop's back end would sign it.
    pub fn sign_visitor(&self, claims: &VisitorClaims) -> String {
        write(claims, &self.0.visitor)
    }

    /// A login token, good for [`LOGIN_TTL_S`] from `now_unix_s` on.
    pub fn sign_agent(&self, name: &str, role: AgentRole, now_unix_s: u64) -> String {
        let exp = now_unix_s.saturating_add(LOGIN_TTL_S);
        write(&LoginClaims { sub: name.to_owned(), role, exp }, &self.0.login)
    }

    fn read<C: for<'de> Deserialize<'de>>(&self, token: &str, key: &Key) -> Result<C, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        match jsonwebtoken::decode::<C>(token, &key.verify, &self.0.validation) {
            Ok(read) => Ok(read.claims),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => Err(TokenError::Forged),
            // Not three parts, not base64, not JSON, another algorithm, or claims we do not know: a list of
            // the library's kinds would only repeat that.
            Err(_) => Err(TokenError::Malformed),
        }
    }
}

fn write(claims: &impl Serialize, key: &Key) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key.sign)
        .expect("plain claims are always JSON, and an HMAC always exists")
}

fn still_good(exp_unix_s: u64, now_unix_s: u64) -> Result<(), TokenError> {
    if now_unix_s < exp_unix_s { Ok(()) } else { Err(TokenError::Expired) }
}

#[cfg(test)]
#[path = "identity/tests.rs"]
mod tests;
