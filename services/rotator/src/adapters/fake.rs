//! The outside in memory: an issuer with the rules of COMPAT section 3, a catalog, a distributor, a log; and faults.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mint_api::WireFault;
use mint_api::audit_log::{Act, Announced, AuditError, AuditLog, MemoryAuditLog, Outcome};
use mint_secret::{
    EnvelopeDigest, KeyRing, KeyUse, NonEmpty, PublishedKey, Receipt, SecretValue, Written, peek,
    sign_receipt,
};
use mint_testkit::{ManualClock, SeededEntropy};
use mint_types::{
    Application, ApplicationId, Bucket, Clock as _, Code, Identity, Layout, Period, Prefix, Presence,
    Revision, Settings, Timestamp,
};
use tokio::sync::Notify;

use crate::Error;
use crate::error::IssuerError;
use crate::plan::Delivered;
use crate::ports::{
    Catalog, ClientLogin, DistributorKeys, Issuer, Login, LoginVerdict, NewClient, NewPassword, PublicVerdict,
};

pub(crate) const PASSWORD_GRACE: Duration = Duration::from_secs(10);
pub(crate) const PUBLIC_CLIENT: &str = "public-client-id";

/// What goes wrong at one call of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It surely does not happen.
    Refused,
    /// It happens, and the answer is lost.
    Unanswered,
    /// The process dies before it.
    DiesBefore,
    /// The process dies after it, before the answer.
    DiesAfter,
}

impl Fault {
    pub(crate) const ALL: [Self; 4] = [Self::Refused, Self::Unanswered, Self::DiesBefore, Self::DiesAfter];
}

#[derive(Debug, Default)]
struct Inner {
    users: BTreeMap<String, User>,
    records: BTreeMap<ApplicationId, Application>,
    made: u32,
    calls: Vec<&'static str>,
    /// Calls that an act waits for: faults count these.
    steps: usize,
    fault: Option<(usize, Fault)>,
    rejects_logins: bool,
    accepts_everything: bool,
    login_trouble: bool,
}

#[derive(Debug, Default)]
struct User {
    passwords: Vec<Password>,
    clients: Vec<Client>,
    revoked: usize,
}

#[derive(Debug)]
struct Password {
    txid: String,
    plaintext: String,
    valid_until: Option<Timestamp>,
}

#[derive(Debug)]
struct Client {
    txid: String,
    id: String,
    secret: String,
    ended: bool,
}

/// Everything outside of the rotator. Clones are the same world.
#[derive(Debug, Clone)]
pub(crate) struct World {
    inner: Arc<Mutex<Inner>>,
    pub(crate) clock: ManualClock,
    pub(crate) log: MemoryAuditLog,
    pub(crate) distributor: Arc<KeyRing>,
    /// Told when the process is to die.
    pub(crate) died: Arc<Notify>,
}

/// What a fault lets a call do.
enum Course {
    Normal,
    Refused,
    Unanswered,
    DiesAfter,
}

impl World {
    pub(crate) fn new() -> Self {
        let uses = [KeyUse::DistributorSeal, KeyUse::DistributorReceipt];
        Self {
            inner: Arc::default(),
            clock: ManualClock::default(),
            log: MemoryAuditLog::default(),
            distributor: Arc::new(KeyRing::in_memory(&uses, &SeededEntropy::new(77)).unwrap()),
            died: Arc::default(),
        }
    }

    /// A world whose distributor has other keys.
    pub(crate) fn with_other_keys() -> Self {
        let uses = [KeyUse::DistributorSeal, KeyUse::DistributorReceipt];
        Self {
            distributor: Arc::new(KeyRing::in_memory(&uses, &SeededEntropy::new(78)).unwrap()),
            ..Self::new()
        }
    }

