//! The store on SQLite or PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mint_store::{Database, Migration, Value};
use mint_types::{Application, ApplicationId, Revision, TeamId, Timestamp};

use super::writes::{
    CONTROL, ONE, control, edit_one, hear_all, micros, take_in_one, try_to_commit, try_to_take,
};
use super::{pages, revocations, rows};
use crate::desk::{Adoption, Desk};
use crate::overlong::Overlong;
use crate::store::{
    Change, Control, Decide, ERRAND, Edit, Held, Lease, NotKept, Reported, Revocation, Started, Store,
    StoreError, Taker,
};

/// The coordinator's schema on PostgreSQL.
pub const SCHEMA: &str = "coordinator";

/// The schema's history.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "begin", sql: include_str!("../sql/0001_begin.sql") },
    Migration { version: 2, name: "adoption", sql: include_str!("../sql/0002_adoption.sql") },
    Migration { version: 3, name: "revocations", sql: include_str!("../sql/0003_revocations.sql") },
];

const DUE: &str = include_str!("../sql/applications_due.sql");
const PAUSE: &str = include_str!("../sql/applications_pause.sql");

const REVISION: &str = "SELECT revision FROM intake WHERE id = 1";
const SET_REVISION: &str = "UPDATE intake SET revision = $1 WHERE id = 1 AND revision < $1";
const NEXT_WAKE: &str = include_str!("../sql/applications_next_wake.sql");
// whoever holds it may be dead
const NEXT_LEASE_END: &str = "SELECT lease_expires_at FROM applications WHERE lease_expires_at > $1 \
     ORDER BY lease_expires_at LIMIT 1";
const RESERVED: &str = include_str!("../sql/applications_reserved.sql");
const RECLAIM: &str = "UPDATE applications SET lease_expires_at = 0, reserved_from = 0 WHERE lease_holder = $1 OR lease_holder = $2";
const OVERLONG: &str = "SELECT application_id, fencing_token, lease_expires_at FROM applications \
     WHERE lease_expires_at > $1 AND reserved_from = 0";
const END_OVERLONG: &str = "UPDATE applications \
     SET fencing_token = fencing_token + 1, lease_expires_at = 0, stir = stir + 1, wake_at = 0 \
     WHERE application_id = $1 AND fencing_token = $2 AND lease_expires_at = $3 AND reserved_from = 0";
const PAUSE_ISSUER: &str = "UPDATE control SET issuer_paused_until = $1 \
     WHERE id = 1 AND (issuer_paused_until < $1 OR issuer_paused_until > $2)";
// a row is written, whatever it says
const PROBE: &str = "UPDATE control SET reason = reason WHERE id = 1";
const SET_CONTROL: &str = "UPDATE control SET paused = $1, reason = $2 WHERE id = 1";
const WAKE_ALL: &str = "UPDATE applications SET wake_at = 0, stir = stir + 1";
const CHANGED: &str = "SELECT application_id, change FROM applications WHERE changed_at >= $1";

/// The store.
#[derive(Debug, Clone)]
pub struct SqlStore {
    database: Database,
    commits: Arc<AtomicU64>,
    longest_adoption: Duration,
}

impl SqlStore {
    /// A store in an opened database.
    pub fn new(database: Database) -> Self {
        Self { database, commits: Arc::default(), longest_adoption: Adoption::LONGEST }
    }

    /// Desks of this store say that no instance is waited for longer than this.
    #[must_use]
    pub fn waiting_at_most(self, longest_adoption: Duration) -> Self {
        Self { longest_adoption, ..self }
    }

    /// How many writes were asked of the database.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn writing(&self) -> &Database {
        self.commits.fetch_add(1, Ordering::Relaxed);
        &self.database
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn revision(&self) -> Result<Revision, StoreError> {
        let row = self.database.query_optional(REVISION, &[]).await?;
        row.map_or(Ok(Revision(0)), |row| Ok(Revision(row.unsigned("revision")?)))
    }

