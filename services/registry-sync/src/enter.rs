//! Entering settings: by an owner, by an operator, or out of the registry file.

use std::sync::Arc;

use mint_api::audit_log::{Act, AuditLog};
use mint_port::Port;
use mint_types::{ApplicationId, Clock, Entropy, Principal, RequestId, TeamId};

use crate::{
    Error,
    catalog::Catalog,
    decide::outcome,
    destinations::Entry,
    model::Record,
    settings::{Defaults, Draft, Entered},
    statements::Statements,
};

/// Who enters settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// A peer over mutual TLS.
    Peer(Principal),
    /// The registry file, for an application that has none.
    Source,
}

impl std::fmt::Display for Author {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peer(principal) => principal.fmt(f),
            Self::Source => f.write_str("the registry file"),
        }
    }
}

impl Author {
    /// Whether the author may change this application's settings.
    pub fn may_change(&self, record: &Record) -> Result<(), Error> {
        let peer = match self {
            Self::Source | Self::Peer(Principal::Operator(_)) => return Ok(()),
            Self::Peer(Principal::Team { team, .. }) if *team == record.facts.team_id => return Ok(()),
            Self::Peer(peer) => peer.to_string(),
        };
        Err(Error::NotOwner { application: record.id.clone(), peer })
    }

    /// Whether the author may see this record. A team sees its own: where others' credentials go is not its business.
    pub fn may_read(&self, record: &Record) -> Result<(), Error> {
        match self {
            Self::Peer(Principal::Team { .. }) => self.may_change(record),
            Self::Peer(_) | Self::Source => Ok(()),
        }
    }
}

/// The one way in which settings change: said to the audit log before, and its outcome after.
#[derive(Debug, Clone)]
pub struct Entering {
    catalog: Catalog,
    audit: Port<dyn AuditLog>,
    entropy: Arc<dyn Entropy>,
    clock: Arc<dyn Clock>,
    defaults: Arc<Defaults>,
    statements: Statements,
}

impl Entering {
    /// Into this catalog.
    pub fn new(
        catalog: Catalog,
        audit: Port<dyn AuditLog>,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
        defaults: Arc<Defaults>,
    ) -> Self {
        Self { catalog, audit, entropy, clock, defaults, statements: Statements::default() }
    }

    /// The same, believing statements.
    pub fn believing(self, statements: Statements) -> Self {
        Self { statements, ..self }
    }

    /// Checks who asks, then what, then whether it is still true; then changes.
    pub async fn draft(
        &self,
        author: &Author,
        id: &ApplicationId,
        expected: u64,
        draft: Draft,
        statement: &[u8],
    ) -> Result<Record, Error> {
        let record = self.catalog.record(id).await?.ok_or_else(|| Error::Unknown(id.clone()))?;
        author.may_change(&record)?;
        let settings = draft.checked(&self.defaults)?;
        let confirmed = self.confirmed(statement, &record, &settings)?;
        self.settings(author, record, expected, &settings, confirmed.as_ref()).await
    }

    /// The statement's text, and the owner for whom it was verified.
    fn confirmed(
        &self,
        statement: &[u8],
        record: &Record,
        settings: &Entered,
    ) -> Result<Option<(String, TeamId)>, Error> {
        if statement.is_empty() {
            return Ok(None);
        }
        let now = self.clock.now();
        let text = self.statements.destinations(statement, record, settings, &self.defaults, now)?;
        Ok(Some((text, record.facts.team_id.clone())))
    }

    /// Enters checked settings.
    pub async fn settings(
        &self,
        author: &Author,
        record: Record,
        expected: u64,
        settings: &Entered,
        confirmed: Option<&(String, TeamId)>,
    ) -> Result<Record, Error> {
        author.may_change(&record)?;
        let confirms = confirmed.is_some_and(|(text, _)| record.statement.as_ref() != Some(text));
        if record.is_repetition(expected, settings) && record.settings_generation == expected && !confirms {
            return Ok(record);
        }
        if !record.is_repetition(expected, settings) {
            record.expect_generation(expected)?;
        }
        let act = Act {
            action: "settings.update",
            application: Some(record.id.clone()),
            kind: None,
            resource: format!("settings/{}@{} by {author}", record.id, expected.saturating_add(1)),
            rotation: None,
            request: mint_runtime::request_id().unwrap_or_else(|| RequestId::random(self.entropy.as_ref())),
        };
        let announced = self.audit.announce(act).await?;
        let permitted = |record: &Record| author.may_change(record);
        let entry = Entry { settings, statement: confirmed, defaults: &self.defaults };
        let entered = self.catalog.enter(&record.id, expected, &entry, &permitted).await;
        self.audit.conclude(announced, outcome(&entered)).await?;
        entered
    }
}
