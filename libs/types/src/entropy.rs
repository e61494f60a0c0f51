//! Randomness as a port.

use std::fmt::Debug;

/// A source of random bytes: the operating system's in a process, a seeded one in tests and simulations.
pub trait Entropy: Debug + Send + Sync {
    /// Fills `bytes`; a cryptographic source in every process that makes keys or ids.
    fn fill(&self, bytes: &mut [u8]);

    /// A number below `bound` (which must be positive), for jitter.
    fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes).checked_rem(bound).unwrap_or(0)
    }
}
