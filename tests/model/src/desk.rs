//! The one application: its record, its destinations.

use std::collections::BTreeMap;

use mint_coordinator::{Adoption, Conditions, Desk, IdentityPhase, Standing};
use mint_distributor::Place;
use mint_types::{
    Application, Bucket, CredentialKind, Identity, Layout, Period, Prefix, Presence, Revision, Settings,
    Version,
};

use crate::bounds::Bounds;
use crate::payload::{FOREIGN, Payload, rotation_id};

#[expect(clippy::expect_used, reason = "constants of this file")]
fn parsed<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a valid name")
}

/// The application that the bounds ask for, once its owner wants the combined layout.
pub(crate) fn changed(bounds: &Bounds) -> Desk {
    let mut desk = of(bounds);
    desk.record.settings_generation += 1;
    if let Some(settings) = &mut desk.record.settings {
        settings.layout = Layout::Combined;
    }
    desk
}

/// The application that the bounds ask for.
pub(crate) fn of(bounds: &Bounds) -> Desk {
    let is_combined = bounds.kinds.contains(&CredentialKind::Combined) && bounds.changes == 0;
    let has = |kind| bounds.kinds.contains(&kind);
    let bucket = |number: usize| Bucket {
        name: parsed(&format!("team-{number}")),
        region: None,
        endpoint: None,
        kms_key_id: None,
    };
    let period = Period::from_seconds(bounds.period_seconds);
    let settings = Settings {
        buckets: (0..bounds.destinations).map(bucket).collect(),
        account_id: Some(parsed("123456789012")),
        prefix: Prefix::default(),
        layout: if is_combined { Layout::Combined } else { Layout::Split },
        scopes: Vec::new(),
        redirect_url: None,
        confidential: !has(CredentialKind::PublicClient),
        password_period: period,
        client_period: period,
    };
    let record = Application {
        id: parsed("shop"),
        team_id: parsed("team"),
        name: "Shop".to_owned(),
        active: true,
        subtitle: String::new(),
        service_url: String::new(),
        presence: Presence::Present,
        revision: Revision(1),
        identity_revision: Revision(1),
        settings: Some(settings),
        settings_generation: 1,
        identity: Some(Identity {
            username: "shop".to_owned(),
            client_id: "client".to_owned(),
            foreign: bounds.foreign,
        }),
        modified_at: None,
        problems: Vec::new(),
        destinations_statement: Vec::new(),
        removed_destinations: Vec::new(),
    };
    Desk {
        record,
        conditions: Conditions::default(),
        standing: Standing {
            identity: IdentityPhase::Enabled,
            ensured: Revision(1),
            ensured_with: Revision(1),
            client_id: Some("client".to_owned()),
            ..Standing::default()
        },
        credentials: BTreeMap::new(),
        adoption: Adoption::default(),
        paused: None,
        nudged_at: None,
        change: 0,
    }
}

/// Where a kind belongs.
pub(crate) fn places(desk: &Desk, kind: CredentialKind) -> Vec<Place> {
    let destinations = desk.settings().map(|settings| settings.destinations(&desk.record.id, kind));
    destinations.unwrap_or_default().iter().map(|destination| Place::of(destination, "")).collect()
}

/// What lay in the buckets before Mint came.
pub(crate) fn foreign(kind: CredentialKind) -> Payload {
    let lives_on = |object| mint_rotator::plan::objects_asked(kind).contains(&object).then_some(FOREIGN);
    Payload {
        kind,
        version: Version::FOREIGN,
        rotation: rotation_id(0),
        user: lives_on(mint_types::IssuerObject::User),
        client: lives_on(mint_types::IssuerObject::Client),
    }
}
