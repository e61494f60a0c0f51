//! Step 0: settings as they are entered, how they are checked, and what is in force with the defaults in them.

use mint_api::registry::v1 as wire;
use mint_types::{AccountId, Bucket, BucketName, Code, Layout, OutboundUrl, Period, Prefix, Scope, Settings};
use serde::{Deserialize, Serialize};

/// More scopes than this are a typing error; each travels in every token.
const MOST_SCOPES: usize = 200;
/// Longer than any key ARN or region name; it bounds what is stored.
const LONGEST_TEXT: usize = 2048;

/// What the configuration says for whatever an owner leaves open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defaults {
    /// The region of buckets that name none.
    pub region: Option<String>,
    /// The endpoint of buckets that name none.
    pub endpoint: Option<OutboundUrl>,
    /// The bucket of applications that name none.
    pub bucket: Option<BucketName>,
    /// The account of buckets whose settings name none.
    pub account_id: Option<AccountId>,
    /// How often a password is replaced.
    pub password_period: Period,
    /// How often a client is replaced.
    pub client_period: Period,
}

impl Default for Defaults {
    /// COMPAT section 4.
    fn default() -> Self {
        Self {
            region: Some("eu-central-1".to_owned()),
            endpoint: None,
            bucket: None,
            account_id: None,
            password_period: mint_api::convert::DEFAULT_PASSWORD_PERIOD,
            client_period: mint_api::convert::DEFAULT_CLIENT_PERIOD,
        }
    }
}

impl Defaults {
    /// What is in force for an application without settings: nothing, unless there is a bucket for everybody.
    pub fn settings(&self) -> Option<Settings> {
        self.bucket.is_some().then(|| Entered::default().effective(self))
    }
}

/// Settings as an owner entered them; what they left open stays open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entered {
    /// Every bucket gets every object.
    pub buckets: Vec<Bucket>,
    /// The account that owns the buckets.
    pub account_id: Option<AccountId>,
    /// The directory above the application's own.
    pub prefix: Prefix,
    /// Which objects the application finds.
    pub layout: Layout,
    /// OAuth 2.0 scopes.
    pub scopes: Vec<Scope>,
    /// Redirect URL of the OAuth client.
    pub redirect_url: Option<String>,
    /// Whether the client can keep a secret.
    pub confidential: bool,
    /// How often the password is replaced.
    pub password_period: Option<Period>,
    /// How often the client is replaced.
    pub client_period: Option<Period>,
}

impl Default for Entered {
    fn default() -> Self {
        Self {
            buckets: Vec::new(),
            account_id: None,
            prefix: Prefix::default(),
            layout: Layout::Split,
            scopes: Vec::new(),
            redirect_url: None,
            confidential: true,
            password_period: None,
            client_period: None,
        }
    }
}

impl Entered {
    /// What is in force: these settings with the defaults in them.
    pub fn effective(&self, defaults: &Defaults) -> Settings {
        let everybodys = defaults.bucket.iter().filter(|_| self.buckets.is_empty()).map(|name| Bucket {
            name: name.clone(),
            region: None,
            endpoint: None,
            kms_key_id: None,
        });
        let buckets = self.buckets.iter().cloned().chain(everybodys).map(|bucket| Bucket {
            region: bucket.region.or_else(|| defaults.region.clone()),
            endpoint: bucket.endpoint.or_else(|| defaults.endpoint.clone()),
            ..bucket
        });
        Settings {
            buckets: buckets.collect(),
            account_id: self.account_id.clone().or_else(|| defaults.account_id.clone()),
            prefix: self.prefix.clone(),
            layout: self.layout,
            scopes: self.scopes.clone(),
            redirect_url: self.redirect_url.clone(),
            confidential: self.confidential,
            password_period: self.password_period.unwrap_or(defaults.password_period),
            client_period: self.client_period.unwrap_or(defaults.client_period),
        }
    }
}

/// Settings that cannot be entered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("settings.{field}: {rule}")]
pub struct SettingsFault {
    /// The culprit.
    pub field: &'static str,
    /// What it must be.
    pub rule: String,
    /// Right in itself, but this version of Mint cannot do it.
    pub unsupported: bool,
}

impl SettingsFault {
    fn new(field: &'static str, rule: impl Into<String>) -> Self {
        Self { field, rule: rule.into(), unsupported: false }
    }

    fn unsupported(field: &'static str, rule: impl Into<String>) -> Self {
        Self { unsupported: true, ..Self::new(field, rule) }
    }

    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        if self.unsupported { "UNSUPPORTED" } else { "SETTINGS_INVALID" }
    }

    /// How a caller should understand it.
    pub fn code(&self) -> Code {
        if self.unsupported { Code::Unimplemented } else { Code::InvalidArgument }
    }
}

/// Settings in texts, as they come over the wire or out of a file.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Names with what belongs to each.
    pub buckets: Vec<DraftBucket>,
    /// Empty for the default.
    pub account_id: String,
    /// Empty for none.
    pub prefix: String,
    /// `split`, `combined`; empty for `split`.
    pub layout: String,
    /// `<resource_type_id>.<scope_id>`.
    pub scopes: Vec<String>,
    /// Empty for none.
    pub redirect_url: String,
    /// Whether the client can keep a secret.
    pub confidential: bool,
    /// None for the default.
    pub password_period: Option<Period>,
    /// None for the default.
    pub client_period: Option<Period>,
}

