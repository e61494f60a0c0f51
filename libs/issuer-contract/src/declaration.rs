//! What a driver says about its issuer.

use std::fmt;
use std::time::Duration;

use mint_secret::{SecretValue, Zeroizing};
use mint_types::{Entropy, IssuerObject};

/// What ends the previous version of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ends {
    /// A call of its own; until then the versions live side by side.
    OwnCall,
    /// The commit of the new one, after a grace.
    Commit {
        /// How long the issuer still accepts it.
        grace: Duration,
    },
    /// The commit of the new one, at once.
    CommitAtOnce,
    /// The creation of the new one, after a grace: nothing can be waited for.
    Create {
        /// How long the issuer still accepts it.
        grace: Duration,
    },
    /// Setting the new one, at once (*replace*): the two never live side by side.
    Set,
}

impl Ends {
    /// How long the issuer may accept a version after it was told to end it.
    pub fn grace(self) -> Duration {
        match self {
            Self::Commit { grace } | Self::Create { grace } => grace,
            Self::OwnCall | Self::CommitAtOnce | Self::Set => Duration::ZERO,
        }
    }

    /// Whether a version is made at the issuer before it is delivered: anything but *replace*.
    pub fn makes_beside(self) -> bool {
        !matches!(self, Self::Set)
    }

    /// Whether the issuer must be told to end the previous version after the new one was delivered.
    pub fn is_told(self) -> bool {
        matches!(self, Self::OwnCall | Self::Commit { .. } | Self::CommitAtOnce)
    }

    /// Whether a call that ends nothing can be left out: a commit never can, the version would stay uncommitted.
    pub fn is_told_only_of_others(self) -> bool {
        matches!(self, Self::OwnCall)
    }
}

/// What ends the previous version of each object of the issuer: all that decisions need of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EndsOf {
    /// The user's passwords.
    pub user: Ends,
    /// The OAuth 2.0 client's secrets.
    pub client: Ends,
}

impl EndsOf {
    /// What ends a version on an object.
    pub fn of(self, object: IssuerObject) -> Ends {
        match object {
            IssuerObject::User => self.user,
            IssuerObject::Client => self.client,
        }
    }
}

/// Who makes the secret of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MadeBy {
    /// The issuer, which answers it.
    Issuer,
    /// Mint, which tells the issuer.
    Mint(Recipe),
}

/// How Mint makes a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    length: usize,
    alphabet: Vec<u8>,
}

/// A recipe that makes secrets that can be guessed, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakRecipe {
    /// Characters that are not printable, or that stand there twice.
    #[error("the alphabet must be of different printable ASCII characters without a space")]
    Alphabet,
    /// Fewer than 128 bits.
    #[error("so few characters of this alphabet have less than 128 bits")]
    Bits,
}

impl Recipe {
    /// So many characters out of an alphabet. Fewer than 128 bits are refused.
    pub fn new(length: usize, alphabet: &str) -> Result<Self, WeakRecipe> {
        let alphabet = alphabet.as_bytes().to_vec();
        let unique: std::collections::BTreeSet<_> = alphabet.iter().collect();
        if unique.len() != alphabet.len() || !alphabet.iter().all(u8::is_ascii_graphic) {
            return Err(WeakRecipe::Alphabet);
        }
        // log2 of an integer, rounded down: never more bits than there are
        let bits = alphabet.len().checked_ilog2().unwrap_or(0) as usize;
        if bits.saturating_mul(length) < 128 {
            return Err(WeakRecipe::Bits);
        }
        Ok(Self { length, alphabet })
    }

    /// A fresh secret: every character equally likely.
    pub fn make(&self, entropy: &dyn Entropy) -> SecretValue {
        let size = self.alphabet.len();
        // bytes beyond the last whole multiple would favour the alphabet's beginning
        let fair = 256 - 256 % size;
        let mut secret = Zeroizing::new(String::with_capacity(self.length));
        let mut bytes = Zeroizing::new([0_u8; 64]);
        while secret.len() < self.length {
            entropy.fill(bytes.as_mut());
            let left = self.length - secret.len();
            for byte in bytes.iter().filter(|byte| usize::from(**byte) < fair).take(left) {
                secret.push(char::from(self.alphabet[usize::from(*byte) % size]));
            }
        }
        SecretValue::from(secret)
    }
}

