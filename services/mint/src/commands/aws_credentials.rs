//! `mint aws-credentials`: temporary credentials to read as an application.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mint_runtime::http::HttpClient;
use mint_runtime::{SystemClock, SystemEntropy};
use mint_types::{ApplicationId, OutboundUrl};
use zeroize::Zeroizing;

use crate::Error;
use crate::cli::{AwsCredentials, GlobalOptions, Output};
use crate::credentials::{BrokerHttp, Child, Credentials, Endpoint, Keeper, Sts, StsFault};
use crate::error::FAILED;
use crate::reach::{self, Reach, Said};
use crate::remote::Remote;
use crate::up::Endpoints;

/// Before an exchange is tried again that a moment may help.
const PAUSE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 3;

/// Runs the command with credentials, or prints them.
pub(crate) async fn run(global: &GlobalOptions, options: &AwsCredentials) -> Result<ExitCode, Error> {
    let said = Said::new(global, &reach::environment);
    let source = Source::choose(global, options, &said)?;
    let application = options.app.clone();
    if options.command.is_empty() {
        return Ok(print(global.output, &source.obtain(&application).await?));
    }
    let Some(child) =
        Child::new(&options.command, &said.places(said.own_world(global, source.has_session())))
    else {
        return Ok(ExitCode::from(FAILED));
    };
    if !options.serve {
        let credentials = source.obtain(&application).await?;
        return Err(child.become_it(&credentials.variables()));
    }
    let source = Arc::new(source);
    let fetch = Box::new(move || {
        let (source, application) = (Arc::clone(&source), application.clone());
        let fetched: futures::future::BoxFuture<'static, _> =
            Box::pin(async move { source.obtain(&application).await });
        fetched
    });
    let keeper = Arc::new(Keeper::new(fetch, Arc::new(SystemClock::new(&SystemEntropy))));
    // a command that could never get any is not begun
    keeper.fresh().await?;
    child.run_beside(Endpoint::bind(keeper, &SystemEntropy).await?).await
}

fn print(output: Output, credentials: &Credentials) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    let written = match output {
        Output::Json => stdout.write_all(&credentials.of_process()),
        Output::Text => stdout.write_all(credentials.exports().as_bytes()),
    };
    let written = written.and_then(|()| stdout.flush());
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

/// Who exchanges the token.
#[derive(Debug)]
enum Source {
    /// The broker, for a session.
    Broker(BrokerHttp),
    /// This program, with the token that the broker signs for a certificate.
    Here { remote: Box<Remote>, sts: Sts },
}

impl Source {
    fn choose(global: &GlobalOptions, options: &AwsCredentials, said: &Said) -> Result<Self, Error> {
        let session =
            options.session.clone().or_else(|| said.variable("MINT_SESSION_FILE").map(PathBuf::from));
        if let Some(session) = session {
            let kept = said.own_world(global, true).map(|world| world.broker_url.clone());
            let url = said.url(options.broker_url.as_ref(), "MINT_BROKER_URL", kept)?;
            let url = url.ok_or_else(|| Error::Usage {
                what: "nobody says where the broker is".to_owned(),
                advice: "name it with --broker-url or MINT_BROKER_URL".to_owned(),
            })?;
            // MINT_CA vouches for the services; the issuer of tokens that AWS fetches keys from is public
            return Ok(Self::Broker(BrokerHttp { http: trusting(global.ca.as_deref())?, url, session }));
        }
        let reach = said.as_application(Reach::find(global, &reach::environment)?, global, &options.app)?;
        let kept = said.own_world(global, false).map(|world| world.sts_endpoint.clone());
        let endpoint = said.url(options.sts.as_ref(), "AWS_ENDPOINT_URL_STS", kept)?;
        let endpoint = endpoint.map_or_else(|| said.sts_of_region(), Ok)?;
        let http = trusting(said.variable("AWS_CA_BUNDLE").map(PathBuf::from).as_deref())?;
        Ok(Self::Here { remote: Box::new(Remote::new(reach)), sts: Sts { http, endpoint } })
    }

    fn has_session(&self) -> bool {
        matches!(self, Self::Broker(_))
    }

    /// Credentials that read as the application, and as nobody else.
    async fn obtain(&self, application: &ApplicationId) -> Result<Credentials, Error> {
        let (credentials, value) = match self {
            Self::Broker(broker) => broker.obtain().await?,
            Self::Here { remote, sts } => exchange_here(remote, sts, application).await?,
        };
        check(application, &value)?;
        Ok(credentials)
    }
}

