//! Users: what the admin API keeps of them, and whether a password opens.

use std::sync::Arc;

use mint_store::{Row, Transaction, Value};
use mint_types::Timestamp;
use serde_json::json;
use zeroize::Zeroizing;

use super::Glewlwyd;
use super::answer::{NOT_FOUND, Refusal};
use super::places::{Place, settled};
use super::written::WrittenUser;

#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) username: String,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) scope: Vec<String>,
    pub(super) enabled: bool,
    /// The `sub` of its tokens.
    pub(super) subject: String,
}

/// A live password.
#[derive(Debug, Clone)]
pub(super) struct Password {
    pub(super) id: String,
    pub(super) hash: String,
    pub(super) created: Timestamp,
}

/// Which part of a list is wanted.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) pattern: String,
    pub(super) offset: usize,
    pub(super) limit: usize,
}

const USER: &str =
    "SELECT username, name, email, scope, enabled, subject FROM glewlwyd_user WHERE username = $1";
const BY_SUBJECT: &str =
    "SELECT username, name, email, scope, enabled, subject FROM glewlwyd_user WHERE subject = $1";
const ALL: &str =
    "SELECT username, name, email, scope, enabled, subject FROM glewlwyd_user ORDER BY username";
const WRITE: &str = "INSERT INTO glewlwyd_user (username, name, email, scope, enabled, subject) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (username) DO UPDATE \
     SET name = $2, email = $3, scope = $4, enabled = $5";
const PASSWORDS: &str = "SELECT id, hash, created FROM glewlwyd_password WHERE username = $1 ORDER BY place";
const COUNTS: &str = "SELECT username, COUNT(*) AS passwords FROM glewlwyd_password GROUP BY username";
const CLEAR: &str = "DELETE FROM glewlwyd_password WHERE username = $1";
const ADD: &str =
    "INSERT INTO glewlwyd_password (id, username, place, hash, created) VALUES ($1, $2, $3, $4, $5)";
const REVIVED: &str = "DELETE FROM deleted_identity WHERE kind = 'glewlwyd-user' AND name = $1";
const BURIED: &str = "INSERT INTO deleted_identity (kind, name, deleted) VALUES ('glewlwyd-user', $1, $2) \
     ON CONFLICT (kind, name) DO UPDATE SET deleted = $2";

impl Glewlwyd {
    pub(super) async fn user(&self, username: &str) -> Result<Option<User>, mint_store::Error> {
        let row = self.database.query_optional(USER, &[username.into()]).await?;
        row.as_ref().map(User::of).transpose()
    }

    pub(super) async fn user_of_subject(&self, subject: &str) -> Result<Option<User>, mint_store::Error> {
        let row = self.database.query_optional(BY_SUBJECT, &[subject.into()]).await?;
        row.as_ref().map(User::of).transpose()
    }

    pub(super) async fn passwords(&self, username: &str) -> Result<Vec<Password>, mint_store::Error> {
        let rows = self.database.query(PASSWORDS, &[username.into()]).await?;
        rows.iter().map(Password::of).collect()
    }

    /// The user as the admin API shows it: with the number of its passwords.
    pub(super) async fn show_user(&self, username: &str) -> Result<serde_json::Value, Refusal> {
        let user = self.user(username).await?.ok_or(NOT_FOUND)?;
        Ok(user.shown(self.passwords(username).await?.len()))
    }

    pub(super) async fn list_users(&self, wanted: &Wanted) -> Result<serde_json::Value, Refusal> {
        let counts = self.database.query(COUNTS, &[]).await?;
        let mut passwords = std::collections::HashMap::new();
        for row in &counts {
            passwords.insert(row.text("username")?, usize::try_from(row.unsigned("passwords")?).unwrap_or(0));
        }
        let rows = self.database.query(ALL, &[]).await?;
        let users = rows.iter().map(User::of).collect::<Result<Vec<_>, _>>()?;
        let found = users.iter().filter(|user| {
            [&user.username, &user.name, &user.email].iter().any(|text| text.contains(&wanted.pattern))
        });
        let page = found.skip(wanted.offset).take(wanted.limit);
        Ok(page.map(|user| user.shown(passwords.get(&user.username).copied().unwrap_or(0))).collect())
    }

    /// Creates the user that the body names.
    pub(super) async fn create_user(&self, body: &serde_json::Value) -> Result<(), Refusal> {
        if let Some(username) = body["username"].as_str()
            && self.user(username).await?.is_some()
        {
            return Err(Refusal::Listed(vec!["username already exist".to_owned()]));
        }
        self.put_user(body).await
    }

    /// Creates or changes the user that the body names.
    pub(super) async fn put_user(&self, body: &serde_json::Value) -> Result<(), Refusal> {
        let Some(username) = body["username"].as_str().filter(|name| (1..=128).contains(&name.len())) else {
            let sentence = "username is mandatory and must be a string (maximum 128 characters)";
            return Err(Refusal::Listed(vec![sentence.to_owned()]));
        };
        self.write_user(username, body).await
    }

    /// Changes what the body says of a user that exists.
    pub(super) async fn change_user(&self, username: &str, body: &serde_json::Value) -> Result<(), Refusal> {
        self.user(username).await?.ok_or(NOT_FOUND)?;
        self.write_user(username, body).await
    }

