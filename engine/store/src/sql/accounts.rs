//! The people who work here. SQL is their record; how a password becomes a hash is not known here.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{SqlError, open_writer, rows};

/// What an account may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum AccountRole {
    /// Serves visitors.
    Agent = 1,
    /// Sees everybody's work.
    Supervisor = 2,
    /// Changes accounts and settings.
    Admin = 3,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Unique; what agents are known by in conversations.
    pub name: String,
    /// What it may do.
    pub role: AccountRole,
    /// As the caller made it.
    pub password_hash: String,
    /// When, milliseconds since 1970.
    pub created_at_ms: u64,
    /// May not log in. Accounts are never deleted, because conversations name them.
    pub disabled: bool,
}

/// Who works here.
#[derive(Debug)]
pub struct Accounts {
    connection: Connection,
}

const COLUMNS: &str = "name, role, password_hash, created_at, disabled";

impl Accounts {
    /// Opens or makes the database.
    pub fn open(path: &Path) -> Result<Self, SqlError> {
        Ok(Self { connection: open_writer(path)? })
    }

    /// Adds an account; false: the name is taken, and nothing was changed.
    pub fn create(&self, account: &Account) -> Result<bool, SqlError> {
        let created = self.connection.prepare_cached(
            "INSERT INTO accounts (name, role, password_hash, created_at, disabled) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (name) DO NOTHING",
        )?.execute(params![
            account.name,
            account.role as u8,
            account.password_hash,
            rows::signed(account.created_at_ms),
            account.disabled,
        ])?;
        Ok(created == 1)
    }

    /// The account of this name.
    pub fn find(&self, name: &str) -> Result<Option<Account>, SqlError> {
        let sql = format!("SELECT {COLUMNS} FROM accounts WHERE name = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let row = statement.query_row([name], columns).optional()?;
        row.map(account).transpose()
    }

    /// All of them, by name.
    pub fn list(&self) -> Result<Vec<Account>, SqlError> {
        let sql = format!("SELECT {COLUMNS} FROM accounts ORDER BY name");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([], columns)?;
        rows.map(|row| account(row?)).collect()
    }

    /// Changes the password; false: there is no such account.
    pub fn set_password(&self, name: &str, password_hash: &str) -> Result<bool, SqlError> {
        self.change("UPDATE accounts SET password_hash = ?2 WHERE name = ?1", params![name, password_hash])
    }

    /// Changes the role; false: there is no such account.
    pub fn set_role(&self, name: &str, role: AccountRole) -> Result<bool, SqlError> {
        self.change("UPDATE accounts SET role = ?2 WHERE name = ?1", params![name, role as u8])
    }

    /// Shuts the account out, or lets it in again; false: there is no such account.
    pub fn set_disabled(&self, name: &str, disabled: bool) -> Result<bool, SqlError> {
        self.change("UPDATE accounts SET disabled = ?2 WHERE name = ?1", params![name, disabled])
    }

    /// Whether there is an admin who can log in: without one, the set-up link is offered.
    pub fn any_admin(&self) -> Result<bool, SqlError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM accounts WHERE role = ?1 AND disabled = 0)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([AccountRole::Admin as u8], |row| row.get(0))?)
    }

    fn change(&self, sql: &str, parameters: &[&dyn rusqlite::ToSql]) -> Result<bool, SqlError> {
        Ok(self.connection.prepare_cached(sql)?.execute(parameters)? == 1)
    }
}

type Columns = (String, i64, String, i64, bool);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn account((name, role, password_hash, created_at, disabled): Columns) -> Result<Account, SqlError> {
    let role = match role {
        1 => AccountRole::Agent,
        2 => AccountRole::Supervisor,
        3 => AccountRole::Admin,
        value => return Err(SqlError::Damaged { column: "accounts.role", value }),
    };
    Ok(Account { name, role, password_hash, created_at_ms: rows::unsigned(created_at), disabled })
}
