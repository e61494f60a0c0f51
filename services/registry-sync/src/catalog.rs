//! The catalog: every record, and one number that grows with every change.

mod edits;

use std::sync::Arc;

use mint_store::{Database, Migration, Value};
use mint_types::{ApplicationId, Clock, Identity, Problem, RemovedDestination, Revision, Timestamp};
use tokio::sync::watch;

use crate::{
    Error,
    destinations::Entry,
    guard::Release,
    model::{Decision, Record},
    plan::{Change, Snapshot},
    ports::{SourceFault, SourceReason},
    rows::{columns, from_json, record, release, to_json, without_settings_problems},
    settings::Defaults,
};
use edits::{Edit, ONE, PUT, decided, edited, next_revision};

/// The schema's name on PostgreSQL.
pub const SCHEMA: &str = "registry_sync";

/// The schema.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "catalog", sql: include_str!("sql/migrations_0001.sql") },
    Migration { version: 2, name: "guard", sql: include_str!("sql/migrations_0002.sql") },
    Migration { version: 3, name: "ages", sql: include_str!("sql/migrations_0003.sql") },
];

/// Records changed by one write: bounds how long a write holds the database.
const BATCH: usize = 200;

/// The state of reading the source, as it survives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceMemory {
    /// When a complete list was last accepted.
    pub accepted_at: Option<Timestamp>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// The catalog. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog {
    database: Database,
    clock: Arc<dyn Clock>,
    latest: watch::Sender<Revision>,
}

#[mint_port::points(service = "registry-sync", name = "catalog", list = POINTS)]
impl Catalog {
    /// The catalog in a database. If the defaults are others than the last time, every record changes, because what is
    /// served of it does.
    pub async fn open(database: Database, clock: Arc<dyn Clock>, defaults: &Defaults) -> Result<Self, Error> {
        let catalog = Self { database, clock, latest: watch::Sender::new(Revision(0)) };
        catalog.adopt(defaults).await?;
        let revision = catalog.revision().await?;
        catalog.latest.send_replace(revision);
        Ok(catalog)
    }

    /// Told of every change that this process makes.
    pub fn subscribe(&self) -> watch::Receiver<Revision> {
        self.latest.subscribe()
    }

    /// Whether other processes may change the catalog too.
    pub fn is_shared(&self) -> bool {
        self.database.engine() == "postgres"
    }

    /// The revision of the last change.
    #[read]
    pub async fn revision(&self) -> Result<Revision, Error> {
        let row = self.database.query_optional("SELECT revision FROM catalog WHERE id = 1", &[]).await?;
        Ok(Revision(row.map_or(Ok(0), |row| row.unsigned("revision"))?))
    }

    /// One record.
    #[read]
    pub async fn record(&self, id: &ApplicationId) -> Result<Option<Record>, Error> {
        let row = self.database.query_optional(ONE, &[id.as_str().into()]).await?;
        row.as_ref().map(record).transpose()
    }

