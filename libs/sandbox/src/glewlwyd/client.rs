//! Clients: one secret each, replaced at once.
//!
//! A PUT keeps name, scope, flags and `password` where it does not say them, but forgets every property that it does
//! not say (`authorization_type`, `token_endpoint_auth_method`, `redirect_uri`, `client_secret`): a PUT of a new
//! secret alone leaves a client that can do nothing. A `client_secret` goes before the `password`.

use std::sync::Arc;

use mint_store::{Row, Value};
use mint_types::Timestamp;
use serde_json::{Map, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Glewlwyd;
use super::answer::{NOT_FOUND, Refusal};
use super::user::Wanted;
use super::written::WrittenClient;

#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) id: String,
    name: String,
    description: String,
    pub(super) scope: Vec<String>,
    pub(super) enabled: bool,
    pub(super) confidential: bool,
    properties: Map<String, serde_json::Value>,
    password_hash: Option<String>,
    /// Of the property `client_secret`.
    property_hash: Option<String>,
    /// Which secret opens now, and since when.
    pub(super) secret_id: Option<String>,
    pub(super) secret_created: Option<Timestamp>,
}

const CLIENT: &str = "SELECT * FROM glewlwyd_client WHERE client_id = $1";
const ALL: &str = "SELECT * FROM glewlwyd_client ORDER BY client_id";
const WRITE: &str = "INSERT INTO glewlwyd_client (client_id, name, description, scope, enabled, confidential, \
     properties, password_hash, client_secret_hash, secret_id, secret_created) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (client_id) DO UPDATE \
     SET name = $2, description = $3, scope = $4, enabled = $5, confidential = $6, properties = $7, \
     password_hash = $8, client_secret_hash = $9, secret_id = $10, secret_created = $11";
const REVIVED: &str = "DELETE FROM deleted_identity WHERE kind = 'glewlwyd-client' AND name = $1";
const BURIED: &str = "INSERT INTO deleted_identity (kind, name, deleted) VALUES ('glewlwyd-client', $1, $2) \
     ON CONFLICT (kind, name) DO UPDATE SET deleted = $2";

/// Secrets of a body, hashed before the transaction begins.
#[derive(Debug)]
struct Hashed {
    /// Absent also where the body takes the password away.
    password: Option<String>,
    client_secret: Option<String>,
    id: String,
    now: Timestamp,
}

impl Glewlwyd {
    pub(super) async fn client(&self, client_id: &str) -> Result<Option<Client>, mint_store::Error> {
        let row = self.database.query_optional(CLIENT, &[client_id.into()]).await?;
        row.as_ref().map(Client::of).transpose()
    }

    pub(super) async fn clients(&self) -> Result<Vec<Client>, mint_store::Error> {
        self.database.query(ALL, &[]).await?.iter().map(Client::of).collect()
    }

    pub(super) async fn show_client(&self, client_id: &str) -> Result<serde_json::Value, Refusal> {
        Ok(self.client(client_id).await?.ok_or(NOT_FOUND)?.shown())
    }

    pub(super) async fn list_clients(&self, wanted: &Wanted) -> Result<serde_json::Value, Refusal> {
        let clients = self.clients().await?;
        let found = clients.iter().filter(|client| {
            [&client.id, &client.name, &client.description].iter().any(|text| text.contains(&wanted.pattern))
        });
        Ok(found.skip(wanted.offset).take(wanted.limit).map(Client::shown).collect())
    }

    pub(super) async fn create_client(&self, body: &serde_json::Value) -> Result<(), Refusal> {
        let Some(client_id) = body["client_id"].as_str().filter(|id| (1..=128).contains(&id.len())) else {
            let sentence = "client_id is mandatory and must be a string (maximum 128 characters)";
            return Err(Refusal::Listed(vec![sentence.to_owned()]));
        };
        if self.client(client_id).await?.is_some() {
            return Err(Refusal::Listed(vec!["client_id already exist".to_owned()]));
        }
        self.write_client(client_id, body).await
    }

    pub(super) async fn change_client(
        &self,
        client_id: &str,
        body: &serde_json::Value,
    ) -> Result<(), Refusal> {
        self.client(client_id).await?.ok_or(NOT_FOUND)?;
        self.write_client(client_id, body).await
    }

    async fn write_client(&self, client_id: &str, body: &serde_json::Value) -> Result<(), Refusal> {
        let written = WrittenClient::read(body).map_err(Refusal::Listed)?;
        let hashed = Hashed {
            password: match &written.password {
                Some(password) => self.hash_unless_empty(password).await?,
                None => None,
            },
            client_secret: match &written.client_secret {
                Some(secret) => self.hash_unless_empty(secret).await?,
                None => None,
            },
            id: self.fresh_id(),
            now: self.clock.now(),
        };
        let change = Arc::new((client_id.to_owned(), written, hashed));
        self.database
            .write(|transaction| {
                let change = Arc::clone(&change);
                Box::pin(async move {
                    let (client_id, written, hashed) = &*change;
                    let row = transaction.query_optional(CLIENT, &[client_id.into()]).await?;
                    let present = row.as_ref().map(Client::of).transpose()?;
                    let client = written.applied(present.unwrap_or_else(|| Client::new(client_id)), hashed);
                    transaction.execute(WRITE, &client.columns()).await?;
                    transaction.execute(REVIVED, &[client_id.into()]).await?;
                    Ok::<_, Refusal>(())
                })
            })
            .await
    }

