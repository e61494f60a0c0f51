//! The environment that gives an application (or one of Mint's own services) its identity towards AWS and Mint.

use std::path::{Path, PathBuf};

use mint_types::{AccountId, ApplicationId, Layout, ServiceName, Settings};

use super::REGION;
use super::layout::{DataDirectory, write_private};
use super::urls::Urls;
use crate::Error;

/// The account of Mint's own roles, and of applications that nobody gave an account.
const MINT_ACCOUNT: &str = "000000000000";

/// What an application's `env` is made of.
#[derive(Debug)]
pub(crate) struct Application<'a> {
    pub(crate) id: &'a ApplicationId,
    pub(crate) account: Option<&'a AccountId>,
    pub(crate) settings: Option<&'a Settings>,
}

/// Writes `DIR/applications/<id>/env`, if it changes.
pub(crate) fn write(
    directory: &DataDirectory,
    urls: &Urls,
    application: &Application<'_>,
) -> Result<(), Error> {
    let place = directory.application(application.id.as_str());
    let content = render(&place, &directory.ca(), urls, application);
    let file = place.join("env");
    if std::fs::read_to_string(&file).is_ok_and(|written| written == content) {
        return Ok(());
    }
    write_private(&file, content)
}

fn render(place: &Path, ca: &Path, urls: &Urls, application: &Application<'_>) -> String {
    let account = application.account.map_or(MINT_ACCOUNT, AccountId::as_str);
    let bucket = application.settings.and_then(|settings| settings.buckets.first());
    let region = bucket.and_then(|bucket| bucket.region.as_deref()).unwrap_or(REGION);
    let endpoint =
        bucket.and_then(|bucket| bucket.endpoint.as_ref()).map_or_else(|| urls.s3(), ToString::to_string);
    let role = format!("arn:aws:iam::{account}:role/mint-reader-{}", application.id);
    let mut lines = aws(&role, &place.join("token"), application.id.as_str(), region, &endpoint, &urls.sts());
    let layout = application.settings.map_or(Layout::default(), |settings| settings.layout);
    let mut add = |name: &'static str, value: String| lines.push((name, value));
    add("MINT_APPLICATION", application.id.to_string());
    add("MINT_LAYOUT", layout.to_string());
    add("MINT_COORDINATOR", urls.service(ServiceName::Coordinator));
    add("MINT_BROKER", urls.service(ServiceName::Broker));
    add("MINT_BROKER_URL", urls.broker_http());
    add("MINT_CA", ca.display().to_string());
    add("MINT_CERT", place.join("cert.pem").display().to_string());
    add("MINT_KEY", place.join("key.pem").display().to_string());
    if let Some(bucket) = bucket {
        add("MINT_BUCKET", bucket.name.to_string());
    }
    if let Some(settings) = application.settings.filter(|settings| !settings.prefix.as_str().is_empty()) {
        add("MINT_PREFIX", settings.prefix.to_string());
    }
    let exports: Vec<_> =
        lines.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect();
    exports.concat()
}

/// The standard environment of AWS's web identity, for one of Mint's own services.
pub(crate) fn service(
    directory: &DataDirectory,
    urls: &Urls,
    service: ServiceName,
) -> Vec<(&'static str, String)> {
    let role = format!("arn:aws:iam::{MINT_ACCOUNT}:role/mint-{service}");
    aws(&role, &directory.platform_token(service), service.as_str(), REGION, &urls.s3(), &urls.sts())
}

fn aws(
    role: &str,
    token: &Path,
    session: &str,
    region: &str,
    s3: &str,
    sts: &str,
) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ROLE_ARN", role.to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.display().to_string()),
        ("AWS_ROLE_SESSION_NAME", session.to_owned()),
        ("AWS_REGION", region.to_owned()),
        ("AWS_DEFAULT_REGION", region.to_owned()),
        ("AWS_ENDPOINT_URL_S3", s3.to_owned()),
        ("AWS_ENDPOINT_URL_STS", sts.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}

/// In single quotes for a POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// The files that make an application's directory complete; the embedded world writes the token.
pub(crate) fn files(directory: &DataDirectory, application: &ApplicationId) -> [PathBuf; 4] {
    let place = directory.application(application.as_str());
    ["cert.pem", "key.pem", "env", "token"].map(|file| place.join(file))
}

#[cfg(test)]
mod tests {
    use mint_types::{Bucket, Period};

    use super::super::ports::Ports;
    use super::*;

    fn settings(prefix: &str) -> Settings {
        let bucket = |name: &str, region: Option<&str>| Bucket {
            name: name.parse().unwrap(),
            region: region.map(str::to_owned),
            endpoint: None,
            kms_key_id: None,
        };
        Settings {
            buckets: vec![bucket("team-stups", Some("eu-west-1")), bucket("team-two", None)],
            account_id: None,
            prefix: prefix.parse().unwrap(),
            layout: Layout::Combined,
            scopes: vec![],
            redirect_url: None,
            confidential: true,
            password_period: Period::from_seconds(60),
            client_period: Period::from_seconds(60),
        }
    }

    fn rendered(settings: Option<&Settings>) -> String {
        let id = "kio".parse().unwrap();
        let account: AccountId = "123456789012".parse().unwrap();
        let application = Application { id: &id, account: Some(&account), settings };
        let urls = Urls::new(&Ports::from_first(7000));
        render(Path::new("/it's/applications/kio"), Path::new("/it's/pki/ca.pem"), &urls, &application)
    }

    #[test]
    fn an_applications_environment_is_a_shell_script_of_exports() {
        assert_eq!(
            rendered(Some(&settings("mint/x"))),
            r"export AWS_ROLE_ARN='arn:aws:iam::123456789012:role/mint-reader-kio'
export AWS_WEB_IDENTITY_TOKEN_FILE='/it'\''s/applications/kio/token'
export AWS_ROLE_SESSION_NAME='kio'
export AWS_REGION='eu-west-1'
export AWS_DEFAULT_REGION='eu-west-1'
export AWS_ENDPOINT_URL_S3='http://127.0.0.1:7001'
export AWS_ENDPOINT_URL_STS='http://127.0.0.1:7000/sts'
export AWS_EC2_METADATA_DISABLED='true'
export MINT_APPLICATION='kio'
export MINT_LAYOUT='combined'
export MINT_COORDINATOR='https://127.0.0.1:7006'
export MINT_BROKER='https://127.0.0.1:7008'
export MINT_BROKER_URL='http://127.0.0.1:7009'
export MINT_CA='/it'\''s/pki/ca.pem'
export MINT_CERT='/it'\''s/applications/kio/cert.pem'
export MINT_KEY='/it'\''s/applications/kio/key.pem'
export MINT_BUCKET='team-stups'
export MINT_PREFIX='mint/x'
"
        );
    }

    #[test]
    fn what_does_not_apply_is_not_said() {
        let text = rendered(Some(&settings("")));
        assert!(text.contains("MINT_BUCKET") && !text.contains("MINT_PREFIX"));
        let text = rendered(None);
        assert!(!text.contains("MINT_BUCKET") && text.contains("MINT_LAYOUT='split'"));
        assert!(text.contains("AWS_REGION='eu-central-1'"));
    }

    #[test]
    fn the_distributor_gets_its_power_the_way_applications_do() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::create(parent.path()).unwrap();
        let urls = Urls::new(&Ports::from_first(7000));
        let lines = service(&directory, &urls, ServiceName::Distributor);
        assert_eq!(lines[0], ("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/mint-distributor".to_owned()));
        assert!(lines[1].1.ends_with("run/tokens/distributor/token"));
    }
}
