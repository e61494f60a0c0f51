//! The catalog: which applications there are, and what their owners want.

use std::collections::{BTreeMap, BTreeSet};

use mint_types::{
    Application, ApplicationId, Bucket, CredentialKind, Identity, Layout, Period, Prefix, Presence, Revision,
    Settings,
};

/// Every record.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) records: BTreeMap<ApplicationId, Application>,
    pub(crate) revision: Revision,
    /// Active again, but their identities do not have their scopes back yet.
    pub(crate) reviving: BTreeSet<ApplicationId>,
}

impl Catalog {
    /// Changes a record; `identity_depends` if its identity follows from what changed.
    pub(crate) fn change(
        &mut self,
        id: &ApplicationId,
        identity_depends: bool,
        change: impl FnOnce(&mut Application),
    ) {
        let Some(record) = self.records.get_mut(id) else { return };
        change(record);
        self.revision = Revision(self.revision.0 + 1);
        record.revision = self.revision;
        if identity_depends {
            record.identity_revision = self.revision;
        }
    }

    /// What identity-provisioner found.
    pub(crate) fn record_identity(&mut self, id: &ApplicationId, identity: &Identity) {
        if self.records.get(id).is_some_and(|record| record.identity.as_ref() != Some(identity)) {
            self.change(id, false, |record| record.identity = Some(identity.clone()));
        }
    }
}

/// A bucket of a name; none of these names is refused.
pub(crate) fn bucket(name: &str) -> Option<Bucket> {
    Some(Bucket { name: name.parse().ok()?, region: None, endpoint: None, kms_key_id: None })
}

/// An application whose credentials are of these kinds, with so many buckets.
pub(crate) fn record(
    id: &str,
    kinds: &[CredentialKind],
    buckets: usize,
    period: Period,
    revision: u64,
) -> Option<Application> {
    let layout = if kinds.contains(&CredentialKind::Combined) { Layout::Combined } else { Layout::Split };
    Some(Application {
        id: id.parse().ok()?,
        team_id: "team-a".parse().ok()?,
        name: id.to_owned(),
        active: true,
        subtitle: String::new(),
        service_url: String::new(),
        presence: Presence::Present,
        revision: Revision(revision),
        identity_revision: Revision(revision),
        settings: Some(Settings {
            buckets: (0..buckets).filter_map(|number| bucket(&format!("{id}-bucket-{number}"))).collect(),
            account_id: Some("123456789012".parse().ok()?),
            prefix: Prefix::default(),
            layout,
            scopes: Vec::new(),
            redirect_url: None,
            confidential: !kinds.contains(&CredentialKind::PublicClient),
            password_period: period,
            client_period: period,
        }),
        settings_generation: 1,
        identity: None,
        destinations_statement: Vec::new(),
        removed_destinations: Vec::new(),
        modified_at: None,
        problems: Vec::new(),
    })
}
