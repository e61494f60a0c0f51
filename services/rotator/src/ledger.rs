//! The ledger: what the issuer was asked to make, what it made, what was told to end. Durable before and after every
//! call; deletes nothing.

mod heard;
mod read;
mod write;

use std::sync::Arc;

use futures::future::BoxFuture;
#[cfg(not(test))]
use mint_store::Database;
use mint_store::{Migration, Row, Transaction, Value};
use mint_types::{Admitted, ApplicationId, Fence, FencingToken, RotationId, Timestamp};

use crate::Error;
use crate::guard;
use crate::state::{ApplicationState, Instant};
use heard::{Fact, Heard, write_heard};
#[cfg(test)]
pub(crate) use tests::dying::Database;

pub use read::ListedVersion;
pub use write::{Begun, EndCalls, Excuse, Failed, IssuerStanding, Lie, Revocation, ToldOf};

/// The schema's name on PostgreSQL.
pub const SCHEMA: &str = "rotator";

/// The schema's history.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "ledger", sql: include_str!("ledger/0001_ledger.sql") },
    Migration { version: 2, name: "issuers", sql: include_str!("ledger/0002_issuers.sql") },
    Migration { version: 3, name: "revocations", sql: include_str!("ledger/0003_revocations.sql") },
    Migration { version: 4, name: "ends", sql: include_str!("ledger/0004_ends.sql") },
    Migration { version: 5, name: "checks", sql: include_str!("ledger/0005_checks.sql") },
];

const CLOSE_OPEN: &str = "UPDATE rotation SET state = 'superseded', delivery_envelope = NULL, probe_envelope = NULL \
     WHERE state IN ('creating', 'created', 'delivered', 'retiring') AND opened_at < $1";
const FENCE_READ: &str = "SELECT token FROM fence WHERE application = $1";
const FENCE_RAISE: &str = "INSERT INTO fence (application, token) VALUES ($1, $2) \
     ON CONFLICT (application) DO UPDATE SET token = excluded.token";

/// The ledger in the service's database.
#[derive(Debug, Clone)]
pub struct Ledger {
    database: Database,
    heard: Heard,
}

#[mint_port::points(service = "rotator", name = "ledger", list = FENCE_POINTS)]
impl Ledger {
    /// A ledger in an open database.
    pub fn new(database: impl Into<Database>) -> Self {
        Self { database: database.into(), heard: Heard::default() }
    }

    /// Lets the holder of a fencing token act, or refuses one that was overtaken (invariant I3). Writes nothing: the act's
    /// first write raises the highest token seen, before anything is changed outside.
    #[read]
    pub async fn admit(&self, application: &ApplicationId, token: FencingToken) -> Result<(), Error> {
        self.seen(application, token).await.map(drop)
    }

    /// The same, where an act is answered without a write: from now on whoever was overtaken is refused.
    pub async fn overtake(&self, application: &ApplicationId, token: FencingToken) -> Result<(), Error> {
        match self.seen(application, token).await? {
            Admitted::Again => Ok(()),
            Admitted::Raises => self.write_fenced(application, token, &|_| Box::pin(async { Ok(()) })).await,
        }
    }

    #[read]
    async fn seen(&self, application: &ApplicationId, token: FencingToken) -> Result<Admitted, Error> {
        let seen = self.database.query_optional(FENCE_READ, &[application.as_str().into()]).await?;
        Ok(fence_of(seen.as_ref())?.admit(token)?)
    }

