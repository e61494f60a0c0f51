//! Attempts in SQLite or PostgreSQL.

use async_trait::async_trait;
use mint_secret::EnvelopeDigest;
use mint_store::{Database, Migration, Row, Transaction, Value};
use mint_types::mutation::{Mutation, mutated};
use mint_types::{AccountId, Admitted, ApplicationId, Destination, Fence, FencingToken, Version};

use crate::plan::{Answer, Attempt, Content, Place};
use crate::ports::{Answered, Attempts, Claim, ClaimError, Start};

/// The service's schema on PostgreSQL.
pub const SCHEMA: &str = "distributor";

/// The schema's changes.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "attempts", sql: include_str!("../../migrations/1_attempts.sql") },
    Migration { version: 2, name: "destinations", sql: include_str!("../../migrations/2_destinations.sql") },
];

const APPLICATION: &str = "SELECT fencing_token, sequence FROM application WHERE application = $1";
const RAISE: &str = "INSERT INTO application (application, fencing_token, sequence) VALUES ($1, $2, $3) \
     ON CONFLICT (application) DO UPDATE SET fencing_token = excluded.fencing_token, sequence = excluded.sequence";
const HIGHEST: &str =
    "SELECT version, rotation, ended FROM highest_version WHERE application = $1 AND kind = $2";
const RAISE_VERSION: &str = "INSERT INTO highest_version (application, kind, version, rotation) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (application, kind) DO UPDATE SET version = excluded.version, rotation = excluded.rotation";
const ATTEMPTS: &str = "SELECT sequence, kind, version, rotation, envelope, store, bucket, object_key, signed_at, \
     expires_at, outcome, answered_sequence FROM attempt WHERE application = $1 ORDER BY sequence";
const INSERT: &str = "INSERT INTO attempt (application, sequence, kind, version, rotation, envelope, store, bucket, \
     object_key, signed_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const ANSWER: &str = "UPDATE attempt SET outcome = $3, answered_sequence = $4 \
     WHERE application = $1 AND sequence = $2 AND outcome IS NULL";
const REMEMBER: &str = "INSERT INTO object (application, store, bucket, object_key, kind, region, account_id, \
     kms_key_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (application, store, bucket, object_key) \
     DO UPDATE SET kind = excluded.kind, region = excluded.region, account_id = excluded.account_id, \
     kms_key_id = excluded.kms_key_id, tombstone_since = NULL, permit = NULL";
const DROP: &str = "DELETE FROM attempt WHERE application = $1 AND sequence = $2";

/// The adapter.
#[derive(Debug, Clone)]
pub struct SqlAttempts(Database);

impl SqlAttempts {
    /// Over an open database of [`MIGRATIONS`].
    pub fn new(database: Database) -> Self {
        Self(database)
    }
}

#[async_trait]
impl Attempts for SqlAttempts {
    async fn read(&self, claim: &Claim) -> Result<Vec<Attempt>, ClaimError> {
        // reading allows nothing yet: `begin` keeps a token that raises the fence
        admit(&self.0, &claim.application, claim.fencing_token).await?;
        let kind = [claim.application.as_str().into(), claim.content.kind.as_str().into()];
        check_history(claim, &self.0)?;
        check_version(claim, self.0.query_optional(HIGHEST, &kind).await?)?;
        Ok(attempts_of(&self.0, &claim.application).await?)
    }

    async fn begin(&self, claim: &Claim, starts: &[Start], obsolete: &[u64]) -> Result<Vec<u64>, ClaimError> {
        self.0.write(|transaction| Box::pin(begin(transaction, claim, starts, obsolete))).await
    }

    async fn answer(
        &self,
        application: &ApplicationId,
        answers: &[(u64, Answered)],
    ) -> Result<(), mint_store::Error> {
        if answers.is_empty() {
            return Ok(());
        }
        self.0.write(|transaction| Box::pin(answer(transaction, application, answers))).await
    }
}

/// Everything that was tried for an application and may matter.
pub(super) async fn attempts_of(
    database: &Database,
    application: &ApplicationId,
) -> Result<Vec<Attempt>, mint_store::Error> {
    let rows = database.query(ATTEMPTS, &[Value::from(application.as_str())]).await?;
    rows.iter().map(attempt).collect()
}

