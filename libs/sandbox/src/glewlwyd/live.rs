//! What is alive of an application's users and clients, for tests.

use mint_types::Timestamp;

use super::Glewlwyd;
use super::client::Client;
use super::user::{Password, User};
use crate::live::{Object, Standing, Version};

const ISSUER: &str = "glewlwyd";
const USERS: &str = "SELECT username FROM glewlwyd_user ORDER BY username";
const DELETED: &str =
    "SELECT kind, name, deleted FROM deleted_identity WHERE kind <> 'service-user' ORDER BY name";

impl Glewlwyd {
    /// The users and clients that belong to the application by their names.
    pub(crate) async fn live(&self, application: &str) -> Result<Vec<Object>, mint_store::Error> {
        let mut objects = Vec::new();
        for row in self.database.query(USERS, &[]).await? {
            let username = row.text("username")?;
            let Some(user) = self.user(&username).await?.filter(|_| self.is_of(&username, application))
            else {
                continue;
            };
            objects.push(self.live_user(&user).await?);
        }
        for client in self.clients().await? {
            if self.is_of(&client.id, application) {
                objects.push(live_client(&client));
            }
        }
        for row in self.database.query(DELETED, &[]).await? {
            let (kind, name) = (row.text("kind")?, row.text("name")?);
            if self.is_of(&name, application) {
                let object = if kind == "glewlwyd-user" { "user" } else { "client" };
                objects.push(Object::deleted(ISSUER, object, &name, row.timestamp("deleted")?));
            }
        }
        Ok(objects)
    }

    fn is_of(&self, name: &str, application: &str) -> bool {
        self.applications.of(name).as_deref() == Some(application)
    }

    async fn live_user(&self, user: &User) -> Result<Object, mint_store::Error> {
        let passwords = self.passwords(&user.username).await?;
        let version = |Password { id, created, .. }| version(Some(id), user.enabled, Some(created));
        let versions = passwords.into_iter().map(version).collect();
        let refresh_tokens = self.live_refresh_tokens(&user.username).await?;
        let object = Object::new(ISSUER, "user", &user.username, user.enabled, versions);
        Ok(Object { refresh_tokens, ..object })
    }
}

fn live_client(client: &Client) -> Object {
    let opens = client.enabled && client.confidential && client.says_how_it_authenticates();
    let versions = client.secret_id.iter();
    let versions = versions.map(|id| version(Some(id.clone()), opens, client.secret_created)).collect();
    Object::new(ISSUER, "client", &client.id, client.enabled, versions)
}

fn version(id: Option<String>, opens: bool, created: Option<Timestamp>) -> Version {
    Version {
        id,
        transaction: None,
        state: Standing::Committed,
        opens,
        created_us: created.map(Timestamp::unix_micros),
        valid_until_us: None,
    }
}