    async fn take_in(
        &self,
        records: &[Application],
        up_to: Revision,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.writing()
            .write(|transaction| {
                Box::pin(async move {
                    for record in records {
                        take_in_one(transaction, record, now).await?;
                    }
                    transaction.execute(SET_REVISION, &[Value::unsigned(up_to.0)?]).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn reclaim(&self, holder: &str) -> Result<(), StoreError> {
        let errands = format!("{holder}{ERRAND}");
        self.writing().execute(RECLAIM, &[holder.into(), errands.as_str().into()]).await?;
        Ok(())
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.writing().execute(PROBE, &[]).await?;
        Ok(())
    }

    async fn due(
        &self,
        holder: &str,
        now: Timestamp,
        at_most: usize,
    ) -> Result<Vec<ApplicationId>, StoreError> {
        let rows = self.database.query(DUE, &[micros(now), pages::limit(at_most), holder.into()]).await?;
        rows.iter().map(rows::application_id).collect()
    }

    async fn overlong(&self, latest: Timestamp) -> Result<Vec<Overlong>, StoreError> {
        let rows = self.database.query(OVERLONG, &[micros(latest)]).await?;
        rows.iter().map(rows::overlong).collect()
    }

    async fn end_overlong(&self, overlong: &Overlong) -> Result<bool, StoreError> {
        let args: [Value; 3] = [
            overlong.application.as_str().into(),
            Value::unsigned(overlong.token.0)?,
            micros(overlong.expires_at),
        ];
        Ok(self.writing().execute(END_OVERLONG, &args).await? > 0)
    }

    async fn next_wake(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let free = self.database.query_optional(NEXT_WAKE, &[micros(now)]).await?;
        let held = self.database.query_optional(NEXT_LEASE_END, &[micros(now)]).await?;
        let free = free.map(|row| row.integer("wake_at")).transpose()?;
        let held = held.map(|row| row.integer("lease_expires_at")).transpose()?;
        Ok([free, held].into_iter().flatten().min().map(Timestamp::from_unix_micros))
    }

    async fn take(
        &self,
        application: &ApplicationId,
        taker: Taker<'_>,
        decide: &Decide<'_>,
    ) -> Result<Option<Held>, StoreError> {
        let longest = self.longest_adoption;
        self.writing()
            .write_on_rows(|transaction| {
                Box::pin(try_to_take(transaction, application, taker, decide, longest))
            })
            .await
    }

    async fn reserved(&self, lease: &Lease) -> Result<Option<(Desk, Control)>, StoreError> {
        let args: [Value; 4] = [
            lease.application.as_str().into(),
            Value::unsigned(lease.token.0)?,
            lease.holder.as_str().into(),
            lease.stir.into(),
        ];
        let rows = self.database.query(RESERVED, &args).await?;
        let desks = pages::desks_of(&self.database, &rows, self.longest_adoption).await?;
        let Some(desk) = desks.into_iter().next() else { return Ok(None) };
        let control = control(self.database.query_optional(CONTROL, &[]).await?.as_ref())?;
        Ok(Some((desk, control)))
    }

    async fn report(
        &self,
        reports: &[Reported],
        now: Timestamp,
    ) -> Result<Vec<Result<(), NotKept>>, StoreError> {
        let longest = self.longest_adoption;
        self.writing()
            .write_on_rows(|transaction| Box::pin(hear_all(transaction, reports, now, longest)))
            .await
    }

    async fn pause_issuer(&self, until: Timestamp, latest: Timestamp) -> Result<(), StoreError> {
        self.writing().execute(PAUSE_ISSUER, &[micros(until), micros(latest)]).await?;
        Ok(())
    }

    async fn commit(&self, lease: &Lease, change: &Change) -> Result<bool, StoreError> {
        self.writing().write_on_rows(|transaction| Box::pin(try_to_commit(transaction, lease, change))).await
    }

    async fn desk(&self, application: &ApplicationId) -> Result<Option<Desk>, StoreError> {
        let rows = self.database.query(ONE, &[application.as_str().into()]).await?;
        Ok(pages::desks_of(&self.database, &rows, self.longest_adoption).await?.into_iter().next())
    }

    async fn desks(
        &self,
        after: Option<&ApplicationId>,
        team: Option<&TeamId>,
        at_most: usize,
    ) -> Result<Vec<Desk>, StoreError> {
        pages::desks(&self.database, after, team, at_most, self.longest_adoption).await
    }

    async fn changed_since(&self, since: Timestamp) -> Result<Vec<(ApplicationId, u64)>, StoreError> {
        let rows = self.database.query(CHANGED, &[micros(since)]).await?;
        rows.iter().map(|row| Ok((rows::application_id(row)?, row.unsigned("change")?))).collect()
    }

    async fn edit(
        &self,
        application: &ApplicationId,
        now: Timestamp,
        edit: &Edit<'_>,
    ) -> Result<Option<Vec<Started>>, StoreError> {
        self.writing()
            .write_on_rows(|transaction| Box::pin(edit_one(transaction, application, now, edit)))
            .await
    }

    async fn set_paused(
        &self,
        application: &ApplicationId,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let args: [Value; 4] = [
            application.as_str().into(),
            reason.is_some().into(),
            reason.unwrap_or_default().into(),
            micros(now),
        ];
        Ok(self.writing().execute(PAUSE, &args).await? > 0)
    }

    async fn set_all_paused(&self, reason: Option<&str>, _now: Timestamp) -> Result<(), StoreError> {
        self.writing()
            .write(|transaction| {
                Box::pin(async move {
                    let args = [reason.is_some().into(), reason.unwrap_or_default().into()];
                    transaction.execute(SET_CONTROL, &args).await?;
                    transaction.execute(WAKE_ALL, &[]).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn all_paused(&self) -> Result<Option<String>, StoreError> {
        match self.database.query_optional(CONTROL, &[]).await? {
            Some(row) if row.boolean("paused")? => Ok(Some(row.text("reason")?)),
            Some(_) | None => Ok(None),
        }
    }

    async fn keep_revocations(&self, asked: &[Revocation]) -> Result<(), StoreError> {
        self.writing().write(|transaction| Box::pin(revocations::keep(transaction, asked))).await
    }

    async fn revocations(&self, after: Option<&Revocation>) -> Result<Vec<Revocation>, StoreError> {
        revocations::open(&self.database, after).await
    }

    async fn close_revocation(
        &self,
        revocation: &Revocation,
        outcome: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.writing()
            .write(|transaction| Box::pin(revocations::close(transaction, revocation, outcome, now)))
            .await
    }

    async fn wake_all(&self) -> Result<(), StoreError> {
        self.writing().execute(WAKE_ALL, &[]).await?;
        Ok(())
    }
}