/// Whether a token may act, given the application's row.
pub(super) async fn admit(
    database: &Database,
    application: &ApplicationId,
    token: FencingToken,
) -> Result<(), ClaimError> {
    let row = database.query_optional(APPLICATION, &[application.as_str().into()]).await?;
    let _: Admitted = Counters::read(row)?.admit(token)?;
    Ok(())
}

/// Takes numbers for this many attempts, and raises what the token raises.
pub(super) async fn number(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    token: FencingToken,
    count: usize,
) -> Result<Vec<u64>, ClaimError> {
    let application = application.as_str();
    let counters = Counters::read(transaction.query_optional(APPLICATION, &[application.into()]).await?)?;
    let admitted = counters.admit(token)?;
    let numbers: Vec<u64> = (1..).take(count).map(|step| counters.sequence + step).collect();
    let last = numbers.last().copied().unwrap_or(counters.sequence);
    if last != counters.sequence || admitted == Admitted::Raises {
        let raised = [application.into(), Value::unsigned(token.0)?, Value::unsigned(last)?];
        transaction.execute(RAISE, &raised).await?;
    }
    Ok(numbers)
}

/// Replaces attempts that no longer matter by new ones.
pub(super) async fn replace<'a>(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    obsolete: &[u64],
    begun: impl Iterator<Item = (u64, &'a Content, &'a Start)>,
) -> Result<(), mint_store::Error> {
    for sequence in obsolete {
        transaction.execute(DROP, &[application.as_str().into(), Value::unsigned(*sequence)?]).await?;
    }
    for (number, content, start) in begun {
        transaction.execute(INSERT, &insertion(application, content, number, start)?).await?;
    }
    Ok(())
}

async fn begin(
    transaction: &mut Transaction<'_>,
    claim: &Claim,
    starts: &[Start],
    obsolete: &[u64],
) -> Result<Vec<u64>, ClaimError> {
    let application = claim.application.as_str();
    let numbers = number(transaction, &claim.application, claim.fencing_token, starts.len()).await?;
    let kind = [application.into(), claim.content.kind.as_str().into()];
    check_version(claim, transaction.query_optional(HIGHEST, &kind).await?)?;
    if !starts.is_empty() {
        let raised = [
            application.into(),
            claim.content.kind.as_str().into(),
            Value::unsigned(claim.content.version.0)?,
            claim.content.rotation.to_string().into(),
        ];
        transaction.execute(RAISE_VERSION, &raised).await?;
    }
    for start in starts {
        transaction.execute(REMEMBER, &memory(claim, start)).await?;
    }
    let begun = numbers.iter().zip(starts).map(|(number, start)| (*number, &claim.content, start));
    replace(transaction, &claim.application, obsolete, begun).await?;
    Ok(numbers)
}

async fn answer(
    transaction: &mut Transaction<'_>,
    application: &ApplicationId,
    answers: &[(u64, Answered)],
) -> Result<(), mint_store::Error> {
    let application = application.as_str();
    let counters = Counters::read(transaction.query_optional(APPLICATION, &[application.into()]).await?)?;
    let recorded = counters.sequence + 1;
    let token = counters.fence.0.unwrap_or(FencingToken(0));
    let raised = [application.into(), Value::unsigned(token.0)?, Value::unsigned(recorded)?];
    transaction.execute(RAISE, &raised).await?;
    for (sequence, answered) in answers {
        let outcome = match answered {
            Answered::Written => WRITTEN,
            Answered::Refused => REFUSED,
        };
        let row =
            [application.into(), Value::unsigned(*sequence)?, outcome.into(), Value::unsigned(recorded)?];
        transaction.execute(ANSWER, &row).await?;
    }
    Ok(())
}

const WRITTEN: &str = "written";
const REFUSED: &str = "refused";

/// The row of an application; no token and no attempt before its first delivery.
struct Counters {
    fence: Fence,
    sequence: u64,
}

impl Counters {
    fn read(row: Option<Row>) -> Result<Self, mint_store::Error> {
        let Some(row) = row else {
            return Ok(Self { fence: Fence::default(), sequence: 0 });
        };
        Ok(Self {
            fence: Fence(Some(FencingToken(row.unsigned("fencing_token")?))),
            sequence: row.unsigned("sequence")?,
        })
    }

