//! Accounts of the people at the desk: which names and passwords there may be, and how a password is kept.
//!
//! Passwords are kept as argon2id hashes (RFC 9106) in PHC text form. Hashing costs tens of milliseconds and
//! megabytes on purpose, so callers do it on threads that may block. Where accounts are kept is `store`'s.

use std::sync::LazyLock;

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{Salt, SaltString},
};
use store::sql::AccountRole;

use crate::identity::AgentRole;

/// Longest name in characters.
pub const NAME_CHARACTERS_MAX: usize = 64;
/// Fewest characters of a password.
pub const PASSWORD_CHARACTERS_MIN: usize = 8;
/// Longest password in bytes: hashing must not become a way to spend our time.
pub const PASSWORD_BYTES_MAX: usize = 1024;

// A name goes where the wire has room for one: four bytes a character would be too many, so bytes are
// checked as well.
const NAME_BYTES_MAX: usize = codec::message::NAME_BYTES_MAX;
const _: () = assert!(NAME_CHARACTERS_MAX <= NAME_BYTES_MAX);
const _: () = assert!(PASSWORD_CHARACTERS_MIN * 4 <= PASSWORD_BYTES_MAX);

/// The name of an account: also what visitors and other agents see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountName(String);

/// Why a text is no account's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameError;

impl NameError {
    /// What a name must be.
    pub const fn text(self) -> &'static str {
        "must be 1 to 64 letters (of any language, at most 128 bytes), digits or one of . _ - @"
    }
}

impl AccountName {
    /// Takes letters of any language, digits and `._-@`.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let right = name.len() <= NAME_BYTES_MAX
            && (1..=NAME_CHARACTERS_MAX).contains(&name.chars().count())
            && name.chars().all(|character| character.is_alphanumeric() || "._-@".contains(character));
        if right { Ok(Self(name.to_owned())) } else { Err(NameError) }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for AccountName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A password that may become an account's; never printed.
pub struct Password(String);

/// Why a text is no password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordError;

impl PasswordError {
    /// What a password must be.
    pub const fn text(self) -> &'static str {
        "a password must have at least 8 characters and at most 1024 bytes"
    }
}

/// No hash could be made: the machine has no memory or no randomness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashError(String);

impl std::fmt::Display for HashError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the password cannot be hashed: {}", self.0)
    }
}

impl std::error::Error for HashError {}

impl Password {
    /// Checks the length, and nothing else: rules about signs make passwords worse.
    pub fn new(text: String) -> Result<Self, PasswordError> {
        let right = text.chars().count() >= PASSWORD_CHARACTERS_MIN && text.len() <= PASSWORD_BYTES_MAX;
        if right { Ok(Self(text)) } else { Err(PasswordError) }
    }

    /// What is kept of it. Slow on purpose.
    pub fn hash(&self) -> Result<String, HashError> {
        let mut salt = [0; Salt::RECOMMENDED_LENGTH];
        getrandom::fill(&mut salt).map_err(|error| HashError(error.to_string()))?;
        let salt = SaltString::encode_b64(&salt).map_err(|error| HashError(error.to_string()))?;
        let hash = Argon2::default().hash_password(self.0.as_bytes(), &salt);
        hash.map(|hash| hash.to_string()).map_err(|error| HashError(error.to_string()))
    }
}

/// Whether `password` is the one that `hash` was made of. `None`: there is no such account; it takes as
/// long as if there were, so that nobody learns names by the clock. Slow on purpose.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    /// Of a password that nobody knows; made once, with the cost of all others.
    static NOBODY: LazyLock<String> = LazyLock::new(|| {
        let mut random = [0; 16];
        // Without randomness the password is known, and still nobody's: `known` is false below.
        if getrandom::fill(&mut random).is_err() {
            random = [7; 16];
        }
        let password = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Password(password).hash().unwrap_or_default()
    });
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    let known = hash.is_some();
    let right = PasswordHash::new(hash.unwrap_or(&NOBODY))
        .and_then(|hash| Argon2::default().verify_password(password.as_bytes(), &hash))
        .is_ok();
    known && right
}

/// Makes the stand-in for unknown names, so that the first wrong login is not slower than the others.
pub fn warm_up() {
    verify("", None);
}

impl From<AccountRole> for AgentRole {
    fn from(role: AccountRole) -> Self {
        match role {
            AccountRole::Agent => Self::Agent,
            AccountRole::Supervisor => Self::Supervisor,
            AccountRole::Admin => Self::Admin,
        }
    }
}

impl From<AgentRole> for AccountRole {
    fn from(role: AgentRole) -> Self {
        match role {
            AgentRole::Agent => Self::Agent,
            AgentRole::Supervisor => Self::Supervisor,
            AgentRole::Admin => Self::Admin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_of_any_language_digits_and_four_signs() {
        let cases = [
            ("a", true),
            ("wang.xiaoming-2_x@shop", true),
            ("王小明", true),
            ("Jürgen", true),
            (&"x".repeat(64), true),
            (&"x".repeat(65), false),
            (&"王".repeat(42), true),
            (&"王".repeat(43), false),
            ("", false),
            ("two words", false),
            ("a/b", false),
            ("a\n", false),
            ("<b>", false),
            ("a\u{202e}b", false),
        ];
        for (name, right) in cases {
            assert_eq!(AccountName::new(name).is_ok(), right, "{name:?}");
        }
    }

    #[test]
    fn passwords_have_a_length_and_nothing_else() {
        let cases = [
            ("1234567", false),
            ("12345678", true),
            ("密码密码密码密码", true),
            ("密码密码密码", false),
            ("", false),
        ];
        for (text, right) in cases {
            assert_eq!(Password::new(text.to_owned()).is_ok(), right, "{text}");
        }
        assert!(Password::new("x".repeat(PASSWORD_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn only_the_right_password_of_a_known_account_is_right() {
        let hash = Password::new("correct horse".into()).expect("a password").hash().expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$"), "{hash}");
        let again = Password::new("correct horse".into()).expect("a password").hash().expect("hashed");
        assert_ne!(hash, again, "each has its own salt");
        for (password, hash, right) in [
            ("correct horse", Some(hash.as_str()), true),
            ("correct horsE", Some(hash.as_str()), false),
            ("", Some(hash.as_str()), false),
            ("correct horse", None, false),
            ("correct horse", Some("not a hash"), false),
        ] {
            assert_eq!(verify(password, hash), right, "{password} {hash:?}");
        }
    }
}
