//! Entropy and keys for this crate's tests.

use std::sync::atomic::{AtomicU64, Ordering};

use mint_types::Entropy;
use sha2::{Digest as _, Sha256};

use crate::{KeyRing, KeyUse, PublishedKey};

/// Repeatable noise.
#[derive(Debug)]
pub(crate) struct Noise {
    seed: u64,
    next: AtomicU64,
}

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(0) }
    }
}

impl Entropy for Noise {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let counter = self.next.fetch_add(1, Ordering::Relaxed);
            let block = Sha256::new()
                .chain_update(self.seed.to_le_bytes())
                .chain_update(counter.to_le_bytes())
                .finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

pub(crate) fn ring(uses: &[KeyUse], seed: u64) -> KeyRing {
    KeyRing::in_memory(uses, &Noise::new(seed)).unwrap()
}

pub(crate) fn published(ring: &KeyRing) -> Vec<PublishedKey> {
    ring.published().to_vec()
}
