//! The IAM solution: the service-user API with the rules of COMPAT section 3, or Glewlwyd.

use std::collections::BTreeMap;
use std::time::Duration;

use mint_invariants::Taking;
use mint_types::{ApplicationId, IssuerObject, Timestamp};

use super::Usable;

/// Which IAM solution it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// It makes credentials itself; a commit ends the older ones, passwords after a grace, clients at once.
    #[default]
    ServiceUser,
    /// It is told them; passwords end by a call of their own, a client's secret by the next one.
    Glewlwyd,
}

impl Manner {
    /// The driver's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceUser => "service-user",
            Self::Glewlwyd => "glewlwyd",
        }
    }
}

/// Every user, and what was ever made for it.
#[derive(Debug, Default)]
pub(crate) struct Issuer {
    pub(crate) manner: Manner,
    pub(crate) users: BTreeMap<String, User>,
    made: u64,
    /// Which of all that was ever made a value was.
    numbers: BTreeMap<String, u64>,
    /// Whatever was taken away from an application: I6 counts it.
    pub(crate) takings: Vec<Taking>,
    /// When those who were in use before were taken over, which is released: what is taken within a day is the same act.
    taken_over: BTreeMap<ApplicationId, Timestamp>,
    /// Calls under way: I3.
    pub(crate) acting: BTreeMap<(String, IssuerObject), usize>,
}

/// A service user.
#[derive(Debug, Default)]
pub(crate) struct User {
    pub(crate) client_id: String,
    pub(crate) confidential: bool,
    pub(crate) enabled: bool,
    pub(crate) passwords: Vec<Password>,
    pub(crate) clients: Vec<Client>,
}

#[derive(Debug)]
pub(crate) struct Password {
    pub(crate) txid: String,
    pub(crate) plaintext: String,
    pub(crate) valid_until: Option<Timestamp>,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) txid: String,
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) ended: bool,
}

/// What the driver sends to end passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The commit of this one.
    Commit(String),
    /// A list that retires so many places, from the oldest on.
    Retire(usize),
}

/// It said no, with this status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Denied(pub(crate) u16);

const UNKNOWN: Denied = Denied(404);
/// Ended credentials are kept this long for whoever looks, then forgotten.
const FORGOTTEN_AFTER: usize = 24;

impl Password {
    pub(crate) fn lives(&self, now: Timestamp) -> bool {
        self.valid_until.is_none_or(|until| until > now)
    }
}

impl Issuer {
    /// One that knows nobody yet.
    pub(crate) fn new(manner: Manner) -> Self {
        Self { manner, ..Self::default() }
    }

    fn user(&mut self, username: &str) -> Result<&mut User, Denied> {
        self.users.get_mut(username).ok_or(UNKNOWN)
    }

    fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Makes a password beside the older ones, or takes one; answers handle and password.
    pub(crate) fn create_password(
        &mut self,
        username: &str,
        value: Option<String>,
    ) -> Result<(String, String), Denied> {
        let (number, manner) = (self.number(), self.manner);
        self.user(username)?;
        let txid = format!("tx-{number}");
        let plaintext = value.unwrap_or_else(|| format!("mint-canary-pw-{number:08}"));
        self.numbers.entry(plaintext.clone()).or_insert(number);
        let user = self.user(username)?;
        let ended = user.passwords.iter().filter(|password| password.valid_until.is_some()).count();
        if ended > FORGOTTEN_AFTER {
            user.passwords.remove(0);
        }
        let place = user.passwords.len();
        user.passwords.push(Password { txid: txid.clone(), plaintext: plaintext.clone(), valid_until: None });
        let handle = if manner == Manner::Glewlwyd { place.to_string() } else { txid };
        Ok((handle, plaintext))
    }

    /// What the driver makes of an end: a commit by name, or so many places to retire, by what it reads.
    pub(crate) fn end_of(&mut self, username: &str, handle: &str) -> Result<End, Denied> {
        if self.manner == Manner::ServiceUser {
            return Ok(End::Commit(handle.to_owned()));
        }
        let user = self.user(username)?;
        let place: usize = handle.parse().map_err(|_| UNKNOWN)?;
        match user.passwords.len() {
            length if length == place + 1 => Ok(End::Retire(place)),
            1 => Ok(End::Retire(0)),
            _ => Err(Denied(409)),
        }
    }

    /// Ends the passwords that are older than one; places count from the oldest, whatever stands there by now.
    pub(crate) fn end_passwords(
        &mut self,
        username: &str,
        end: &End,
        now: Timestamp,
        grace: Duration,
    ) -> Result<(), Denied> {
        match end {
            End::Commit(handle) => self.commit_password(username, handle, now, grace),
            End::Retire(places) => {
                let user = self.user(username)?;
                user.passwords.drain(..user.passwords.len().min(*places));
                Ok(())
            }
        }
    }

    /// Makes a secret the client's only one.
    pub(crate) fn set_secret(&mut self, username: &str, secret: String) -> Result<(), Denied> {
        let number = self.number();
        self.numbers.entry(secret.clone()).or_insert(number);
        let user = self.user(username)?;
        let id = user.client_id.clone();
        user.clients = vec![Client { txid: format!("tx-{number}"), id, secret, ended: false }];
        Ok(())
    }

