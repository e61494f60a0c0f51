//! An issuer in memory, of any kind, and with faults that a contract must find.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mint_issuer_contract::suite::{Bench, Identity, Trouble};
use mint_issuer_contract::{
    ClientIds, ClientLogin, Declaration, Declared, Driver, Ends, Handle, IssuerError, LateEnd, Login,
    LoginVerdict, MadeBy, NewVersion, PublicVerdict, Recipe, Subject,
};
use mint_secret::SecretValue;
use mint_types::{Entropy, IssuerObject};

/// What a driver does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    EndsTooMuch,
    /// An end that comes a second time ends everything else.
    EndsNewerLate,
    EndsNothing,
    TakesAnyHandle,
    CallsUnknownRefused,
    ForgetsRetryAfter,
    EndsAtCreate,
    SetsNothing,
    CountsWrong,
}

#[derive(Debug, Default)]
struct State {
    versions: Vec<Version>,
    now: u64,
    armed: Option<Trouble>,
    ended: Option<u64>,
}

#[derive(Debug)]
struct Version {
    object: IssuerObject,
    username: String,
    handle: u64,
    secret: String,
    ends_at: Option<u64>,
}

/// One kind of issuer for both objects.
#[derive(Debug)]
pub(crate) struct Memory {
    ends: Ends,
    flaw: Option<Flaw>,
    loses: bool,
    state: Mutex<State>,
    next: AtomicU64,
}

impl Memory {
    pub(crate) fn new(ends: Ends, flaw: Option<Flaw>) -> Self {
        Self { ends, flaw, loses: true, state: Mutex::default(), next: AtomicU64::new(1) }
    }