    /// A write that allows an act: only for the holder of the highest token, in one transaction with it. The body is run
    /// again when another writer got in its way.
    async fn write_fenced<'a, T, F>(
        &self,
        application: &'a ApplicationId,
        token: FencingToken,
        body: &'a F,
    ) -> Result<T, Error>
    where
        F: for<'t> Fn(&'t mut Transaction<'a>) -> BoxFuture<'t, Result<T, Error>> + Sync,
    {
        let heard = self.heard.of(application);
        let written = self
            .database
            .write(|transaction| {
                let heard = Arc::clone(&heard);
                Box::pin(async move {
                    fence(transaction, application, token).await?;
                    write_heard(transaction, &heard).await?;
                    body(transaction).await
                })
            })
            .await?;
        self.heard.written(&heard);
        Ok(written)
    }

    /// What decisions about a rotation need: its row, the open ones, live versions, unsettled calls.
    #[read]
    pub async fn load(
        &self,
        application: &ApplicationId,
        rotation: RotationId,
    ) -> Result<ApplicationState, Error> {
        let args = [application.as_str().into(), rotation.to_string().into()];
        let queries = read::Queries {
            rotations: self.database.query(read::ROTATIONS, &args).await?,
            overlaps: self.database.query(read::OVERLAPS, &args).await?,
            versions: self.database.query(read::VERSIONS, &args[..1]).await?,
            last: self.database.query(read::LAST, &args[..1]).await?,
            attempts: self.database.query(read::ATTEMPTS, &args[..1]).await?,
            end_calls: self.database.query(read::END_CALLS, &args[..1]).await?,
            revoking: self.database.query(read::REVOKING, &args[..1]).await?,
        };
        let mut state = queries.into_state(application)?;
        self.heard.adds_to(&mut state);
        guard::check(application, &state)?;
        Ok(state)
    }

    /// The ledger of an application for operators, newest first, with the number of unsettled calls.
    #[read]
    pub async fn list(&self, application: &ApplicationId) -> Result<(Vec<ListedVersion>, u32), Error> {
        let args = [application.as_str().into()];
        let rows = self.database.query(read::LIST, &args).await?;
        let versions = rows.iter().map(ListedVersion::of).collect::<Result<_, _>>()?;
        let unsettled = self.database.query(read::ATTEMPTS, &args).await?.len();
        Ok((versions, u32::try_from(unsettled).unwrap_or(u32::MAX)))
    }
}

impl Ledger {
    /// Notes that the audit log has an outcome. The next write for the application keeps it: whoever dies before that tells
    /// the log once more.
    pub fn told(&self, application: &ApplicationId, rotation: RotationId, of: ToldOf) {
        self.heard.note(application, rotation, Fact::Told(of));
    }

    /// Notes that the issuer was seen refusing what a rotation retired. It is kept in the same way: whoever dies before that,
    /// and is asked again, logs in once more.
    pub fn dead(&self, application: &ApplicationId, rotation: RotationId, now: &Instant) {
        self.heard.note(application, rotation, Fact::Dead(now.wall));
    }
}

#[mint_port::points(service = "rotator", name = "ledger", list = RESTORED_POINTS)]
impl Ledger {
    /// Gives up every rotation that was open when writes were lost: nobody knows how far it came, and a repeated commit
    /// could end what a later one made. The next rotation of each sweeps what is left of it. Answers how many.
    ///
    /// Only before anything is served, and the same again at each start.
    pub async fn close_what_was_open(&self, lost_at: Timestamp) -> Result<u64, mint_store::Error> {
        self.database.execute(CLOSE_OPEN, &[lost_at.unix_micros().into()]).await
    }
}

async fn load_in(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    rotation: RotationId,
) -> Result<ApplicationState, Error> {
    let args = [application.as_str().into(), rotation.to_string().into()];
    let queries = read::Queries {
        rotations: transaction.query(read::ROTATIONS, &args).await?,
        overlaps: transaction.query(read::OVERLAPS, &args).await?,
        versions: transaction.query(read::VERSIONS, &args[..1]).await?,
        last: transaction.query(read::LAST, &args[..1]).await?,
        attempts: transaction.query(read::ATTEMPTS, &args[..1]).await?,
        end_calls: transaction.query(read::END_CALLS, &args[..1]).await?,
        revoking: transaction.query(read::REVOKING, &args[..1]).await?,
    };
    queries.into_state(application)
}

fn fence_of(row: Option<&Row>) -> Result<Fence, Error> {
    let highest = row.map(|row| row.unsigned("token")).transpose()?;
    Ok(Fence(highest.map(FencingToken)))
}

/// Inside of a write: refuses who lost the lease, between any two steps of an act.
async fn fence(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    token: FencingToken,
) -> Result<(), Error> {
    let seen = transaction.query_optional(FENCE_READ, &[application.as_str().into()]).await?;
    if fence_of(seen.as_ref())?.admit(token)? == Admitted::Raises {
        let args = [application.as_str().into(), Value::unsigned(token.0)?];
        transaction.execute(FENCE_RAISE, &args).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