    /// Every record.
    #[read]
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let rows = self.database.query("SELECT * FROM applications ORDER BY id", &[]).await?;
        rows.iter().map(|row| record(row).map(|record| (record.id.clone(), record))).collect()
    }

    /// How many records there are.
    #[read]
    pub async fn size(&self) -> Result<u64, Error> {
        let row = self.database.query_optional("SELECT COUNT(*) AS size FROM applications", &[]).await?;
        Ok(row.map_or(Ok(0), |row| row.unsigned("size"))?)
    }

    /// The latest change that the registry dates, never later than it was read nor than now.
    #[read]
    pub async fn latest_modification(&self) -> Result<Option<Timestamp>, Error> {
        let row = self.database.query_optional(LATEST, &[self.clock.now().into()]).await?;
        Ok(row.map_or(Ok(None), |row| row.optional_timestamp("latest"))?)
    }

    /// At most `limit` records changed after one revision and not after another, by revision.
    #[read]
    pub async fn page(&self, after: Revision, until: Revision, limit: u32) -> Result<Vec<Record>, Error> {
        let args = [Value::unsigned(after.0)?, Value::unsigned(until.0)?, limit.into()];
        let rows = self.database.query(PAGE, &args).await?;
        rows.iter().map(record).collect()
    }

    /// Makes changes that follow from a list; answers the catalog's revision afterwards.
    pub async fn apply(&self, changes: &[Change]) -> Result<Revision, Error> {
        for batch in changes.chunks(BATCH) {
            let now = self.clock.now();
            let revision = self
                .database
                .write(|transaction| {
                    Box::pin(async move {
                        let mut last = None;
                        for change in batch {
                            let edit: &Edit<'_> = &|before, now| Ok(change.applied(before, now));
                            let (_, revision) = edited(transaction, change.id(), now, edit).await?;
                            if let (Some(_), Some(payer)) = (revision, change.release()) {
                                // another replica may have spent it since the plan was made: nothing of this is done
                                if transaction.execute(SPEND, &[payer.into()]).await? != 1 {
                                    return Err(spent_by_others(payer));
                                }
                            }
                            last = revision.or(last);
                        }
                        Ok::<_, Error>(last)
                    })
                })
                .await?;
            self.announce(revision);
        }
        self.revision().await
    }

    /// Enters settings if `expected` is the generation in force and `permitted` agrees; an equal repetition of the last
    /// change answers as that did.
    pub async fn enter(
        &self,
        id: &ApplicationId,
        expected: u64,
        entry: &Entry<'_>,
        permitted: &(dyn Fn(&Record) -> Result<(), Error> + Send + Sync),
    ) -> Result<Record, Error> {
        let edit = |before: Option<&Record>, now: Timestamp| {
            let record = before.ok_or_else(|| Error::Unknown(id.clone()))?;
            permitted(record)?;
            if !record.is_repetition(expected, entry.settings) {
                record.expect_generation(expected)?;
            }
            if entry.statement.is_some_and(|(_, team)| *team != record.facts.team_id) {
                return Err(mint_statement::Error::Mismatch("owner").into());
            }
            let entered = record.with_settings(entry, now);
            let problems = without_settings_problems(&record.problems);
            Ok(Some(Record { problems, ..entered }))
        };
        self.change(id, &edit).await
    }

    /// An operator's decision. One that changes nothing is no change.
    pub async fn decide(&self, id: &ApplicationId, decision: Decision) -> Result<Record, Error> {
        let edit = |before: Option<&Record>, _: Timestamp| {
            let record = before.ok_or_else(|| Error::Unknown(id.clone()))?;
            Ok(Some(Record { decision: decided(record, decision)?, ..record.clone() }))
        };
        self.change(id, &edit).await
    }

    /// Forgets removed destinations that were overwritten.
    pub async fn record_tombstones(
        &self,
        id: &ApplicationId,
        overwritten: &[RemovedDestination],
    ) -> Result<Record, Error> {
        let edit = |before: Option<&Record>, _: Timestamp| {
            let record = before.ok_or_else(|| Error::Unknown(id.clone()))?;
            Ok(Some(record.without_removed(overwritten)))
        };
        self.change(id, &edit).await
    }

    /// The IAM solution no longer has the user: whoever follows the catalog ensures it again.
    pub async fn identity_missing(&self, id: &ApplicationId) -> Result<Record, Error> {
        let edit = |before: Option<&Record>, _: Timestamp| {
            let record = before.ok_or_else(|| Error::Unknown(id.clone()))?;
            let identity_losses = record.identity_losses.saturating_add(1);
            Ok(Some(Record { identity_losses, ..record.clone() }))
        };
        self.change(id, &edit).await
    }

    /// The releases in force.
    #[read]
    pub async fn releases(&self) -> Result<Vec<Release>, Error> {
        let rows = self.database.query(RELEASES, &[self.clock.now().into()]).await?;
        rows.iter().map(release).collect()
    }

    /// A release that was accepted.
    #[read]
    pub async fn release(&self, id: &str) -> Result<Option<Release>, Error> {
        let row = self.database.query_optional(RELEASE, &[id.into()]).await?;
        row.as_ref().map(release).transpose()
    }

    /// Puts a release into force, once: a repetition changes nothing.
    pub async fn accept(&self, accepted: &Release) -> Result<(), Error> {
        let args = [
            accepted.id.as_str().into(),
            Value::unsigned(accepted.acts)?,
            to_json(&accepted.applications)?.into(),
            self.clock.now().into(),
            accepted.expires_at.into(),
        ];
        self.database.execute(ACCEPT, &args).await?;
        Ok(())
    }

    /// Records what the IAM solution holds.
    pub async fn record_identity(&self, id: &ApplicationId, identity: &Identity) -> Result<Record, Error> {
        let edit = |before: Option<&Record>, _: Timestamp| {
            let record = before.ok_or_else(|| Error::Unknown(id.clone()))?;
            Ok(Some(Record { identity: Some(identity.clone()), ..record.clone() }))
        };
        self.change(id, &edit).await
    }

    /// What was remembered of the source.
    #[read]
    pub async fn source_memory(&self) -> Result<SourceMemory, Error> {
        let row = self
            .database
            .query_optional("SELECT accepted_at, problems FROM catalog WHERE id = 1", &[])
            .await?;
        let Some(row) = row else { return Ok(SourceMemory::default()) };
        Ok(SourceMemory {
            accepted_at: row.optional_timestamp("accepted_at")?,
            problems: from_json("problems", &row.text("problems")?)?,
        })
    }

    /// Remembers the state of the source.
    pub async fn remember_source(&self, memory: &SourceMemory) -> Result<(), Error> {
        let args = [memory.accepted_at.into(), to_json(&memory.problems)?.into()];
        self.database
            .execute("UPDATE catalog SET accepted_at = $1, problems = $2 WHERE id = 1", &args)
            .await?;
        Ok(())
    }

    async fn change(&self, id: &ApplicationId, edit: &Edit<'_>) -> Result<Record, Error> {
        let now = self.clock.now();
        let (record, revision) =
            self.database.write(|transaction| edited(transaction, id, now, edit)).await?;
        self.announce(revision);
        record.ok_or_else(|| Error::Unknown(id.clone()))
    }

    async fn adopt(&self, defaults: &Defaults) -> Result<(), Error> {
        let text = to_json(defaults)?;
        let row = self.database.query_optional("SELECT defaults FROM catalog WHERE id = 1", &[]).await?;
        let stored = row.map_or(Ok(String::new()), |row| row.text("defaults"))?;
        if stored == text {
            return Ok(());
        }
        // before the first start there were none, and nothing was delivered by them
        let before = &if stored.is_empty() { defaults.clone() } else { from_json("defaults", &stored)? };
        let now = self.clock.now();
        let text = &text;
        self.database
            .write(|transaction| {
                Box::pin(async move {
                    let rows = transaction.query("SELECT * FROM applications ORDER BY revision", &[]).await?;
                    for row in &rows {
                        let revision = next_revision(transaction, now).await?;
                        let changed = record(row)?.with_defaults(before, defaults, now);
                        transaction.execute(PUT, &columns(&Record { revision, ..changed })?).await?;
                    }
                    let args = [Value::from(text)];
                    transaction.execute("UPDATE catalog SET defaults = $1 WHERE id = 1", &args).await?;
                    Ok::<_, Error>(())
                })
            })
            .await
    }

    fn announce(&self, revision: Option<Revision>) {
        if let Some(revision) = revision {
            self.latest.send_if_modified(|latest| {
                let newer = revision > *latest;
                *latest = revision.max(*latest);
                newer
            });
        }
    }
}

fn spent_by_others(release: &str) -> Error {
    let detail = format!("the release {release} was used up by others meanwhile");
    SourceFault::new(SourceReason::Shrank, detail).into()
}

const SPEND: &str = "UPDATE releases SET spent = spent + 1 WHERE id = $1 AND spent < acts";
const RELEASES: &str = "SELECT * FROM releases WHERE expires_at > $1 ORDER BY expires_at";
const RELEASE: &str = "SELECT * FROM releases WHERE id = $1";
const ACCEPT: &str = "INSERT INTO releases (id, acts, spent, applications, accepted_at, expires_at) \
     VALUES ($1, $2, 0, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
const LATEST: &str = "SELECT MAX(CASE WHEN learnt_at < modified_at THEN learnt_at ELSE modified_at END) AS latest \
     FROM applications WHERE modified_at <= $1 OR learnt_at <= $1";
const PAGE: &str =
    "SELECT * FROM applications WHERE revision > $1 AND revision <= $2 ORDER BY revision LIMIT $3";
