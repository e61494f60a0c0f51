//! Service users: put, read, delete. Empty scopes disable one; its credentials stay and open nothing.

use mint_store::{Row, Value};
use serde::{Deserialize, Serialize};

use super::{Issuer, Refusal};

/// The body of `PUT /services/{u}`. Unknown keys are refused: the original sent scopes under `sopes` for years.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    pub(crate) id: String,
    name: String,
    owner: String,
    #[serde(default)]
    subtitle: Option<String>,
    client_config: ClientConfig,
    user_config: UserConfig,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientConfig {
    #[serde(default)]
    redirect_urls: Vec<String>,
    scopes: Vec<Granted>,
    confidential: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserConfig {
    scopes: Vec<Granted>,
}

/// Scopes of a realm; a plain name is taken too.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Granted {
    Name(String),
    Realm {
        #[serde(rename = "realm")]
        _realm: String,
        scopes: Vec<String>,
    },
}

/// `{"id", "name"}`, as the API answers a user.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    id: String,
    name: String,
}

/// What the token endpoint needs to know.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) username: String,
    /// Scopes granted to the user or its client, besides those that everybody has.
    pub(crate) scopes: Vec<String>,
}

impl User {
    /// Empty scope lists are how Mint disables a user: no login succeeds.
    pub(crate) fn is_disabled(&self) -> bool {
        self.scopes.is_empty()
    }
}

const SELECT: &str =
    "SELECT username, name, user_scopes, client_scopes FROM service_user WHERE username = $1";
const INSERT: &str = "INSERT INTO service_user \
     (username, name, owner, subtitle, redirect_urls, user_scopes, client_scopes, confidential, client_id) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const UPDATE: &str = "UPDATE service_user SET name = $2, owner = $3, subtitle = $4, redirect_urls = $5, \
     user_scopes = $6, client_scopes = $7, confidential = $8 WHERE username = $1";
const FIRST_CLIENT: &str = "INSERT INTO client (client_id, username, txid, hash, public, committed, ended, created) \
     VALUES ($1, $2, NULL, NULL, $3, 1, 0, $4)";
const REVIVED: &str = "DELETE FROM deleted_identity WHERE kind = 'service-user' AND name = $1";
const BURIED: &str = "INSERT INTO deleted_identity (kind, name, deleted) VALUES ('service-user', $1, $2) \
     ON CONFLICT (kind, name) DO UPDATE SET deleted = $2";
const OPEN_UP: &str = "UPDATE client SET public = 1 WHERE client_id = $1";

impl Issuer {
    pub(crate) async fn usernames(&self) -> Result<Vec<String>, Refusal> {
        let rows = self.database.query("SELECT username FROM service_user ORDER BY username", &[]).await?;
        Ok(rows.iter().map(|row| row.text("username")).collect::<Result<_, _>>()?)
    }

    pub(crate) async fn show(&self, username: &str) -> Result<Shown, Refusal> {
        let row =
            self.database.query_optional(SELECT, &[username.into()]).await?.ok_or(Refusal::UnknownUser)?;
        Ok(Shown { id: row.text("username")?, name: row.text("name")? })
    }

    /// Creates the user or replaces what is said about it, never its credentials. Answers its client id.
    pub(crate) async fn put(&self, written: &Written) -> Result<String, Refusal> {
        let username = written.id.clone();
        let fresh_client = self.fresh_client_id(&username);
        let args = written.columns()?;
        let (confidential, now) = (written.client_config.confidential, self.clock.now());
        self.database
            .write(|transaction| {
                let (username, fresh_client, mut args) =
                    (username.clone(), fresh_client.clone(), args.clone());
                Box::pin(async move {
                    let known =
                        transaction.query_optional(CURRENT_CLIENT, &[username.as_str().into()]).await?;
                    if let Some(row) = known {
                        transaction.execute(UPDATE, &args).await?;
                        let client_id = row.text("client_id")?;
                        // A client that becomes public is known without a secret from now on; one that becomes
                        // confidential stays as it is until a new one is committed, or its holder would be locked out.
                        if !confidential {
                            transaction.execute(OPEN_UP, &[client_id.as_str().into()]).await?;
                        }
                        return Ok(client_id);
                    }
                    args.push(fresh_client.as_str().into());
                    transaction.execute(INSERT, &args).await?;
                    let client = [
                        fresh_client.as_str().into(),
                        username.as_str().into(),
                        Value::from(!confidential),
                        now.into(),
                    ];
                    transaction.execute(FIRST_CLIENT, &client).await?;
                    transaction.execute(REVIVED, &[username.as_str().into()]).await?;
                    Ok(fresh_client)
                })
            })
            .await
    }

    /// Deletes the user with all its credentials.
    pub(crate) async fn delete(&self, username: &str) -> Result<(), Refusal> {
        let now = self.clock.now();
        let deleted = self
            .database
            .write(|transaction| {
                let username = username.to_owned();
                Box::pin(async move {
                    let args = [Value::from(username)];
                    transaction.execute("DELETE FROM password WHERE username = $1", &args).await?;
                    transaction.execute("DELETE FROM client WHERE username = $1", &args).await?;
                    let deleted =
                        transaction.execute("DELETE FROM service_user WHERE username = $1", &args).await?;
                    if deleted > 0 {
                        transaction.execute(BURIED, &[args[0].clone(), now.into()]).await?;
                    }
                    Ok::<_, mint_store::Error>(deleted)
                })
            })
            .await?;
        if deleted == 0 { Err(Refusal::UnknownUser) } else { Ok(()) }
    }

    /// The user as the token endpoint sees it.
    pub(crate) async fn user(&self, username: &str) -> Result<Option<User>, mint_store::Error> {
        let row = self.database.query_optional(SELECT, &[username.into()]).await?;
        row.as_ref().map(User::of).transpose()
    }
}

pub(super) const CURRENT_CLIENT: &str =
    "SELECT client_id, confidential FROM service_user WHERE username = $1";

impl User {
    pub(super) fn of(row: &Row) -> Result<Self, mint_store::Error> {
        let mut scopes = names(&row.text("user_scopes")?);
        scopes.extend(names(&row.text("client_scopes")?));
        scopes.sort();
        scopes.dedup();
        Ok(Self { username: row.text("username")?, scopes })
    }
}

impl Written {
    /// In the order of [`INSERT`] and [`UPDATE`], without the client id.
    fn columns(&self) -> Result<Vec<Value>, Refusal> {
        Ok(vec![
            self.id.as_str().into(),
            self.name.as_str().into(),
            self.owner.as_str().into(),
            self.subtitle.clone().into(),
            list(&self.client_config.redirect_urls)?.into(),
            list(&flat(&self.user_config.scopes))?.into(),
            list(&flat(&self.client_config.scopes))?.into(),
            self.client_config.confidential.into(),
        ])
    }
}

fn flat(granted: &[Granted]) -> Vec<String> {
    let names = granted.iter().flat_map(|granted| match granted {
        Granted::Name(name) => std::slice::from_ref(name),
        Granted::Realm { scopes, .. } => scopes.as_slice(),
    });
    names.cloned().collect()
}

fn list(names: &[String]) -> Result<String, Refusal> {
    serde_json::to_string(names).map_err(|problem| Refusal::Malformed(problem.to_string()))
}

pub(super) fn names(list: &str) -> Vec<String> {
    serde_json::from_str(list).unwrap_or_default()
}