    async fn hash_unless_empty(&self, secret: &Zeroizing<String>) -> Result<Option<String>, Refusal> {
        if secret.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.vault.hash(secret).await?))
    }

    /// Deletes the client. Its refresh tokens stay: a client of that id that is made again can use them.
    pub(super) async fn delete_client(&self, client_id: &str) -> Result<(), Refusal> {
        let now = self.clock.now();
        let deleted = self
            .database
            .write(|transaction| {
                let args = [Value::from(client_id)];
                Box::pin(async move {
                    let deleted = transaction
                        .execute("DELETE FROM glewlwyd_client WHERE client_id = $1", &args)
                        .await?;
                    if deleted > 0 {
                        transaction.execute(BURIED, &[args[0].clone(), now.into()]).await?;
                    }
                    Ok::<_, mint_store::Error>(deleted)
                })
            })
            .await?;
        if deleted == 0 { Err(NOT_FOUND) } else { Ok(()) }
    }
}

impl Client {
    fn new(client_id: &str) -> Self {
        Self {
            id: client_id.to_owned(),
            name: String::new(),
            description: String::new(),
            scope: Vec::new(),
            enabled: true,
            confidential: false,
            properties: Map::new(),
            password_hash: None,
            property_hash: None,
            secret_id: None,
            secret_created: None,
        }
    }

    /// The hash of the secret that opens.
    pub(super) fn secret_hash(&self) -> Option<&str> {
        self.property_hash.as_deref().or(self.password_hash.as_deref())
    }

    /// What stands for the property `client_secret`, where the real server shows the secret itself. Sent back, it
    /// means the same as the secret would: a driver that puts what it got keeps the old secret in both worlds.
    fn hidden_secret(&self) -> Option<String> {
        let hash = self.property_hash.as_deref()?;
        Some(format!("hidden-{}", hex::encode(&Sha256::digest(hash.as_bytes())[..12])))
    }

    /// Whether a property that is a list has this entry.
    pub(super) fn offers(&self, property: &str, entry: &str) -> bool {
        let list = self.properties.get(property).and_then(serde_json::Value::as_array);
        list.is_some_and(|entries| entries.iter().any(|known| known == entry))
    }

    pub(super) fn says_how_it_authenticates(&self) -> bool {
        self.properties.contains_key("token_endpoint_auth_method")
    }

    fn of(row: &Row) -> Result<Self, mint_store::Error> {
        Ok(Self {
            id: row.text("client_id")?,
            name: row.text("name")?,
            description: row.text("description")?,
            scope: serde_json::from_str(&row.text("scope")?).unwrap_or_default(),
            enabled: row.boolean("enabled")?,
            confidential: row.boolean("confidential")?,
            properties: serde_json::from_str(&row.text("properties")?).unwrap_or_default(),
            password_hash: row.optional_text("password_hash")?,
            property_hash: row.optional_text("client_secret_hash")?,
            secret_id: row.optional_text("secret_id")?,
            secret_created: row.optional_timestamp("secret_created")?,
        })
    }

    /// In the order of [`WRITE`].
    fn columns(&self) -> Vec<Value> {
        vec![
            self.id.as_str().into(),
            self.name.as_str().into(),
            self.description.as_str().into(),
            json!(self.scope).to_string().into(),
            self.enabled.into(),
            self.confidential.into(),
            json!(self.properties).to_string().into(),
            self.password_hash.clone().into(),
            self.property_hash.clone().into(),
            self.secret_id.clone().into(),
            self.secret_created.into(),
        ]
    }

    fn shown(&self) -> serde_json::Value {
        let mut shown = json!({
            "client_id": self.id, "name": self.name, "description": self.description,
            "scope": self.scope, "enabled": self.enabled, "confidential": self.confidential, "source": "database",
        });
        if let Some(object) = shown.as_object_mut() {
            object.extend(self.properties.clone());
            object.extend(self.hidden_secret().map(|hidden| ("client_secret".to_owned(), hidden.into())));
        }
        shown
    }
}

impl WrittenClient {
    fn applied(&self, client: Client, hashed: &Hashed) -> Client {
        let before = client.secret_hash().map(str::to_owned);
        let sent_back = self.client_secret.as_ref().map(|secret| secret.as_str());
        let keeps = sent_back.is_some() && sent_back == client.hidden_secret().as_deref();
        let mut after = Client {
            name: self.name.clone().unwrap_or(client.name),
            description: self.description.clone().unwrap_or(client.description),
            scope: self.scope.clone().unwrap_or(client.scope),
            enabled: self.enabled.unwrap_or(client.enabled),
            confidential: self.confidential.unwrap_or(client.confidential),
            properties: self.properties.clone(),
            password_hash: match self.password {
                Some(_) => hashed.password.clone(),
                None => client.password_hash,
            },
            property_hash: if keeps { client.property_hash } else { hashed.client_secret.clone() },
            ..client
        };
        let now = after.secret_hash().map(str::to_owned);
        if now != before {
            after.secret_id = now.is_some().then(|| hashed.id.clone());
            after.secret_created = now.is_some().then_some(hashed.now);
        }
        after
    }
}
