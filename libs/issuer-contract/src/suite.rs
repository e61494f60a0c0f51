//! The contract of a driver, as checks that a third party runs against its own.
//!
//! Implement [`Bench`] for the driver and a server that it speaks to, call [`check`], and assert that
//! [`Report::broken`] is empty. What a bench cannot do (lose an answer, for example) is in [`Report::skipped`].

mod object;
mod trouble;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use mint_secret::SecretValue;
use mint_types::{Entropy, IssuerObject};

use crate::{Driver, IssuerError, Login, MadeBy, Subject};

/// A user with a client, made for one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user at the issuer.
    pub username: String,
    /// Its client.
    pub client_id: String,
}

impl Identity {
    fn subject(&self, object: IssuerObject) -> Subject<'_> {
        Subject { object, username: &self.username, client_id: &self.client_id }
    }
}

/// What happens to the next call of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The server does nothing and answers this status; a 429 with `Retry-After: 7`.
    Answers(u16),
    /// The server does it, and nobody gets the answer.
    LosesTheAnswer,
}

/// A driver and the server that it speaks to.
#[async_trait]
pub trait Bench: fmt::Debug + Send + Sync {
    /// The driver under test.
    fn driver(&self) -> &dyn Driver;

    /// The server's token endpoint.
    fn login(&self) -> &dyn Login;

    /// Randomness for the values that Mint makes.
    fn entropy(&self) -> &dyn Entropy;

    /// A new user, with a client and without any version of Mint's.
    async fn identity(&self) -> Identity;

    /// Lets time pass at the server: waits, or moves its clock.
    async fn pass(&self, time: Duration);

    /// Arms trouble for the driver's next call that changes something; false if this bench cannot.
    async fn arm(&self, _trouble: Trouble) -> bool {
        false
    }
}

/// One rule that the driver breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// On which object.
    pub object: IssuerObject,
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// What was seen. Never a secret.
    pub seen: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}: {}", self.object, self.rule, self.seen)
    }
}

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The rules that were checked and hold.
    pub kept: Vec<(IssuerObject, &'static str)>,
    /// The rules that the driver breaks.
    pub broken: Vec<Broken>,
    /// The rules that this bench cannot check, or that its kind of issuer does not have.
    pub skipped: Vec<(IssuerObject, &'static str)>,
}

/// Checks every rule on both objects.
pub async fn check(bench: &dyn Bench) -> Report {
    let mut report = Report::default();
    for object in [IssuerObject::User, IssuerObject::Client] {
        let mut run = Run { bench, object, report: &mut report };
        object::check(&mut run).await;
        trouble::check(&mut run).await;
    }
    report
}

/// The checks of one object.
struct Run<'r> {
    bench: &'r dyn Bench,
    object: IssuerObject,
    report: &'r mut Report,
}

/// What a rule's check answers: kept, broken by what was seen, or not to be checked here.
enum Outcome {
    Kept,
    Broken(String),
    Skipped,
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Broken, |()| Self::Kept)
    }
}

impl Run<'_> {
    fn note(&mut self, rule: &'static str, outcome: impl Into<Outcome>) {
        match outcome.into() {
            Outcome::Kept => self.report.kept.push((self.object, rule)),
            Outcome::Skipped => self.report.skipped.push((self.object, rule)),
            Outcome::Broken(seen) => self.report.broken.push(Broken { object: self.object, rule, seen }),
        }
    }

    fn ends(&self) -> crate::Ends {
        self.bench.driver().declares().of(self.object).ends
    }

    /// A secret, where Mint makes those of this object.
    fn value(&self) -> Option<SecretValue> {
        match &self.bench.driver().declares().of(self.object).made_by {
            MadeBy::Issuer => None,
            MadeBy::Mint(recipe) => Some(recipe.make(self.bench.entropy())),
        }
    }

    async fn create(&self, identity: &Identity) -> Result<Version, IssuerError> {
        let made = self.bench.driver().create(identity.subject(self.object), self.value()).await?;
        let client_id = made.client_id.unwrap_or_else(|| identity.client_id.clone());
        Ok(Version { handle: made.handle, client_id, secret: made.secret })
    }

    async fn end(&self, identity: &Identity, keep: &crate::Handle) -> Result<(), IssuerError> {
        self.bench.driver().end(identity.subject(self.object), keep).await
    }

    /// Sees whether a version opens the door.
    async fn expect_login(&self, identity: &Identity, version: &Version, opens: bool) -> Result<(), String> {
        let (id, secret) = (version.client_id.as_str(), &version.secret);
        self.expect(identity, id, secret, opens).await
    }

    async fn expect(
        &self,
        identity: &Identity,
        id: &str,
        secret: &SecretValue,
        opens: bool,
    ) -> Result<(), String> {
        let login = self.bench.login();
        let verdict = match self.object {
            IssuerObject::User => login.password(&identity.username, secret).await,
            IssuerObject::Client => login.client(crate::ClientLogin { id, secret }).await,
        };
        let seen = match verdict {
            Ok(crate::LoginVerdict::Accepted(_)) if opens => return Ok(()),
            Ok(crate::LoginVerdict::Refused(_)) if !opens => return Ok(()),
            Ok(crate::LoginVerdict::Accepted(_)) => "a version that was ended is accepted".to_owned(),
            Ok(crate::LoginVerdict::Refused(code)) => {
                format!("a version that is in use is refused with {code}")
            }
            Err(error) => format!("the login was not answered: {error}"),
        };
        Err(seen)
    }
}

/// A version of a check.
struct Version {
    handle: crate::Handle,
    client_id: String,
    secret: SecretValue,
}

fn failed(call: &str, error: &IssuerError) -> String {
    format!("{call} failed: {error} ({})", error.reason())
}
