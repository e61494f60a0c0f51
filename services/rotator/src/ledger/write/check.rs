//! Logins with a current version: how often they were not accepted.

use mint_store::{Row, Value};
use mint_types::{ApplicationId, CredentialKind, FencingToken, Monotonic, Version};

use super::calls::instant;
use super::key;
use crate::Error;
use crate::ledger::Ledger;
use crate::state::{Check, Instant};

// what it says of a version that is current no more counts for nobody
const KNOWN: &str = "SELECT checks.version AS version, tries, refused, tried_at, tried_boot, tried_nanos FROM checks \
     JOIN version ON version.application = checks.application AND version.kind = checks.kind \
     AND version.version = checks.version \
     WHERE checks.application = $1 AND checks.kind = $2 AND version.stage = 'current'";
const TRY: &str = "INSERT INTO checks (application, kind, version, tries, refused, tried_at, tried_boot, tried_nanos) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (application, kind) DO UPDATE SET \
     version = excluded.version, tries = excluded.tries, refused = excluded.refused, tried_at = excluded.tried_at, \
     tried_boot = excluded.tried_boot, tried_nanos = excluded.tried_nanos";
const ANSWERED: &str = "UPDATE checks SET tries = $4, refused = $5 \
     WHERE application = $1 AND kind = $2 AND version = $3";

#[mint_port::points(service = "rotator", name = "ledger", list = CHECK_POINTS)]
impl Ledger {
    /// What earlier logins with the current version of a kind showed; none if every one was accepted.
    #[read]
    pub async fn check_of(
        &self,
        application: &ApplicationId,
        kind: CredentialKind,
    ) -> Result<Option<Check>, Error> {
        let args = [application.as_str().into(), kind.as_str().into()];
        self.database.query_optional(KNOWN, &args).await?.as_ref().map(read).transpose()
    }

    /// Counts a login before it is tried.
    pub async fn begin_check(
        &self,
        application: &ApplicationId,
        token: FencingToken,
        kind: CredentialKind,
        counted: &Check,
    ) -> Result<(), Error> {
        self.write_fenced(application, token, &|transaction| {
            Box::pin(async move {
                let mut args = key(application, kind, counted.version)?;
                args.extend([i64::from(counted.tries).into(), i64::from(counted.refused).into()]);
                args.extend(instant(&counted.last)?);
                transaction.execute(TRY, &args).await?;
                Ok(())
            })
        })
        .await
    }

    /// Records what a login showed. The truth is written down whoever holds the lease by now.
    pub async fn checked(
        &self,
        application: &ApplicationId,
        kind: CredentialKind,
        seen: &Check,
    ) -> Result<(), Error> {
        let mut args: Vec<Value> = key(application, kind, seen.version)?;
        args.extend([i64::from(seen.tries).into(), i64::from(seen.refused).into()]);
        self.database.execute(ANSWERED, &args).await?;
        Ok(())
    }
}

fn read(row: &Row) -> Result<Check, Error> {
    let count =
        |column| -> Result<u32, Error> { Ok(u32::try_from(row.unsigned(column)?).unwrap_or(u32::MAX)) };
    let monotonic = Monotonic { boot: row.text("tried_boot")?, nanos: row.unsigned("tried_nanos")? };
    Ok(Check {
        version: Version(row.unsigned("version")?),
        tries: count("tries")?,
        refused: count("refused")?,
        last: Instant { wall: row.timestamp("tried_at")?, monotonic },
    })
}
