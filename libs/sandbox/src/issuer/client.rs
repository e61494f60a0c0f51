//! OAuth clients of users: each new one has an id of its own; its commit ends all others at once.

use mint_store::Value;
use zeroize::Zeroizing;

use super::user::{CURRENT_CLIENT, User};
use super::{CLIENT_SECRET_MARK, Issuer, Refusal};

/// A client that was just made; the only time that anybody sees its secret. A public one has none.
pub(crate) struct Made {
    pub(crate) txid: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<Zeroizing<String>>,
}

/// A live client as the token endpoint sees it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) owner: User,
    pub(crate) hash: Option<String>,
    pub(crate) public: bool,
}

const CREATE: &str = "INSERT INTO client (client_id, username, txid, hash, public, committed, ended, created) \
     VALUES ($1, $2, $3, $4, $5, 0, 0, $6)";
const FIND: &str = "SELECT client_id, committed, ended FROM client WHERE txid = $1 AND username = $2";
const COMMIT: &str = "UPDATE client SET committed = 1 WHERE txid = $1";
const END_OTHERS: &str = "UPDATE client SET ended = 1, hash = NULL WHERE username = $1 AND client_id <> $2";
const CURRENT: &str = "UPDATE service_user SET client_id = $2 WHERE username = $1";
const LIVE: &str = "SELECT client.client_id, client.hash, client.public, service_user.username, \
     service_user.user_scopes, service_user.client_scopes \
     FROM client JOIN service_user ON service_user.username = client.username \
     WHERE client.client_id = $1 AND client.ended = 0";
const OWNER: &str = "SELECT username FROM client WHERE client_id = $1";

impl Issuer {
    pub(crate) async fn create_client(&self, username: &str) -> Result<Made, Refusal> {
        self.show(username).await?;
        let (txid, client_id) = (self.fresh_id(), self.fresh_client_id(username));
        let secret = self.vault.fresh(CLIENT_SECRET_MARK);
        let hash = self.vault.hash(&secret).await?;
        let now = self.clock.now();
        let confidential = self
            .database
            .write(|transaction| {
                let (txid, client_id, hash) = (txid.clone(), client_id.clone(), hash.clone());
                let username = username.to_owned();
                Box::pin(async move {
                    let user = transaction
                        .query_optional(CURRENT_CLIENT, &[Value::from(&username)])
                        .await?
                        .ok_or(Refusal::UnknownUser)?;
                    let confidential = user.boolean("confidential")?;
                    let hash = confidential.then_some(hash);
                    let args = [
                        client_id.into(),
                        username.into(),
                        txid.into(),
                        hash.into(),
                        Value::from(!confidential),
                        now.into(),
                    ];
                    transaction.execute(CREATE, &args).await?;
                    Ok::<_, Refusal>(confidential)
                })
            })
            .await?;
        Ok(Made { txid, client_id, client_secret: confidential.then_some(secret) })
    }

    /// Commits: every other client of the user ends at once. A second time it changes nothing.
    pub(crate) async fn commit_client(&self, username: &str, txid: &str) -> Result<(), Refusal> {
        self.database
            .write(|transaction| {
                let (username, txid) = (username.to_owned(), txid.to_owned());
                Box::pin(async move {
                    let row = transaction
                        .query_optional(FIND, &[Value::from(&txid), Value::from(&username)])
                        .await?
                        .ok_or(Refusal::UnknownTransaction)?;
                    if row.boolean("committed")? {
                        return Ok(());
                    }
                    if row.boolean("ended")? {
                        return Err(Refusal::Superseded);
                    }
                    let args = [Value::from(&username), row.text("client_id")?.into()];
                    transaction.execute(COMMIT, &[Value::from(&txid)]).await?;
                    transaction.execute(END_OTHERS, &args).await?;
                    transaction.execute(CURRENT, &args).await?;
                    Ok(())
                })
            })
            .await
    }

    /// The client of that id, unless it has ended.
    pub(crate) async fn client(&self, client_id: &str) -> Result<Option<Client>, mint_store::Error> {
        let Some(row) = self.database.query_optional(LIVE, &[client_id.into()]).await? else {
            return Ok(None);
        };
        Ok(Some(Client {
            id: row.text("client_id")?,
            owner: User::of(&row)?,
            hash: row.optional_text("hash")?,
            public: row.boolean("public")?,
        }))
    }

    /// Whose client this is or was: for the request log.
    pub(crate) async fn client_owner(&self, client_id: &str) -> Result<Option<String>, mint_store::Error> {
        let row = self.database.query_optional(OWNER, &[client_id.into()]).await?;
        row.map(|row| row.text("username")).transpose()
    }
}
