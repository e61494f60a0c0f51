//! What is alive of a service user, for tests.

use mint_store::{Row, Value};
use mint_types::Timestamp;

use super::{Issuer, User};
use crate::live::{Object, Standing, Version};

const ISSUER: &str = "service-user";
const PASSWORDS: &str = "SELECT txid, committed, valid_until, created FROM password \
     WHERE username = $1 AND (valid_until IS NULL OR valid_until > $2) ORDER BY sequence";
const CLIENTS: &str = "SELECT client_id, txid, hash IS NULL AS secretless, public, committed, created FROM client \
     WHERE username = $1 AND ended = 0 ORDER BY created, txid IS NOT NULL, client_id";
const REDIRECTS: &str = "SELECT redirect_urls FROM service_user WHERE username = $1";
const DELETED: &str = "SELECT deleted FROM deleted_identity WHERE kind = 'service-user' AND name = $1";

impl Issuer {
    /// The passwords and clients of a user that have not ended.
    pub(crate) async fn live(&self, username: &str) -> Result<Vec<Object>, mint_store::Error> {
        let Some(user) = self.user(username).await? else {
            let row = self.database.query_optional(DELETED, &[username.into()]).await?;
            let Some(row) = row else { return Ok(Vec::new()) };
            let at = row.timestamp("deleted")?;
            return Ok(["user", "client"].map(|object| Object::deleted(ISSUER, object, username, at)).into());
        };
        let enabled = !User::is_disabled(&user);
        let args = [Value::from(username), self.clock.now().into()];
        let passwords = self.database.query(PASSWORDS, &args).await?;
        let passwords = passwords.iter().map(|row| password(row, enabled)).collect::<Result<_, _>>()?;
        let clients = self.database.query(CLIENTS, &[username.into()]).await?;
        let clients = clients.iter().map(|row| client(row, enabled)).collect::<Result<_, _>>()?;
        let urls = self.database.query_optional(REDIRECTS, &[username.into()]).await?;
        let redirect_urls = urls.map_or(Ok(String::new()), |row| row.text("redirect_urls"))?;
        let redirect_urls = super::user::names(&redirect_urls);
        Ok(vec![
            Object::new(ISSUER, "user", username, enabled, passwords),
            Object { redirect_urls, ..Object::new(ISSUER, "client", username, enabled, clients) },
        ])
    }
}

fn password(row: &Row, enabled: bool) -> Result<Version, mint_store::Error> {
    let valid_until = row.optional_timestamp("valid_until")?;
    Ok(Version {
        id: None,
        transaction: Some(row.text("txid")?),
        state: match valid_until {
            Some(_) => Standing::InGrace,
            None => standing(row)?,
        },
        opens: enabled,
        created_us: row.optional_timestamp("created")?.map(Timestamp::unix_micros),
        valid_until_us: valid_until.map(Timestamp::unix_micros),
    })
}

/// The first client of a confidential user has no secret, and opens nothing.
fn client(row: &Row, enabled: bool) -> Result<Version, mint_store::Error> {
    Ok(Version {
        id: Some(row.text("client_id")?),
        transaction: row.optional_text("txid")?,
        state: standing(row)?,
        opens: enabled && (row.boolean("public")? || !row.boolean("secretless")?),
        created_us: row.optional_timestamp("created")?.map(Timestamp::unix_micros),
        valid_until_us: None,
    })
}

fn standing(row: &Row) -> Result<Standing, mint_store::Error> {
    Ok(if row.boolean("committed")? { Standing::Committed } else { Standing::Pending })
}