    /// Whether a password, a client, or both open the door now.
    pub(crate) fn opens(
        &self,
        application: &ApplicationId,
        password: Option<&str>,
        client: Option<(&str, &str)>,
    ) -> bool {
        let (now, inner) = (self.clock.now(), self.locked());
        password.is_none_or(|password| opens_password(&inner, &format!("stups_{application}"), password, now))
            && client.is_none_or(|(id, secret)| opens_client(&inner, id, secret))
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an application with one bucket.
    pub(crate) fn add(&self, id: &str, layout: Layout, confidential: bool, foreign: bool) -> ApplicationId {
        let id: ApplicationId = id.parse().unwrap();
        let bucket =
            Bucket { name: "team-bucket".parse().unwrap(), region: None, endpoint: None, kms_key_id: None };
        let settings = Settings {
            buckets: vec![bucket],
            account_id: Some("123456789012".parse().unwrap()),
            prefix: Prefix::default(),
            layout,
            scopes: Vec::new(),
            redirect_url: None,
            confidential,
            password_period: Period::from_seconds(7200),
            client_period: Period::from_seconds(86400),
        };
        let username = format!("stups_{id}");
        let record = Application {
            id: id.clone(),
            team_id: "team".parse().unwrap(),
            name: id.to_string(),
            active: true,
            subtitle: String::new(),
            service_url: String::new(),
            presence: Presence::Present,
            revision: Revision(1),
            identity_revision: Revision(1),
            settings: Some(settings),
            settings_generation: 1,
            identity: Some(Identity {
                username: username.clone(),
                client_id: PUBLIC_CLIENT.to_owned(),
                foreign,
            }),
            modified_at: None,
            problems: Vec::new(),
        };
        let mut inner = self.locked();
        inner.records.insert(id.clone(), record);
        let mut user = User::default();
        if foreign {
            let plaintext = "a-foreign-password".to_owned();
            user.passwords.push(Password { txid: "foreign".to_owned(), plaintext, valid_until: None });
        }
        inner.users.insert(username, user);
        id
    }

    /// Changes an application's record.
    pub(crate) fn change(&self, application: &ApplicationId, change: impl FnOnce(&mut Application)) {
        change(self.locked().records.get_mut(application).unwrap());
    }

    /// The next call number `index` (from now) of any port goes wrong.
    pub(crate) fn fail_at(&self, index: usize, fault: Fault) {
        let mut inner = self.locked();
        let at = inner.steps + index;
        inner.fault = Some((at, fault));
    }

    /// Whether the fault is still ahead.
    pub(crate) fn fault_is_ahead(&self) -> bool {
        self.locked().fault.is_some()
    }

    pub(crate) fn reject_logins(&self, rejects: bool) {
        self.locked().rejects_logins = rejects;
    }

    pub(crate) fn accept_everything(&self, accepts: bool) {
        self.locked().accepts_everything = accepts;
    }

    pub(crate) fn trouble_logins(&self, trouble: bool) {
        self.locked().login_trouble = trouble;
    }

    /// Every call so far, by name.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.locked().calls.clone()
    }

    /// Calls to the issuer so far.
    pub(crate) fn issuer_calls(&self) -> Vec<&'static str> {
        let inside = ["announce", "conclude", "catalog", "keys"];
        self.calls().into_iter().filter(|call| !inside.contains(call)).collect()
    }

    /// How many passwords of an application open the door now.
    pub(crate) fn live_passwords(&self, application: &ApplicationId) -> usize {
        let now = self.clock.now();
        let inner = self.locked();
        inner.users[&format!("stups_{application}")]
            .passwords
            .iter()
            .filter(|password| password.lives(now))
            .count()
    }

    /// How many clients of an application open the door now.
    pub(crate) fn live_clients(&self, application: &ApplicationId) -> usize {
        let inner = self.locked();
        inner.users[&format!("stups_{application}")].clients.iter().filter(|client| !client.ended).count()
    }

    /// How many tokens of an application were revoked.
    pub(crate) fn revoked(&self, application: &ApplicationId) -> usize {
        self.locked().users[&format!("stups_{application}")].revoked
    }

    /// Every plaintext that the issuer ever made.
    pub(crate) fn plaintexts(&self) -> Vec<String> {
        let inner = self.locked();
        let of_user = |user: &User| {
            let passwords = user.passwords.iter().map(|password| password.plaintext.clone());
            passwords.chain(user.clients.iter().map(|client| client.secret.clone())).collect::<Vec<_>>()
        };
        inner.users.values().flat_map(of_user).collect()
    }

    /// A receipt as the distributor signs it for an envelope.
    pub(crate) fn receipt(&self, envelope: &[u8]) -> Vec<u8> {
        self.receipt_with(envelope, |_| {})
    }

    pub(crate) fn receipt_with(&self, envelope: &[u8], change: impl FnOnce(&mut Receipt)) -> Vec<u8> {
        let subject = peek(envelope).unwrap().subject;
        let key = format!("{}/{}", subject.application, subject.kind.object_name());
        let written = Written { bucket: "team-bucket".parse().unwrap(), key };
        let mut receipt = Receipt {
            application: subject.application,
            kind: subject.kind,
            version: subject.version,
            rotation: subject.rotation,
            envelope: EnvelopeDigest::of(envelope),
            catalog_revision: Revision(1),
            destinations: NonEmpty::new(written, Vec::new()),
        };
        change(&mut receipt);
        sign_receipt(self.distributor.signing(KeyUse::DistributorReceipt).unwrap(), &receipt).unwrap()
    }

    /// Counts a call and lets it go wrong where it is to.
    async fn course(&self, call: &'static str) -> Course {
        let fault = {
            let mut inner = self.locked();
            let index = inner.steps;
            inner.steps += 1;
            inner.calls.push(call);
            match inner.fault {
                Some((at, fault)) if at == index => {
                    inner.fault = None;
                    Some(fault)
                }
                _ => None,
            }
        };
        match fault {
            None => Course::Normal,
            Some(Fault::Refused) => Course::Refused,
            Some(Fault::Unanswered) => Course::Unanswered,
            Some(Fault::DiesAfter) => Course::DiesAfter,
            Some(Fault::DiesBefore) => self.die().await,
        }
    }

    async fn die<T>(&self) -> T {
        self.died.notify_one();
        std::future::pending().await
    }

    async fn issuer_call<T>(
        &self,
        call: &'static str,
        act: impl FnOnce(&mut Inner, Timestamp) -> Result<T, IssuerError> + Send,
    ) -> Result<T, IssuerError>
    where
        T: Send,
    {
        let course = self.course(call).await;
        if matches!(course, Course::Refused) {
            return Err(IssuerError::NotSent("injected".to_owned()));
        }
        let now = self.clock.now();
        let answer = act(&mut self.locked(), now);
        match course {
            Course::Normal | Course::Refused => answer,
            Course::Unanswered => Err(IssuerError::Unknown("injected".to_owned())),
            Course::DiesAfter => self.die().await,
        }
    }

    fn login(
        inner: &mut Inner,
        opens: impl FnOnce(&Inner) -> bool,
        refusal: &str,
    ) -> Result<LoginVerdict, IssuerError> {
        if inner.login_trouble {
            return Err(IssuerError::Unknown("injected".to_owned()));
        }
        if inner.accepts_everything || (opens(inner) && !inner.rejects_logins) {
            return Ok(LoginVerdict::Accepted(SecretValue::new("a-token".to_owned())));
        }
        Ok(LoginVerdict::Refused(refusal.to_owned()))
    }
}

