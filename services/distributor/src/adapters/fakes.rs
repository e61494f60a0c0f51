//! Fakes of the ports, for the tests of `execute`.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mint_api::WireFault;
use mint_api::audit_log::Announced;
use mint_secret::PublishedKey;
use mint_types::{Application, ApplicationId, Destination, RemovedDestination, Revision, Timestamp};
use tonic::Status;

use crate::plan::Attempt;
use crate::ports::{
    Answered, Attempts, Body, Catalog, Claim, ClaimError, ObjectStore, PutAnswer, RotatorKeys, SignedPut,
    Start, Trouble,
};

/// A catalog of one application.
#[derive(Debug)]
pub(crate) struct FakeCatalog {
    pub(crate) record: Mutex<Application>,
    pub(crate) fault: Mutex<Option<WireFault>>,
}

#[async_trait]
impl Catalog for FakeCatalog {
    async fn application(&self, _: &ApplicationId, _: Revision) -> Result<Application, WireFault> {
        match self.fault.lock().unwrap().clone() {
            Some(fault) => Err(fault),
            None => Ok(self.record.lock().unwrap().clone()),
        }
    }

    async fn overwritten(&self, _: &ApplicationId, removed: &[RemovedDestination]) -> Result<(), WireFault> {
        if let Some(fault) = self.fault.lock().unwrap().clone() {
            return Err(fault);
        }
        self.record.lock().unwrap().removed_destinations.retain(|place| !removed.contains(place));
        Ok(())
    }
}

/// The rotator's keys; empty means that it does not answer.
#[derive(Debug, Default)]
pub(crate) struct FakeRotatorKeys {
    pub(crate) keys: Mutex<Vec<PublishedKey>>,
    pub(crate) calls: Mutex<u32>,
}

#[async_trait]
impl RotatorKeys for FakeRotatorKeys {
    async fn list(&self) -> Result<Vec<PublishedKey>, WireFault> {
        *self.calls.lock().unwrap() += 1;
        let keys = self.keys.lock().unwrap().clone();
        if keys.is_empty() { Err(WireFault::from(Status::unavailable("down"))) } else { Ok(keys) }
    }
}

type Hook = Box<dyn Fn(&str) + Send + Sync>;

/// Stores that answer what they are told, by bucket; without a word they write.
#[derive(Default)]
pub(crate) struct FakeStore {
    pub(crate) objects: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(crate) puts: Mutex<Vec<String>>,
    pub(crate) answers: Mutex<HashMap<String, VecDeque<PutAnswer>>>,
    pub(crate) unsignable: Mutex<Option<Trouble>>,
    pub(crate) on_put: Mutex<Option<Hook>>,
    pub(crate) meet: Mutex<Option<Arc<tokio::sync::Barrier>>>,
}

impl Debug for FakeStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FakeStore")
    }
}

impl FakeStore {
    pub(crate) fn will_answer(&self, bucket: &str, answer: PutAnswer) {
        self.answers.lock().unwrap().entry(bucket.to_owned()).or_default().push_back(answer);
    }

    pub(crate) fn object(&self, path: &str) -> Option<Vec<u8>> {
        self.objects.lock().unwrap().get(path).cloned()
    }

    pub(crate) fn put_count(&self) -> usize {
        self.puts.lock().unwrap().len()
    }
}

#[async_trait]
impl ObjectStore for FakeStore {
    async fn sign(&self, destination: &Destination, _: &Body, _: Timestamp) -> Result<SignedPut, Trouble> {
        if let Some(trouble) = self.unsignable.lock().unwrap().clone() {
            return Err(trouble);
        }
        Ok(SignedPut {
            url: format!("{}/{}", destination.bucket.name, destination.key),
            headers: http::HeaderMap::new(),
            has_opaque_etag: false,
        })
    }

    async fn put_object(&self, put: SignedPut, body: &Body, _: &Announced) -> PutAnswer {
        self.puts.lock().unwrap().push(put.url.clone());
        if let Some(hook) = self.on_put.lock().unwrap().as_ref() {
            hook(&put.url);
        }
        let meet = self.meet.lock().unwrap().clone();
        if let Some(meet) = meet {
            meet.wait().await;
        }
        let bucket = put.url.split('/').next().unwrap_or_default();
        let told = self.answers.lock().unwrap().get_mut(bucket).and_then(VecDeque::pop_front);
        let answer = told.unwrap_or(PutAnswer::Written);
        if answer == PutAnswer::Written {
            self.objects.lock().unwrap().insert(put.url, body.expose().to_vec());
        }
        answer
    }
}

/// Attempts whose state can be told to fail.
#[derive(Debug)]
pub(crate) struct FaultyAttempts<A> {
    pub(crate) inner: A,
    pub(crate) begin_fails: Mutex<bool>,
    pub(crate) answer_fails: Mutex<bool>,
}

impl<A> FaultyAttempts<A> {
    pub(crate) fn new(inner: A) -> Self {
        Self { inner, begin_fails: Mutex::new(false), answer_fails: Mutex::new(false) }
    }
}

fn disk_full() -> mint_store::Error {
    mint_store::Error::Unavailable { detail: "SQLite code 13".to_owned() }
}

#[async_trait]
impl<A: Attempts> Attempts for FaultyAttempts<A> {
    async fn read(&self, claim: &Claim) -> Result<Vec<Attempt>, ClaimError> {
        self.inner.read(claim).await
    }

    async fn begin(&self, claim: &Claim, starts: &[Start], obsolete: &[u64]) -> Result<Vec<u64>, ClaimError> {
        if *self.begin_fails.lock().unwrap() {
            return Err(disk_full().into());
        }
        self.inner.begin(claim, starts, obsolete).await
    }

    async fn answer(
        &self,
        application: &ApplicationId,
        answers: &[(u64, Answered)],
    ) -> Result<(), mint_store::Error> {
        if *self.answer_fails.lock().unwrap() {
            return Err(disk_full());
        }
        self.inner.answer(application, answers).await
    }
}