async fn exchange_here(
    remote: &Remote,
    sts: &Sts,
    application: &ApplicationId,
) -> Result<(Credentials, String), Error> {
    let mut attempt = 1;
    loop {
        let signed = remote.sign_token().await?;
        let token = Zeroizing::new(signed.token);
        check(application, &signed.tag_value)?;
        match sts.exchange(&signed.role_arn, &signed.session_name, &token).await {
            Ok(credentials) => return Ok((credentials, signed.tag_value)),
            Err(fault) if fault.may_pass() && attempt < ATTEMPTS => attempt += 1,
            Err(StsFault::Refused(code)) => {
                let what = format!("it refuses the token for {} with {code}", signed.role_arn);
                return Err(Error::Exchange { what, refused: true });
            }
            Err(StsFault::Unanswered(what)) => return Err(Error::Exchange { what, refused: false }),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Who has a shell of another application gets no credentials of that one by mistake.
fn check(application: &ApplicationId, value: &str) -> Result<(), Error> {
    if application.as_str() == value {
        return Ok(());
    }
    Err(Error::Usage {
        what: format!("the grant of this certificate or session is for {value:?}, not for {application}"),
        advice:
            "name the application that it is for, or act with another certificate (--cert, --key) or session"
                .to_owned(),
    })
}

fn trusting(ca: Option<&Path>) -> Result<HttpClient, Error> {
    let client = ca.map_or_else(|| Ok(HttpClient::new()), HttpClient::with_ca);
    client.map_err(|error| Error::Identity { what: error.to_string() })
}

impl Said<'_> {
    /// In a world's directory each application has its certificate; an operator's would be refused.
    fn as_application(
        &self,
        mut reach: Reach,
        global: &GlobalOptions,
        application: &ApplicationId,
    ) -> Result<Reach, Error> {
        let is_said = global.cert.is_some() || self.variable("MINT_CERT").is_some();
        if is_said || self.world.is_none() {
            return Ok(reach);
        }
        let place = self.data.join("applications").join(application.as_str());
        reach.cert = place.join("cert.pem");
        reach.key = place.join("key.pem");
        if !reach.cert.is_file() {
            return Err(Error::Usage {
                what: format!("this world has no certificate of {application}"),
                advice: "look at `mint status` for the names that exist".to_owned(),
            });
        }
        Ok(reach)
    }

    fn sts_of_region(&self) -> Result<OutboundUrl, Error> {
        let region = self.variable("AWS_REGION").or_else(|| self.variable("AWS_DEFAULT_REGION"));
        let unknown = || Error::Usage {
            what: "nobody says where STS is".to_owned(),
            advice: "set AWS_REGION, or name STS with --sts or AWS_ENDPOINT_URL_STS".to_owned(),
        };
        let url = format!("https://sts.{}.amazonaws.com", region.ok_or_else(unknown)?);
        url.parse().map_err(|_| unknown())
    }

    /// The running world, unless it merely lies where somebody is who acts with a certificate or a session of elsewhere:
    /// whoever wrote its files would be sent what reads the application's secrets.
    fn own_world(&self, global: &GlobalOptions, has_session: bool) -> Option<&Endpoints> {
        let is_named = global.data.is_some() || reach::environment("MINT_DATA").is_some();
        let is_of_elsewhere = has_session || global.cert.is_some() || self.variable("MINT_CERT").is_some();
        self.world.as_ref().filter(|_| is_named || !is_of_elsewhere)
    }

    /// Where AWS is, for a command that is not told.
    fn places(&self, world: Option<&Endpoints>) -> Vec<(&'static str, String)> {
        let Some(world) = world else { return Vec::new() };
        let places = [
            ("AWS_REGION", &world.s3_region),
            ("AWS_DEFAULT_REGION", &world.s3_region),
            ("AWS_ENDPOINT_URL_S3", &world.s3_endpoint),
            ("AWS_ENDPOINT_URL_STS", &world.sts_endpoint),
        ];
        let missing = |(name, _): &(&str, &String)| self.variable(name).is_none();
        places.into_iter().filter(missing).map(|(name, value)| (name, value.clone())).collect()
    }
}
