//! Conversions between wire messages and `mint-types`; the only place where a bad message is found out.

use std::str::FromStr;
use std::time::Duration;

use mint_types::{
    Application, Bucket, Code, CredentialKind, FencingToken, Identity, Layout, OutboundUrl, Period, Presence,
    Problem, RemovedDestination, Revision, Settings, Timestamp,
};

use crate::{Fault, registry, types};

/// A message that breaks the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidMessage {
    /// The culprit.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl InvalidMessage {
    /// A message whose field is wrong.
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }
}

impl From<InvalidMessage> for Fault {
    fn from(error: InvalidMessage) -> Self {
        Self::new(Code::InvalidArgument, "INVALID_MESSAGE", error.to_string()).with("field", error.field)
    }
}

impl From<InvalidMessage> for tonic::Status {
    fn from(error: InvalidMessage) -> Self {
        Fault::from(error).into()
    }
}

/// Parses a text field.
pub fn parse<T>(field: &'static str, text: &str) -> Result<T, InvalidMessage>
where
    T: FromStr,
    T::Err: ToString,
{
    text.parse().map_err(|error: T::Err| InvalidMessage::new(field, error.to_string()))
}

/// Parses a text field that may be empty.
pub fn parse_optional<T>(field: &'static str, text: &str) -> Result<Option<T>, InvalidMessage>
where
    T: FromStr,
    T::Err: ToString,
{
    if text.is_empty() { Ok(None) } else { parse(field, text).map(Some) }
}

/// A wire fencing token; one that no lease can have made by now is refused before anybody remembers it.
pub fn fencing_token_from_wire(wire: u64, now: Timestamp) -> Result<FencingToken, InvalidMessage> {
    let token = FencingToken(wire);
    if token.is_plausible(now) {
        return Ok(token);
    }
    Err(InvalidMessage::new("fencing_token", format!("{token} is further ahead of the clock than any lease")))
}

/// A wire catalog revision; one that no catalog can have given by now is refused before anybody remembers it.
pub fn revision_from_wire(wire: u64, now: Timestamp) -> Result<Revision, InvalidMessage> {
    let revision = Revision(wire);
    if revision.is_plausible(now) {
        return Ok(revision);
    }
    let problem = format!("{revision} is further ahead of the clock than any catalog");
    Err(InvalidMessage::new("catalog_revision", problem))
}

/// A wire timestamp.
pub fn timestamp_to_wire(time: Timestamp) -> prost_types::Timestamp {
    let micros = time.unix_micros();
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap_or(0),
    }
}

/// From a wire timestamp.
pub fn timestamp_from_wire(time: &prost_types::Timestamp) -> Timestamp {
    let micros = time.seconds.saturating_mul(1_000_000).saturating_add(i64::from(time.nanos) / 1000);
    Timestamp::from_unix_micros(micros)
}

/// A wire duration.
pub fn duration_to_wire(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

/// From a wire duration; a negative one is refused.
pub fn duration_from_wire(
    field: &'static str,
    wire: &prost_types::Duration,
) -> Result<Duration, InvalidMessage> {
    let seconds = u64::try_from(wire.seconds).map_err(|_| InvalidMessage::new(field, "it is negative"))?;
    let nanos = u32::try_from(wire.nanos).map_err(|_| InvalidMessage::new(field, "it is negative"))?;
    Ok(Duration::new(seconds, nanos.min(999_999_999)))
}

/// A wire kind.
pub fn kind_to_wire(kind: CredentialKind) -> types::v1::CredentialKind {
    match kind {
        CredentialKind::Password => types::v1::CredentialKind::Password,
        CredentialKind::Client => types::v1::CredentialKind::Client,
        CredentialKind::Combined => types::v1::CredentialKind::Combined,
        CredentialKind::PublicClient => types::v1::CredentialKind::PublicClient,
    }
}

/// From a wire kind that may be unspecified; an unknown number is refused.
pub fn optional_kind_from_wire(
    field: &'static str,
    wire: i32,
) -> Result<Option<CredentialKind>, InvalidMessage> {
    match types::v1::CredentialKind::try_from(wire) {
        Ok(types::v1::CredentialKind::Unspecified) => Ok(None),
        Ok(types::v1::CredentialKind::Password) => Ok(Some(CredentialKind::Password)),
        Ok(types::v1::CredentialKind::Client) => Ok(Some(CredentialKind::Client)),
        Ok(types::v1::CredentialKind::Combined) => Ok(Some(CredentialKind::Combined)),
        Ok(types::v1::CredentialKind::PublicClient) => Ok(Some(CredentialKind::PublicClient)),
        Err(_) => Err(InvalidMessage::new(field, format!("{wire} is no known kind"))),
    }
}

/// From a wire kind.
pub fn kind_from_wire(field: &'static str, wire: i32) -> Result<CredentialKind, InvalidMessage> {
    optional_kind_from_wire(field, wire)?.ok_or_else(|| InvalidMessage::new(field, "it is required"))
}

/// A wire layout.
pub fn layout_to_wire(layout: Layout) -> types::v1::Layout {
    match layout {
        Layout::Split => types::v1::Layout::Split,
        Layout::Combined => types::v1::Layout::Combined,
    }
}

fn layout_from_wire(wire: i32) -> Result<Layout, InvalidMessage> {
    match types::v1::Layout::try_from(wire) {
        Ok(types::v1::Layout::Unspecified | types::v1::Layout::Split) => Ok(Layout::Split),
        Ok(types::v1::Layout::Combined) => Ok(Layout::Combined),
        Err(_) => Err(InvalidMessage::new("settings.layout", format!("{wire} is no known layout"))),
    }
}

impl From<Problem> for types::v1::Problem {
    fn from(problem: Problem) -> Self {
        Self {
            r#type: problem.kind,
            title: problem.title,
            detail: problem.detail,
            next_action: problem.next_action,
            since: Some(timestamp_to_wire(problem.since)),
            attempts: problem.attempts,
            credential: problem
                .credential
                .map_or(types::v1::CredentialKind::Unspecified, kind_to_wire)
                .into(),
            destination: problem.destination.unwrap_or_default(),
        }
    }
}

impl TryFrom<types::v1::Problem> for Problem {
    type Error = InvalidMessage;
    fn try_from(wire: types::v1::Problem) -> Result<Self, InvalidMessage> {
        let since =
            wire.since.as_ref().ok_or_else(|| InvalidMessage::new("problem.since", "it is required"))?;
        Ok(Self {
            kind: wire.r#type,
            title: wire.title,
            detail: wire.detail,
            next_action: wire.next_action,
            since: timestamp_from_wire(since),
            attempts: wire.attempts,
            credential: optional_kind_from_wire("problem.credential", wire.credential)?,
            destination: Some(wire.destination).filter(|destination| !destination.is_empty()),
        })
    }
}

impl From<Bucket> for registry::v1::Bucket {
    fn from(bucket: Bucket) -> Self {
        Self {
            name: bucket.name.into(),
            region: bucket.region.unwrap_or_default(),
            endpoint: bucket.endpoint.map(String::from).unwrap_or_default(),
            kms_key_id: bucket.kms_key_id.unwrap_or_default(),
        }
    }
}

fn optional_text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

impl TryFrom<registry::v1::Bucket> for Bucket {
    type Error = InvalidMessage;
    fn try_from(wire: registry::v1::Bucket) -> Result<Self, InvalidMessage> {
        if wire.name.starts_with("gs://") {
            return Err(InvalidMessage::new(
                "settings.buckets.name",
                "gs:// buckets are not supported yet; use S3",
            ));
        }
        Ok(Self {
            name: parse("settings.buckets.name", &wire.name)?,
            region: optional_text(wire.region),
            endpoint: parse_optional::<OutboundUrl>("settings.buckets.endpoint", &wire.endpoint)?,
            kms_key_id: optional_text(wire.kms_key_id),
        })
    }
}

impl From<Settings> for registry::v1::Settings {
    fn from(settings: Settings) -> Self {
        Self {
            buckets: settings.buckets.into_iter().map(Into::into).collect(),
            account_id: settings.account_id.map(String::from).unwrap_or_default(),
            prefix: settings.prefix.into(),
            layout: layout_to_wire(settings.layout).into(),
            scopes: settings.scopes.into_iter().map(String::from).collect(),
            redirect_url: settings.redirect_url.unwrap_or_default(),
            confidential: settings.confidential,
            password_period: Some(duration_to_wire(settings.password_period.as_duration())),
            client_period: Some(duration_to_wire(settings.client_period.as_duration())),
        }
    }
}

fn period_from_wire(
    field: &'static str,
    wire: Option<&prost_types::Duration>,
    default: Period,
) -> Result<Period, InvalidMessage> {
    wire.map_or(Ok(default), |wire| duration_from_wire(field, wire).map(Period::new))
}

/// COMPAT section 4: a password is replaced every 2 h where nobody says otherwise.
pub const DEFAULT_PASSWORD_PERIOD: Period = Period::from_seconds(2 * 3600);
/// COMPAT section 4: an OAuth client is replaced every 30 days where nobody says otherwise.
pub const DEFAULT_CLIENT_PERIOD: Period = Period::from_seconds(30 * 24 * 3600);

impl TryFrom<registry::v1::Settings> for Settings {
    type Error = InvalidMessage;
    fn try_from(wire: registry::v1::Settings) -> Result<Self, InvalidMessage> {
        let settings = Self {
            buckets: wire.buckets.into_iter().map(Bucket::try_from).collect::<Result<_, _>>()?,
            account_id: parse_optional("settings.account_id", &wire.account_id)?,
            prefix: parse("settings.prefix", &wire.prefix)?,
            layout: layout_from_wire(wire.layout)?,
            scopes: wire
                .scopes
                .iter()
                .map(|scope| parse("settings.scopes", scope))
                .collect::<Result<_, _>>()?,
            redirect_url: optional_text(wire.redirect_url),
            confidential: wire.confidential,
            password_period: period_from_wire(
                "settings.password_period",
                wire.password_period.as_ref(),
                DEFAULT_PASSWORD_PERIOD,
            )?,
            client_period: period_from_wire(
                "settings.client_period",
                wire.client_period.as_ref(),
                DEFAULT_CLIENT_PERIOD,
            )?,
        };
        settings.check().map_err(|error| InvalidMessage::new("settings", error.to_string()))?;
        Ok(settings)
    }
}

impl From<Identity> for registry::v1::Identity {
    fn from(identity: Identity) -> Self {
        Self { username: identity.username, client_id: identity.client_id, foreign: identity.foreign }
    }
}

impl From<registry::v1::Identity> for Identity {
    fn from(wire: registry::v1::Identity) -> Self {
        Self { username: wire.username, client_id: wire.client_id, foreign: wire.foreign }
    }
}

impl From<RemovedDestination> for registry::v1::RemovedDestination {
    fn from(removed: RemovedDestination) -> Self {
        Self {
            bucket: Some(removed.bucket.into()),
            account_id: removed.account_id.map(String::from).unwrap_or_default(),
            key: removed.key,
            settings_generation: removed.settings_generation,
            removed_at: Some(timestamp_to_wire(removed.removed_at)),
        }
    }
}

impl TryFrom<registry::v1::RemovedDestination> for RemovedDestination {
    type Error = InvalidMessage;
    fn try_from(wire: registry::v1::RemovedDestination) -> Result<Self, InvalidMessage> {
        let required = |field| InvalidMessage::new(field, "it is required");
        Ok(Self {
            bucket: wire.bucket.ok_or_else(|| required("removed_destination.bucket"))?.try_into()?,
            account_id: parse_optional("removed_destination.account_id", &wire.account_id)?,
            key: Some(wire.key)
                .filter(|key| !key.is_empty())
                .ok_or_else(|| required("removed_destination.key"))?,
            settings_generation: wire.settings_generation,
            removed_at: timestamp_from_wire(
                wire.removed_at.as_ref().ok_or_else(|| required("removed_destination.removed_at"))?,
            ),
        })
    }
}

fn presence_to_wire(presence: Presence) -> registry::v1::Presence {
    match presence {
        Presence::Present => registry::v1::Presence::Present,
        Presence::Held => registry::v1::Presence::Held,
        Presence::Retired => registry::v1::Presence::Retired,
    }
}

fn presence_from_wire(wire: i32) -> Result<Presence, InvalidMessage> {
    match registry::v1::Presence::try_from(wire) {
        Ok(registry::v1::Presence::Present) => Ok(Presence::Present),
        Ok(registry::v1::Presence::Held) => Ok(Presence::Held),
        Ok(registry::v1::Presence::Retired) => Ok(Presence::Retired),
        Ok(registry::v1::Presence::Unspecified) | Err(_) => {
            Err(InvalidMessage::new("application.presence", format!("{wire} is no known presence")))
        }
    }
}

impl From<Application> for registry::v1::Application {
    fn from(application: Application) -> Self {
        Self {
            id: application.id.into(),
            team_id: application.team_id.into(),
            name: application.name,
            active: application.active,
            subtitle: application.subtitle,
            service_url: application.service_url,
            presence: presence_to_wire(application.presence).into(),
            revision: application.revision.0,
            settings: application.settings.map(Into::into),
            settings_generation: application.settings_generation,
            identity: application.identity.map(Into::into),
            modified_at: application.modified_at.map(timestamp_to_wire),
            problems: application.problems.into_iter().map(Into::into).collect(),
            identity_revision: application.identity_revision.0,
            destinations_statement: application.destinations_statement,
            removed_destinations: application.removed_destinations.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<registry::v1::Application> for Application {
    type Error = InvalidMessage;
    fn try_from(wire: registry::v1::Application) -> Result<Self, InvalidMessage> {
        Ok(Self {
            id: parse("application.id", &wire.id)?,
            team_id: parse("application.team_id", &wire.team_id)?,
            name: wire.name,
            active: wire.active,
            subtitle: wire.subtitle,
            service_url: wire.service_url,
            presence: presence_from_wire(wire.presence)?,
            revision: Revision(wire.revision),
            identity_revision: Revision(wire.identity_revision),
            settings: wire.settings.map(Settings::try_from).transpose()?,
            settings_generation: wire.settings_generation,
            identity: wire.identity.map(Identity::from),
            modified_at: wire.modified_at.as_ref().map(timestamp_from_wire),
            problems: wire.problems.into_iter().map(Problem::try_from).collect::<Result<_, _>>()?,
            destinations_statement: wire.destinations_statement,
            removed_destinations: wire
                .removed_destinations
                .into_iter()
                .map(RemovedDestination::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}