impl Password {
    fn lives(&self, now: Timestamp) -> bool {
        self.valid_until.is_none_or(|until| until > now)
    }
}

fn opens_password(inner: &Inner, username: &str, password: &str, now: Timestamp) -> bool {
    let user = inner.users.get(username);
    user.is_some_and(|user| {
        user.passwords.iter().any(|known| known.plaintext == password && known.lives(now))
    })
}

fn opens_client(inner: &Inner, id: &str, secret: &str) -> bool {
    let mut clients = inner.users.values().flat_map(|user| &user.clients);
    clients.any(|client| client.id == id && client.secret == secret && !client.ended)
}

const UNKNOWN_USER: IssuerError = IssuerError::Refused { status: 404 };

#[async_trait]
impl Issuer for World {
    async fn create_password(
        &self,
        _announced: &Announced,
        username: &str,
    ) -> Result<NewPassword, IssuerError> {
        self.issuer_call("create_password", |inner, _| {
            inner.made += 1;
            let (txid, plaintext) =
                (format!("tx-{}", inner.made), format!("mint-canary-pw-{:08}", inner.made));
            let user = inner.users.get_mut(username).ok_or(UNKNOWN_USER)?;
            user.passwords.push(Password {
                txid: txid.clone(),
                plaintext: plaintext.clone(),
                valid_until: None,
            });
            Ok(NewPassword { txid, password: SecretValue::new(plaintext) })
        })
        .await
    }

    async fn commit_password(
        &self,
        _announced: &Announced,
        _delivered: &Delivered,
        username: &str,
        txid: &str,
    ) -> Result<(), IssuerError> {
        self.issuer_call("commit_password", |inner, now| {
            let user = inner.users.get_mut(username).ok_or(UNKNOWN_USER)?;
            let index =
                user.passwords.iter().position(|password| password.txid == txid).ok_or(UNKNOWN_USER)?;
            for older in user.passwords[..index].iter_mut().filter(|password| password.valid_until.is_none())
            {
                older.valid_until = Some(now.plus(PASSWORD_GRACE));
            }
            Ok(())
        })
        .await
    }

    async fn create_client(
        &self,
        _announced: &Announced,
        username: &str,
        _client_id: &str,
    ) -> Result<NewClient, IssuerError> {
        self.issuer_call("create_client", |inner, _| {
            inner.made += 1;
            let txid = format!("tx-{}", inner.made);
            let (id, secret) =
                (format!("client-{}", inner.made), format!("mint-canary-cs-{:08}", inner.made));
            let user = inner.users.get_mut(username).ok_or(UNKNOWN_USER)?;
            user.clients.push(Client {
                txid: txid.clone(),
                id: id.clone(),
                secret: secret.clone(),
                ended: false,
            });
            Ok(NewClient { txid, client_id: id, client_secret: SecretValue::new(secret) })
        })
        .await
    }

