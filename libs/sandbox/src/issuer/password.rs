//! Passwords: each new one opens the door beside the older ones, until a commit ends those after a grace.

use mint_store::Value;
use zeroize::Zeroizing;

use super::{Issuer, PASSWORD_MARK, Refusal};

/// A password that was just made; the only time that anybody sees it.
pub(crate) struct Made {
    pub(crate) txid: String,
    pub(crate) password: Zeroizing<String>,
}

const CREATE: &str = "INSERT INTO password (txid, username, sequence, hash, committed, valid_until, created) \
     SELECT $1, $2, COALESCE(MAX(sequence), 0) + 1, $3, 0, NULL, $4 FROM password WHERE username = $2";
const FIND: &str = "SELECT sequence, committed, valid_until FROM password WHERE txid = $1 AND username = $2";
const COMMIT: &str = "UPDATE password SET committed = 1 WHERE txid = $1";
const END_OLDER: &str = "UPDATE password SET valid_until = $3 \
     WHERE username = $1 AND sequence < $2 AND valid_until IS NULL";
const VALID: &str = "SELECT hash FROM password \
     WHERE username = $1 AND (valid_until IS NULL OR valid_until > $2) ORDER BY sequence DESC";

impl Issuer {
    pub(crate) async fn create_password(&self, username: &str) -> Result<Made, Refusal> {
        self.show(username).await?;
        let password = self.vault.fresh(PASSWORD_MARK);
        let hash = self.vault.hash(&password).await?;
        let (txid, now) = (self.fresh_id(), self.clock.now());
        self.database
            .write(|transaction| {
                let args = [Value::from(&txid), username.into(), Value::from(&hash), now.into()];
                Box::pin(async move {
                    let user = "SELECT username FROM service_user WHERE username = $1";
                    transaction
                        .query_optional(user, &[args[1].clone()])
                        .await?
                        .ok_or(Refusal::UnknownUser)?;
                    transaction.execute(CREATE, &args).await?;
                    Ok::<_, Refusal>(())
                })
            })
            .await?;
        Ok(Made { txid, password })
    }

    /// Commits: the older ones end after the grace, newer ones stay. A second time it changes nothing.
    pub(crate) async fn commit_password(&self, username: &str, txid: &str) -> Result<(), Refusal> {
        let end = self.clock.now().plus(self.grace.as_duration());
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
                    if row.optional_timestamp("valid_until")?.is_some() {
                        return Err(Refusal::Superseded);
                    }
                    transaction.execute(COMMIT, &[Value::from(&txid)]).await?;
                    let older = [Value::from(&username), row.integer("sequence")?.into(), end.into()];
                    transaction.execute(END_OLDER, &older).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Whether this is a valid password of the user now.
    pub(crate) async fn opens(
        &self,
        username: &str,
        password: Zeroizing<String>,
    ) -> Result<bool, mint_store::Error> {
        let rows = self.database.query(VALID, &[username.into(), self.clock.now().into()]).await?;
        let hashes = rows.iter().map(|row| row.text("hash")).collect::<Result<_, _>>()?;
        Ok(self.vault.opens(password, hashes).await)
    }
}