    fn admit(&self, token: FencingToken) -> Result<Admitted, ClaimError> {
        self.fence.admit(token).map_err(ClaimError::StaleFencingToken)
    }
}

/// After writes may have been lost, nobody knows which versions were written: an older one could go over a newer one. A
/// version is never behind the clock at which it was made (`libs/types`), so what was made before then is told apart.
fn check_history(claim: &Claim, database: &Database) -> Result<(), ClaimError> {
    let Some(lost_at) = database.lost_writes_at() else {
        return Ok(());
    };
    let highest = Version(u64::try_from(lost_at.unix_millis()).unwrap_or(0));
    let Content { kind, version: given, .. } = &claim.content;
    if *given < highest {
        return Err(ClaimError::Superseded { kind: *kind, highest, given: *given });
    }
    Ok(())
}

fn check_version(claim: &Claim, highest: Option<Row>) -> Result<(), ClaimError> {
    let Some(row) = highest else {
        return Ok(());
    };
    let highest = Version(row.unsigned("version")?);
    let Content { kind, version: given, rotation, .. } = &claim.content;
    if *given < highest && !mutated(Mutation::OlderVersionDelivered) {
        return Err(ClaimError::Superseded { kind: *kind, highest, given: *given });
    }
    if given.0 <= row.unsigned("ended")? {
        return Err(ClaimError::Removed { kind: *kind, version: *given });
    }
    if *given == highest && row.text("rotation")? != rotation.to_string() {
        return Err(ClaimError::OtherRotation { kind: *kind, version: highest });
    }
    Ok(())
}

fn memory(claim: &Claim, start: &Start) -> [Value; 8] {
    let Destination { bucket, account_id, .. } = &start.destination;
    let account = account_id.as_ref().map(AccountId::as_str);
    [
        claim.application.as_str().into(),
        start.place.store.as_str().into(),
        start.place.bucket.as_str().into(),
        start.place.key.as_str().into(),
        claim.content.kind.as_str().into(),
        bucket.region.as_deref().unwrap_or_default().into(),
        account.map_or(Value::Null, Value::from),
        bucket.kms_key_id.as_deref().map_or(Value::Null, Value::from),
    ]
}

fn insertion(
    application: &ApplicationId,
    content: &Content,
    number: u64,
    start: &Start,
) -> Result<[Value; 11], mint_store::Error> {
    Ok([
        application.as_str().into(),
        Value::unsigned(number)?,
        content.kind.as_str().into(),
        Value::unsigned(content.version.0)?,
        content.rotation.to_string().into(),
        (&content.envelope.0).into(),
        start.place.store.as_str().into(),
        start.place.bucket.as_str().into(),
        start.place.key.as_str().into(),
        start.signed_at.into(),
        start.expires_at.into(),
    ])
}

fn attempt(row: &Row) -> Result<Attempt, mint_store::Error> {
    let corrupt =
        |what: &str| mint_store::Error::Corrupt { detail: format!("an attempt's {what} is not valid") };
    let envelope: [u8; 32] = row.bytes("envelope")?.try_into().map_err(|_| corrupt("envelope"))?;
    let answer = match row.optional_text("outcome")?.as_deref() {
        None => Answer::None,
        Some(WRITTEN) => Answer::Written { recorded: row.unsigned("answered_sequence")? },
        Some(REFUSED) => Answer::Refused,
        Some(_) => return Err(corrupt("outcome")),
    };
    Ok(Attempt {
        sequence: row.unsigned("sequence")?,
        place: Place { store: row.text("store")?, bucket: row.text("bucket")?, key: row.text("object_key")? },
        content: Content {
            kind: row.text("kind")?.parse().map_err(|_| corrupt("kind"))?,
            version: Version(row.unsigned("version")?),
            rotation: row.text("rotation")?.parse().map_err(|_| corrupt("rotation"))?,
            envelope: EnvelopeDigest(envelope),
        },
        signed_at: row.timestamp("signed_at")?,
        expires_at: row.timestamp("expires_at")?,
        answer,
    })
}

#[cfg(test)]
#[path = "attempts_contract.rs"]
pub(crate) mod contract;