/// A bucket in texts.
#[derive(Debug, Clone, Default)]
pub struct DraftBucket {
    /// Its name.
    pub name: String,
    /// Empty for the default.
    pub region: String,
    /// Empty for the default.
    pub endpoint: String,
    /// Empty for none.
    pub kms_key_id: String,
}

impl Draft {
    /// From the wire.
    pub fn from_wire(settings: wire::Settings) -> Result<Self, SettingsFault> {
        let layout = match mint_api::types::v1::Layout::try_from(settings.layout) {
            Ok(mint_api::types::v1::Layout::Unspecified | mint_api::types::v1::Layout::Split) => "split",
            Ok(mint_api::types::v1::Layout::Combined) => "combined",
            Err(_) => return Err(SettingsFault::unsupported("layout", "this layout is not known here")),
        };
        let buckets = settings.buckets.into_iter().map(|bucket| DraftBucket {
            name: bucket.name,
            region: bucket.region,
            endpoint: bucket.endpoint,
            kms_key_id: bucket.kms_key_id,
        });
        Ok(Self {
            buckets: buckets.collect(),
            account_id: settings.account_id,
            prefix: settings.prefix,
            layout: layout.to_owned(),
            scopes: settings.scopes,
            redirect_url: settings.redirect_url,
            confidential: settings.confidential,
            password_period: period("password_period", settings.password_period.as_ref())?,
            client_period: period("client_period", settings.client_period.as_ref())?,
        })
    }

    /// Checks every field, then the settings as a whole with the defaults in them.
    pub fn checked(self, defaults: &Defaults) -> Result<Entered, SettingsFault> {
        let entered = Entered {
            buckets: self.buckets.into_iter().map(bucket).collect::<Result<_, _>>()?,
            account_id: optional("account_id", &self.account_id)?,
            prefix: parsed("prefix", &self.prefix)?,
            layout: layout(&self.layout)?,
            scopes: scopes(&self.scopes)?,
            redirect_url: Some(self.redirect_url).filter(|url| !url.is_empty()),
            confidential: self.confidential,
            password_period: self.password_period,
            client_period: self.client_period,
        };
        let whole = entered.effective(defaults).check();
        whole.map_err(|refused| SettingsFault::new(refused.field, refused.rule))?;
        Ok(entered)
    }
}

/// Whole milliseconds, which is what periods are stored in.
fn period(
    field: &'static str,
    wire: Option<&prost_types::Duration>,
) -> Result<Option<Period>, SettingsFault> {
    let Some(wire) = wire else { return Ok(None) };
    let duration = mint_api::convert::duration_from_wire(field, wire)
        .map_err(|invalid| SettingsFault::new(field, invalid.problem))?;
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Ok(Some(Period::new(std::time::Duration::from_millis(millis))))
}

fn bucket(draft: DraftBucket) -> Result<Bucket, SettingsFault> {
    if draft.name.starts_with("gs://") {
        return Err(SettingsFault::unsupported("buckets", "gs:// buckets are not supported yet: use S3"));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if draft.region.len() > 32 || !draft.region.bytes().all(plain) {
        return Err(SettingsFault::new("buckets", format!("the region of {} is malformed", draft.name)));
    }
    if draft.kms_key_id.len() > LONGEST_TEXT || draft.kms_key_id.chars().any(char::is_control) {
        return Err(SettingsFault::new("buckets", format!("the KMS key of {} is malformed", draft.name)));
    }
    let endpoint: Option<OutboundUrl> = optional("buckets", &draft.endpoint)?;
    if endpoint.as_ref().is_some_and(has_path) {
        // what stands before the bucket's name in the path would be another bucket's name
        let rule = format!("the endpoint of {} must end with its host or port", draft.name);
        return Err(SettingsFault::new("buckets", rule));
    }
    Ok(Bucket {
        name: parsed("buckets", &draft.name)?,
        region: Some(draft.region).filter(|region| !region.is_empty()),
        endpoint,
        kms_key_id: Some(draft.kms_key_id).filter(|key| !key.is_empty()),
    })
}

fn has_path(endpoint: &OutboundUrl) -> bool {
    endpoint.as_url().path() != "/" || endpoint.as_url().query().is_some()
}

fn layout(text: &str) -> Result<Layout, SettingsFault> {
    match text {
        "" => Ok(Layout::Split),
        "sealed" => Err(SettingsFault::unsupported("layout", "sealed is not supported yet")),
        other => parsed("layout", other),
    }
}

fn scopes(texts: &[String]) -> Result<Vec<Scope>, SettingsFault> {
    if texts.len() > MOST_SCOPES {
        return Err(SettingsFault::new("scopes", format!("at most {MOST_SCOPES} scopes are allowed")));
    }
    let scopes: Vec<Scope> = texts.iter().map(|text| parsed("scopes", text)).collect::<Result<_, _>>()?;
    match scopes.iter().enumerate().find(|(index, scope)| scopes[..*index].contains(scope)) {
        Some((_, twice)) => Err(SettingsFault::new("scopes", format!("{twice} is listed twice"))),
        None => Ok(scopes),
    }
}

fn parsed<T>(field: &'static str, text: &str) -> Result<T, SettingsFault>
where
    T: std::str::FromStr,
    T::Err: ToString,
{
    text.parse().map_err(|error: T::Err| SettingsFault::new(field, error.to_string()))
}

fn optional<T>(field: &'static str, text: &str) -> Result<Option<T>, SettingsFault>
where
    T: std::str::FromStr,
    T::Err: ToString,
{
    if text.is_empty() { Ok(None) } else { parsed(field, text).map(Some) }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