    async fn commit_client(
        &self,
        _announced: &Announced,
        _delivered: &Delivered,
        username: &str,
        txid: &str,
    ) -> Result<(), IssuerError> {
        self.issuer_call("commit_client", |inner, _| {
            let user = inner.users.get_mut(username).ok_or(UNKNOWN_USER)?;
            for other in user.clients.iter_mut().filter(|client| client.txid != txid) {
                other.ended = true;
            }
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Login for World {
    async fn password(&self, username: &str, password: &SecretValue) -> Result<LoginVerdict, IssuerError> {
        self.issuer_call("login", |inner, now| {
            let opens = |inner: &Inner| opens_password(inner, username, password.expose(), now);
            Self::login(inner, opens, "invalid_grant")
        })
        .await
    }

    async fn password_and_client(
        &self,
        username: &str,
        password: &SecretValue,
        client: ClientLogin<'_>,
    ) -> Result<LoginVerdict, IssuerError> {
        self.issuer_call("login", |inner, now| {
            let opens = |inner: &Inner| {
                opens_password(inner, username, password.expose(), now)
                    && opens_client(inner, client.id, client.secret.expose())
            };
            Self::login(inner, opens, "invalid_grant")
        })
        .await
    }

    async fn client(&self, client: ClientLogin<'_>) -> Result<LoginVerdict, IssuerError> {
        self.issuer_call("login", |inner, _| {
            let opens = |inner: &Inner| opens_client(inner, client.id, client.secret.expose());
            Self::login(inner, opens, "invalid_client")
        })
        .await
    }

    async fn public_client(&self, client_id: &str) -> Result<PublicVerdict, IssuerError> {
        self.issuer_call("login", |_, _| {
            let known = client_id == PUBLIC_CLIENT;
            Ok(if known { PublicVerdict::Known } else { PublicVerdict::Unknown("invalid_client".to_owned()) })
        })
        .await
    }

    async fn revoke(&self, _token: &SecretValue, client: Option<ClientLogin<'_>>) -> Result<(), IssuerError> {
        // in the background: it is no step of a rotation, so no fault is put here
        let mut inner = self.locked();
        inner.calls.push("revoke");
        let of_client =
            |user: &User| client.is_some_and(|client| user.clients.iter().any(|own| own.id == client.id));
        for user in inner.users.values_mut() {
            if client.is_none() || of_client(user) {
                user.revoked += 1;
            }
        }
        Ok(())
    }
}

fn outage() -> WireFault {
    WireFault {
        code: Code::Unavailable,
        reason: WireFault::TRANSPORT.to_owned(),
        message: "injected".to_owned(),
        metadata: BTreeMap::new(),
        retry_after: None,
    }
}

#[async_trait]
impl Catalog for World {
    async fn application(
        &self,
        application: &ApplicationId,
        _at_least: Revision,
    ) -> Result<Application, Error> {
        match self.course("catalog").await {
            Course::Normal => self.locked().records.get(application).cloned().ok_or(Error::Catalog(outage())),
            Course::DiesAfter => self.die().await,
            Course::Refused | Course::Unanswered => Err(Error::CatalogUnavailable(outage())),
        }
    }
}

#[async_trait]
impl DistributorKeys for World {
    async fn list(&self) -> Result<Vec<PublishedKey>, Error> {
        match self.course("keys").await {
            Course::Normal => Ok(self.distributor.published().to_vec()),
            Course::DiesAfter => self.die().await,
            Course::Refused | Course::Unanswered => Err(Error::KeysUnavailable("injected".to_owned())),
        }
    }
}

#[async_trait]
impl AuditLog for World {
    async fn announce(&self, act: Act) -> Result<Announced, AuditError> {
        let course = self.course("announce").await;
        if matches!(course, Course::Refused) {
            return Err(AuditError(outage()));
        }
        let announced = self.log.announce(act).await;
        match course {
            Course::Normal | Course::Refused => announced,
            Course::Unanswered => Err(AuditError(outage())),
            Course::DiesAfter => self.die().await,
        }
    }

    async fn conclude(&self, announced: Announced, outcome: Outcome) -> Result<(), AuditError> {
        let course = self.course("conclude").await;
        if matches!(course, Course::Refused) {
            return Err(AuditError(outage()));
        }
        let concluded = self.log.conclude(announced, outcome).await;
        match course {
            Course::Normal | Course::Refused => concluded,
            Course::Unanswered => Err(AuditError(outage())),
            Course::DiesAfter => self.die().await,
        }
    }
}