impl Default for Recipe {
    /// 43 characters that stand in a URL, a shell and a form as they are: 256 bits.
    fn default() -> Self {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".to_vec();
        Self { length: 43, alphabet }
    }
}

/// What an end does that takes effect late: after its repetition was answered, and after a newer version was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LateEnd {
    /// It ends nothing that was not to end: the issuer knows versions by name, and a repeated end changes nothing.
    Harmless,
    /// It may end what is in use by then: it names versions by their place, or ends all others. While an end that was
    /// never answered may still take effect, nothing else is sent to that object.
    MayEndNewer,
}

/// What a driver says about one object of its issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// What ends the previous version.
    pub ends: Ends,
    /// What that does when it takes effect late.
    pub late_end: LateEnd,
    /// Who makes the secret.
    pub made_by: MadeBy,
    /// Whether the issuer tells which versions are alive.
    pub lists: bool,
}

/// Who names an application's client, and so whether anybody else has to be believed about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientIds {
    /// The issuer: it is told the user's name, finds the client by it, and answers the id with the secret. A wrong id in a
    /// request changes nobody else's client.
    Answered,
    /// The client has its user's name, which Mint computes. The issuer is told the client's id alone, so that of anybody
    /// else would be acted upon: it is refused.
    Username,
}

/// What a driver says about its issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The driver's name in configuration, logs and errors.
    pub driver: &'static str,
    /// Who names clients.
    pub client_ids: ClientIds,
    /// The user's passwords.
    pub user: Declared,
    /// The OAuth 2.0 client's secrets.
    pub client: Declared,
}

impl Declaration {
    /// What is said about an object.
    pub fn of(&self, object: IssuerObject) -> &Declared {
        match object {
            IssuerObject::User => &self.user,
            IssuerObject::Client => &self.client,
        }
    }

    /// Whether an end or a set that was not answered must be waited for. A late set always brings an older value back.
    pub fn awaits_late(&self, object: IssuerObject) -> bool {
        let declared = self.of(object);
        declared.late_end == LateEnd::MayEndNewer || !declared.ends.makes_beside()
    }

    /// Whether this may be the id of that user's client.
    pub fn may_be_client(&self, username: &str, client_id: &str) -> bool {
        self.client_ids == ClientIds::Answered || client_id == username
    }

    /// What decisions need.
    pub fn ends(&self) -> EndsOf {
        EndsOf { user: self.user.ends, client: self.client.ends }
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::OwnCall => "own call",
            Self::Commit { .. } => "commit, after a grace",
            Self::CommitAtOnce => "commit, at once",
            Self::Create { .. } => "create, after a grace",
            Self::Set => "set, at once",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Ramp(std::sync::atomic::AtomicU8);

    impl Entropy for Ramp {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn a_weak_recipe_is_refused() {
        assert_eq!(Recipe::new(31, "0123456789abcdef"), Err(WeakRecipe::Bits));
        assert!(Recipe::new(32, "0123456789abcdef").is_ok());
        assert_eq!(Recipe::new(1000, "a"), Err(WeakRecipe::Bits));
        assert_eq!(Recipe::new(1000, ""), Err(WeakRecipe::Bits));
        for alphabet in ["aa", "a b", "aé", "a\nb"] {
            assert_eq!(Recipe::new(1000, alphabet), Err(WeakRecipe::Alphabet), "{alphabet:?}");
        }
    }

    #[test]
    fn every_character_of_a_made_secret_is_equally_likely() {
        let recipe = Recipe::new(7 * 36, "abcdefghijklmnopqrstuvwxyz0123456789").unwrap();
        let made = recipe.make(&Ramp(0.into()));
        let mut counts = std::collections::BTreeMap::new();
        made.expose().chars().for_each(|character| *counts.entry(character).or_insert(0) += 1);
        assert_eq!(made.expose().len(), 7 * 36);
        // the 256 bytes once, less the four that would favour the first characters
        assert!(counts.len() == 36 && counts.values().all(|count| *count == 7), "{counts:?}");
        assert_eq!(Recipe::default().make(&Ramp(0.into())).expose().len(), 43);
    }
}