    async fn write_user(&self, username: &str, body: &serde_json::Value) -> Result<(), Refusal> {
        let written = WrittenUser::read(body).map_err(Refusal::Listed)?;
        let mut fresh = Vec::new();
        for place in &written.passwords {
            if let Place::Fresh(password) = place {
                let hash = self.vault.hash(password).await?;
                fresh.push(Password { id: self.fresh_id(), hash, created: self.clock.now() });
            }
        }
        let change = Arc::new((username.to_owned(), written, fresh, self.fresh_id()));
        self.database
            .write(|transaction| {
                let change = Arc::clone(&change);
                Box::pin(async move {
                    let (username, written, fresh, subject) = &*change;
                    let row = transaction.query_optional(USER, &[username.into()]).await?;
                    let present = row.as_ref().map(User::of).transpose()?;
                    let user = written.applied(present.unwrap_or_else(|| User::new(username, subject)));
                    transaction.execute(WRITE, &user.columns()).await?;
                    transaction.execute(REVIVED, &[username.into()]).await?;
                    let rows = transaction.query(PASSWORDS, &[username.into()]).await?;
                    let present = rows.iter().map(Password::of).collect::<Result<Vec<_>, _>>()?;
                    let after = settled(present, &written.passwords, fresh.clone());
                    store(transaction, username, &after).await?;
                    Ok::<_, Refusal>(())
                })
            })
            .await
    }

    /// Deletes the user with its passwords, sessions and refresh tokens.
    pub(super) async fn delete_user(&self, username: &str) -> Result<(), Refusal> {
        let now = self.clock.now();
        let deleted = self
            .database
            .write(|transaction| {
                let username = username.to_owned();
                Box::pin(async move {
                    let args = [Value::from(username)];
                    for table in [
                        CLEAR,
                        "DELETE FROM glewlwyd_session WHERE username = $1",
                        "DELETE FROM glewlwyd_refresh_token WHERE username = $1",
                    ] {
                        transaction.execute(table, &args).await?;
                    }
                    let deleted =
                        transaction.execute("DELETE FROM glewlwyd_user WHERE username = $1", &args).await?;
                    if deleted > 0 {
                        transaction.execute(BURIED, &[args[0].clone(), now.into()]).await?;
                    }
                    Ok::<_, mint_store::Error>(deleted)
                })
            })
            .await?;
        if deleted == 0 { Err(NOT_FOUND) } else { Ok(()) }
    }

    /// Whether an enabled user has exactly one such password: two equal ones open nothing at the real server.
    pub(super) async fn logs_in(
        &self,
        username: &str,
        password: Zeroizing<String>,
    ) -> Result<bool, mint_store::Error> {
        let Some(user) = self.user(username).await? else { return Ok(false) };
        let hashes = self.passwords(username).await?.into_iter().map(|password| password.hash).collect();
        Ok(user.enabled && self.vault.matches(password, hashes).await == 1)
    }
}

async fn store(
    transaction: &mut Transaction<'_>,
    username: &str,
    passwords: &[Password],
) -> Result<(), mint_store::Error> {
    transaction.execute(CLEAR, &[username.into()]).await?;
    for (place, password) in passwords.iter().enumerate() {
        let args = [
            password.id.as_str().into(),
            username.into(),
            Value::from(i64::try_from(place).unwrap_or(i64::MAX)),
            password.hash.as_str().into(),
            password.created.into(),
        ];
        transaction.execute(ADD, &args).await?;
    }
    Ok(())
}

impl User {
    fn new(username: &str, subject: &str) -> Self {
        Self {
            username: username.to_owned(),
            name: String::new(),
            email: String::new(),
            scope: Vec::new(),
            enabled: true,
            subject: subject.to_owned(),
        }
    }

    fn of(row: &Row) -> Result<Self, mint_store::Error> {
        Ok(Self {
            username: row.text("username")?,
            name: row.text("name")?,
            email: row.text("email")?,
            scope: serde_json::from_str(&row.text("scope")?).unwrap_or_default(),
            enabled: row.boolean("enabled")?,
            subject: row.text("subject")?,
        })
    }

    /// In the order of [`WRITE`].
    fn columns(&self) -> [Value; 6] {
        [
            self.username.as_str().into(),
            self.name.as_str().into(),
            self.email.as_str().into(),
            json!(self.scope).to_string().into(),
            self.enabled.into(),
            self.subject.as_str().into(),
        ]
    }

    fn shown(&self, passwords: usize) -> serde_json::Value {
        json!({
            "username": self.username, "name": self.name, "email": self.email, "scope": self.scope,
            "enabled": self.enabled, "password": passwords, "source": "database",
        })
    }
}

impl Password {
    fn of(row: &Row) -> Result<Self, mint_store::Error> {
        Ok(Self { id: row.text("id")?, hash: row.text("hash")?, created: row.timestamp("created")? })
    }
}

impl WrittenUser {
    fn applied(&self, user: User) -> User {
        User {
            name: self.name.clone().unwrap_or(user.name),
            email: self.email.clone().unwrap_or(user.email),
            scope: self.scope.clone().unwrap_or(user.scope),
            enabled: self.enabled.unwrap_or(user.enabled),
            ..user
        }
    }
}
