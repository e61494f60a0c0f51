//! Hashes of secrets, and the one check against them.
//!
//! The parameters are small on purpose: a constellation under test logs in some fifty times a second on one core.
//! They say nothing about what a real issuer should use.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mint_types::Entropy;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// 1 MiB: about a millisecond, even in a debug build.
const MEMORY_KIB: u32 = 1024;
/// Checks at once; more would only make all of them slow.
const CONCURRENCY: usize = 4;
/// 256 bits make 43 URL-safe characters.
const SECRET_BYTES: usize = 32;

#[derive(Debug, Clone)]
pub(crate) struct Vault {
    entropy: Arc<dyn Entropy>,
    slots: Arc<Semaphore>,
}

/// No hash could be made; the secret must not be given out.
#[derive(Debug, thiserror::Error)]
#[error("no hash could be made")]
pub(crate) struct NotHashed;

impl Vault {
    pub(crate) fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { entropy, slots: Arc::new(Semaphore::new(CONCURRENCY)) }
    }

    /// A fresh secret that starts with `mark`.
    pub(crate) fn fresh(&self, mark: &str) -> Zeroizing<String> {
        fresh_secret(&*self.entropy, mark)
    }

    pub(crate) async fn hash(&self, secret: &Zeroizing<String>) -> Result<String, NotHashed> {
        let (secret, mut salt) = (secret.clone(), [0; 16]);
        self.entropy.fill(&mut salt);
        let work = move || {
            let hash: PasswordHash = hasher().hash_password_with_salt(secret.as_bytes(), &salt).ok()?;
            Some(hash.to_string())
        };
        self.apart(work).await.flatten().ok_or(NotHashed)
    }

    /// Whether the secret is the one of any of these hashes.
    pub(crate) async fn opens(&self, secret: Zeroizing<String>, hashes: Vec<String>) -> bool {
        if secret.is_empty() || hashes.is_empty() {
            return false;
        }
        let matches = move || {
            let hasher = hasher();
            hashes.iter().any(|hash| hasher.verify_password(secret.as_bytes(), hash.as_str()).is_ok())
        };
        self.apart(matches).await.unwrap_or(false)
    }

    /// How many of these hashes the secret is of.
    pub(crate) async fn matches(&self, secret: Zeroizing<String>, hashes: Vec<String>) -> usize {
        let matches = move || {
            let hasher = hasher();
            let of = |hash: &&String| hasher.verify_password(secret.as_bytes(), hash.as_str()).is_ok();
            hashes.iter().filter(of).count()
        };
        self.apart(matches).await.unwrap_or(0)
    }

    /// Hashing is work for a processor, not for the threads that answer.
    async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let _slot = self.slots.acquire().await.ok()?;
        tokio::task::spawn_blocking(work).await.ok()
    }
}

pub(crate) fn fresh_secret(entropy: &dyn Entropy, mark: &str) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    entropy.fill(&mut *bytes);
    let mut secret = Zeroizing::new(String::with_capacity(mark.len() + 43));
    secret.push_str(mark);
    BASE64_URL_SAFE_NO_PAD.encode_string(*bytes, &mut secret);
    secret
}

fn hasher() -> Argon2<'static> {
    let params =
        Params::new(MEMORY_KIB, 1, 1, None).expect("the parameters are constants within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}