    /// Commits a password: the older ones end after the grace.
    fn commit_password(
        &mut self,
        username: &str,
        txid: &str,
        now: Timestamp,
        grace: Duration,
    ) -> Result<(), Denied> {
        let user = self.user(username)?;
        let index = user.passwords.iter().position(|password| password.txid == txid).ok_or(UNKNOWN)?;
        for older in user.passwords[..index].iter_mut().filter(|password| password.valid_until.is_none()) {
            older.valid_until = Some(now.plus(grace));
        }
        Ok(())
    }

    /// Makes a client beside the older one; answers handle, id and secret.
    pub(crate) fn create_client(&mut self, username: &str) -> Result<(String, String, String), Denied> {
        let number = self.number();
        self.user(username)?;
        let (txid, id) = (format!("tx-{number}"), format!("client-{number}"));
        let secret = format!("mint-canary-cs-{number:08}");
        self.numbers.insert(secret.clone(), number);
        let user = self.user(username)?;
        user.clients.retain(|client| !client.ended);
        user.clients.push(Client {
            txid: txid.clone(),
            id: id.clone(),
            secret: secret.clone(),
            ended: false,
        });
        Ok((txid, id, secret))
    }

    /// Commits a client: all others end at once.
    pub(crate) fn commit_client(&mut self, username: &str, txid: &str) -> Result<(), Denied> {
        let user = self.user(username)?;
        let id = user.clients.iter().find(|client| client.txid == txid).map(|client| client.id.clone());
        user.client_id = id.ok_or(UNKNOWN)?;
        for other in user.clients.iter_mut().filter(|client| client.txid != txid) {
            other.ended = true;
        }
        Ok(())
    }

    /// Makes a user be as asked; answers its client id.
    pub(crate) fn put(&mut self, username: &str, confidential: bool, enabled: bool) -> String {
        let number = self.number();
        let user = self
            .users
            .entry(username.to_owned())
            .or_insert_with(|| User { client_id: format!("client-{number}"), ..User::default() });
        user.confidential = confidential;
        user.enabled = enabled;
        user.client_id.clone()
    }

    /// Whether what an application holds opens its doors: the user's, and the client's.
    pub(crate) fn accepts(&self, username: &str, held: &Usable, now: Timestamp) -> (bool, bool) {
        let Some(user) = self.users.get(username).filter(|user| user.enabled) else {
            return (false, false);
        };
        let password = held.user.as_ref().is_none_or(|(name, password)| {
            name == username
                && user.passwords.iter().any(|known| known.plaintext == *password && known.lives(now))
        });
        let client = held.client.as_ref().is_none_or(|(id, secret)| match secret {
            Some(secret) => {
                user.clients.iter().any(|known| known.id == *id && known.secret == *secret && !known.ended)
            }
            None => !user.confidential && user.client_id == *id,
        });
        (password, client)
    }

    /// Notes that something was taken from an application.
    pub(crate) fn taken(&mut self, application: &ApplicationId, at: Timestamp) {
        let over = self.taken_over.get(application);
        let released = over.is_some_and(|then| at.since(*then) < A_DAY);
        self.takings.push(Taking { application: application.clone(), at, released });
    }

    /// Notes that the user of one who was in use before is Mint's from now on.
    pub(crate) fn takes_over(&mut self, application: &ApplicationId, at: Timestamp) {
        if is_of_old(application) {
            self.taken_over.entry(application.clone()).or_insert(at);
        }
    }
}

/// As long as what is taken counts in identity-provisioner's books.
const A_DAY: Duration = Duration::from_mins(24 * 60 + 10);

/// Whether it was in use before Mint came.
pub(crate) fn is_of_old(application: &ApplicationId) -> bool {
    application.as_str().contains("-old-")
}

impl Issuer {
    /// Whose client this is; nobody's name if it is nobody's.
    pub(crate) fn owner_of_client(&self, id: &str) -> String {
        let owner = self.users.iter().find(|(_, user)| user.clients.iter().any(|client| client.id == id));
        owner.map(|(name, _)| name.clone()).unwrap_or_default()
    }
}

impl Issuer {
    /// How many things were ever made.
    pub(crate) fn made(&self) -> u64 {
        self.made
    }

    /// Which of them a value was; none if it was never made here.
    pub(crate) fn number_of(&self, value: &str) -> Option<u64> {
        self.numbers.get(value).copied()
    }

    /// What is alive of a user's objects and was made before more than so many things were.
    pub(crate) fn older_than(
        &self,
        username: &str,
        objects: &[IssuerObject],
        made: u64,
        now: Timestamp,
    ) -> Vec<(IssuerObject, String)> {
        let Some(user) = self.users.get(username) else { return Vec::new() };
        let number = |value: &str| self.number_of(value).unwrap_or(0);
        let passwords = user.passwords.iter().filter(|password| password.lives(now));
        let passwords = passwords.map(|password| (IssuerObject::User, &password.plaintext, &password.txid));
        let clients = user.clients.iter().filter(|client| !client.ended);
        let clients = clients.map(|client| (IssuerObject::Client, &client.secret, &client.txid));
        let mine = passwords.chain(clients).filter(|(object, ..)| objects.contains(object));
        mine.filter(|(_, value, _)| number(value) <= made)
            .map(|(object, _, txid)| (object, txid.clone()))
            .collect()
    }
}