    pub(crate) fn without_trouble(ends: Ends) -> Self {
        Self { loses: false, ..Self::new(ends, None) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Does it, unless armed trouble stands in the way.
    fn call<T>(&self, act: impl FnOnce(&mut State) -> Result<T, IssuerError>) -> Result<T, IssuerError> {
        let mut state = self.state();
        match state.armed.take() {
            None => act(&mut state),
            Some(Trouble::LosesTheAnswer) => {
                act(&mut state)?;
                Err(self.unknown())
            }
            Some(Trouble::Answers(429)) => Err(IssuerError::RateLimited {
                retry_after: Duration::from_secs(if self.has(Flaw::ForgetsRetryAfter) { 90 } else { 7 }),
            }),
            Some(Trouble::Answers(status @ 500..)) => {
                drop(state);
                let _ = status;
                Err(self.unknown())
            }
            Some(Trouble::Answers(status)) => Err(IssuerError::Refused { status }),
        }
    }

    fn unknown(&self) -> IssuerError {
        if self.has(Flaw::CallsUnknownRefused) {
            IssuerError::Refused { status: 500 }
        } else {
            IssuerError::Unknown("no answer".to_owned())
        }
    }

    fn opens(&self, object: IssuerObject, username: &str, secret: &str) -> LoginVerdict {
        let state = self.state();
        let mut versions = state.versions.iter();
        let opens = versions.any(|version| {
            version.object == object
                && version.username == username
                && version.secret == secret
                && version.ends_at.is_none_or(|at| at > state.now)
        });
        if opens {
            LoginVerdict::Accepted(SecretValue::new("token".to_owned()))
        } else {
            LoginVerdict::Refused("invalid_grant".to_owned())
        }
    }
}

fn end_older(state: &mut State, subject: Subject<'_>, keep: u64, grace: Duration) {
    let at = state.now + grace.as_secs();
    for version in state.versions.iter_mut().filter(|version| {
        version.object == subject.object
            && version.username == subject.username
            && version.handle < keep
            && version.ends_at.is_none()
    }) {
        version.ends_at = Some(at);
    }
}

#[async_trait]
impl Driver for Memory {
    fn declares(&self) -> Declaration {
        let declared = || Declared {
            ends: self.ends,
            late_end: LateEnd::Harmless,
            made_by: MadeBy::Mint(Recipe::default()),
            lists: self.ends == Ends::OwnCall,
        };
        Declaration {
            driver: "memory",
            client_ids: ClientIds::Answered,
            user: declared(),
            client: declared(),
        }
    }

    async fn create(
        &self,
        subject: Subject<'_>,
        value: Option<SecretValue>,
    ) -> Result<NewVersion, IssuerError> {
        let secret = value.ok_or(IssuerError::Unsupported("Mint makes the values"))?;
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        let username = subject.username.to_owned();
        self.call(|state| {
            if self.has(Flaw::EndsAtCreate) {
                end_older(state, subject, handle, Duration::ZERO);
            }
            if let Ends::Create { grace } = self.ends {
                end_older(state, subject, handle, grace);
            }
            let (object, secret) = (subject.object, secret.expose().to_owned());
            state.versions.push(Version { object, username, handle, secret, ends_at: None });
            Ok(())
        })?;
        let handle = Handle::new(handle.to_string()).unwrap();
        Ok(NewVersion { handle, client_id: None, secret })
    }

    async fn end(&self, subject: Subject<'_>, keep: &Handle) -> Result<(), IssuerError> {
        let keep: Option<u64> = keep.as_str().parse().ok();
        self.call(|state| {
            let known = |keep: &u64| {
                state
                    .versions
                    .iter()
                    .any(|version| version.handle == *keep && version.username == subject.username)
            };
            let keep = match keep.filter(|keep| known(keep)) {
                Some(keep) => keep,
                None if self.has(Flaw::TakesAnyHandle) => return Ok(()),
                None => return Err(IssuerError::Refused { status: 404 }),
            };
            let is_late = state.ended.replace(keep) == Some(keep);
            if self.has(Flaw::EndsNewerLate) && is_late {
                end_older(state, subject, u64::MAX, Duration::ZERO);
            }
            let keep = if self.has(Flaw::EndsTooMuch) { keep + 1 } else { keep };
            if !self.has(Flaw::EndsNothing) {
                end_older(state, subject, keep, self.ends.grace());
            }
            Ok(())
        })
    }

    async fn set(&self, subject: Subject<'_>, value: &SecretValue) -> Result<(), IssuerError> {
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        self.call(|state| {
            if self.has(Flaw::SetsNothing) {
                return Ok(());
            }
            end_older(state, subject, handle, Duration::ZERO);
            let (object, username) = (subject.object, subject.username.to_owned());
            let secret = value.expose().to_owned();
            state.versions.push(Version { object, username, handle, secret, ends_at: None });
            Ok(())
        })
    }

    async fn alive(&self, subject: Subject<'_>) -> Result<usize, IssuerError> {
        let state = self.state();
        let lives = |version: &&Version| {
            version.object == subject.object
                && version.username == subject.username
                && version.ends_at.is_none()
        };
        Ok(state.versions.iter().filter(lives).count() + usize::from(self.has(Flaw::CountsWrong)))
    }
}

#[async_trait]
impl Login for Memory {
    async fn password(&self, username: &str, password: &SecretValue) -> Result<LoginVerdict, IssuerError> {
        Ok(self.opens(IssuerObject::User, username, password.expose()))
    }

    async fn password_and_client(
        &self,
        username: &str,
        password: &SecretValue,
        _client: ClientLogin<'_>,
    ) -> Result<LoginVerdict, IssuerError> {
        self.password(username, password).await
    }

    async fn client(&self, client: ClientLogin<'_>) -> Result<LoginVerdict, IssuerError> {
        Ok(self.opens(IssuerObject::Client, client.id.trim_end_matches("-client"), client.secret.expose()))
    }

    async fn public_client(&self, _client_id: &str) -> Result<PublicVerdict, IssuerError> {
        Ok(PublicVerdict::Known)
    }

    async fn revoke(
        &self,
        _token: &SecretValue,
        _client: Option<ClientLogin<'_>>,
    ) -> Result<(), IssuerError> {
        Ok(())
    }
}

impl Entropy for Memory {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.next.fetch_add(1, Ordering::Relaxed);
        for byte in bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = state.to_be_bytes()[0];
        }
    }
}

#[async_trait]
impl Bench for Memory {
    fn driver(&self) -> &dyn Driver {
        self
    }

    fn login(&self) -> &dyn Login {
        self
    }

    fn entropy(&self) -> &dyn Entropy {
        self
    }

    async fn identity(&self) -> Identity {
        let username = format!("user{}", self.next.fetch_add(1, Ordering::Relaxed));
        Identity { client_id: format!("{username}-client"), username }
    }

    async fn pass(&self, time: Duration) {
        self.state().now += time.as_secs();
    }

    async fn arm(&self, trouble: Trouble) -> bool {
        if self.loses {
            self.state().armed = Some(trouble);
        }
        self.loses
    }
}
