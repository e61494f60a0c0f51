//! Switches that make real code wrong on purpose, one per rule, so that what checks the rules is itself checked.
//!
//! Each stands in the code as one `if mutated(Mutation::…)`. Without the feature `mutations`, which no shipped program
//! has (`no_shipped_program_can_be_mutated`), [`mutated`] is the constant `false` and the compiler drops the branch.

use std::fmt;
use std::str::FromStr;

/// Who is expected to notice a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Catcher {
    /// `tests/model`: it shows in the order of decisions.
    Model,
    /// `tests/crash`: it shows when real processes die.
    Harness,
    /// `tests/sim`: it shows in the real logic under faults, with real keys and envelopes.
    Simulation,
}

impl Catcher {
    /// The name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Harness => "harness",
            Self::Simulation => "simulation",
        }
    }
}

macro_rules! mutations {
    ($($(#[$doc:meta])* $name:ident = $text:literal, breaks $breaks:literal, by [$($by:ident),+];)*) => {
        /// A rule that is switched off.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutation {
            $($(#[$doc])* $name,)*
        }

        impl Mutation {
            /// Every mutation.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name on the command line and in `MINT_MUTATION`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The id of the invariant that it breaks.
            pub fn breaks(self) -> &'static str {
                match self { $(Self::$name => $breaks,)* }
            }

            /// Who is expected to notice it.
            pub fn caught_by(self) -> &'static [Catcher] {
                match self { $(Self::$name => &[$(Catcher::$by),+],)* }
            }
        }
    };
}

mutations! {
    /// A receipt is signed when one destination is settled, not all (I1): the previous version ends while the others
    /// still hand it out.
    CommitBeforeAllDestinations = "commit-before-all-destinations", breaks "I1", by [Model, Simulation];
    /// The rotator retires without waiting for the overlap (I1).
    RetireBeforeAdopt = "retire-before-adopt", breaks "I1", by [Model, Simulation];
    /// A version that was made long enough ago may end its predecessor, whether or not it was delivered (I1).
    EndByAge = "end-by-age", breaks "I1", by [Model, Simulation];
    /// Nobody compares fencing tokens (I3).
    NoFencing = "no-fencing", breaks "I3", by [Model, Simulation];
    /// A token that no lease can have made is believed and remembered (I2): the honest holders are locked out for ever.
    TokenFromTheFuture = "token-from-the-future", breaks "I2", by [Model];
    /// Create is sent without a durable intent (I2): a crash leaves a version that nobody accounts for.
    NoIntent = "no-intent", breaks "I2", by [Model];
    /// The distributor opens envelopes that the rotator did not sign (I1): whoever carries them delivers garbage.
    UnsignedEnvelope = "unsigned-envelope", breaks "I1", by [Simulation];
    /// A receipt is signed for no destination at all (I1).
    ReceiptForZeroDestinations = "receipt-for-zero-destinations", breaks "I1", by [Model, Simulation];
    /// A receipt of another version is believed (I1).
    ReceiptReplayed = "receipt-replayed", breaks "I1", by [Model, Simulation];
    /// A PUT without an answer is sent once more by the library, behind the back of what is remembered (I1).
    SdkRetriesLeftOn = "sdk-retries-left-on", breaks "I1", by [Model, Simulation];
    /// A receipt does not wait for an older write that may still land (I1).
    OldAttemptNotAwaited = "old-attempt-not-awaited", breaks "I1", by [Model, Simulation];
    /// A write that an older one may have overwritten is not put once more (I1).
    LateWriteNotReput = "late-write-not-reput", breaks "I1", by [Model, Simulation];
    /// An envelope of a version that was overtaken is delivered over its successor (I1).
    OlderVersionDelivered = "older-version-delivered", breaks "I1", by [Model, Simulation];
    /// A retired sealing key still opens envelopes (I4): whoever stole it reads on.
    RetiredKeyStillOpening = "retired-key-still-opening", breaks "I4", by [Simulation];
    /// A lease covers one credential, not the application (I3).
    LeasePerKind = "lease-per-kind", breaks "I3", by [Model, Simulation];
    /// The provisioner does not count what it takes away: it trusts the coordinator's count (I6).
    BudgetCountedByCoordinator = "budget-counted-by-coordinator", breaks "I6", by [Model, Simulation];
    /// An identity is deleted that was never disabled (I6).
    DeleteWithoutTombstone = "delete-without-tombstone", breaks "I6", by [Model, Simulation];
    /// The rotator begins a Create while an unanswered one may still land (I2): it lands behind the sweep.
    EarlierCallNotAwaited = "earlier-call-not-awaited", breaks "I2", by [Model, Simulation];
    /// Nothing waits for an end that was not answered (I1): landing late at an issuer that ends by place, it ends the
    /// version in use.
    LateEndNotAwaited = "late-end-not-awaited", breaks "I1", by [Simulation];
    /// Create is called however many calls without an outcome stand (I2).
    UnresolvedNotCounted = "unresolved-not-counted", breaks "I2", by [Model, Simulation];
    /// Instants of two machines' boots are compared (I1): a machine that is up for longer ends the overlap at once.
    OverlapOfAnotherBoot = "overlap-of-another-boot", breaks "I1", by [Model, Harness];
    /// What was in use before Mint came gets the plain overlap only (I1).
    ForeignWithoutMaxOverlap = "foreign-without-max-overlap", breaks "I1", by [Model, Simulation];
    /// A rotation whose version was delivered is overtaken by the next one (I2).
    DeliveredMayBeSuperseded = "delivered-may-be-superseded", breaks "I2", by [Model];
    /// Prove logs in while the issuer may still accept the ended version (I2): an honest issuer is accused.
    ProveBeforeGrace = "prove-before-grace", breaks "I2", by [Model, Simulation];
    /// The act is announced after it was done (I5).
    AuditAfterTheAct = "audit-after-the-act", breaks "I5", by [Model, Harness, Simulation];
    /// A holder without a lease writes its state over the new holder's (I3).
    StaleCommit = "stale-commit", breaks "I3", by [Model, Simulation];
    /// A restored database repeats fencing tokens (I3).
    TokensRepeatAfterRestore = "tokens-repeat-after-restore", breaks "I3", by [Harness];
}

impl fmt::Display for Mutation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A text that names no mutation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no mutation")]
pub struct UnknownMutation(pub String);

impl FromStr for Mutation {
    type Err = UnknownMutation;
    fn from_str(text: &str) -> Result<Self, UnknownMutation> {
        let known = Self::ALL.iter().copied().find(|mutation| mutation.as_str() == text);
        known.ok_or_else(|| UnknownMutation(text.chars().take(80).collect()))
    }
}

/// Whether a rule is switched off.
#[cfg(not(feature = "mutations"))]
#[inline]
pub const fn mutated(_mutation: Mutation) -> bool {
    false
}

#[cfg(feature = "mutations")]
pub use switched::{activate, mutated};

#[cfg(feature = "mutations")]
mod switched {
    use std::sync::Once;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Mutation;

    /// The environment variable that switches a mutation on in a process of the crash harness.
    const VARIABLE: &str = "MINT_MUTATION";
    /// The active mutation's place in the list, counted from one; zero for none.
    static ACTIVE: AtomicUsize = AtomicUsize::new(0);
    static READ: Once = Once::new();

    /// Switches one rule of this process off, or all of them on again.
    pub fn activate(mutation: Option<Mutation>) {
        READ.call_once(|| {});
        ACTIVE.store(number(mutation), Ordering::SeqCst);
    }

    /// Whether a rule is switched off.
    pub fn mutated(mutation: Mutation) -> bool {
        READ.call_once(|| {
            let asked = std::env::var(VARIABLE).ok().and_then(|name| name.parse().ok());
            ACTIVE.store(number(asked), Ordering::SeqCst);
        });
        ACTIVE.load(Ordering::Relaxed) == number(Some(mutation))
    }

    fn number(mutation: Option<Mutation>) -> usize {
        mutation.map_or(0, |mutation| mutation as usize + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutation_has_a_name_of_its_own_and_somebody_who_notices_it() {
        for (index, mutation) in Mutation::ALL.iter().enumerate() {
            assert_eq!(mutation.as_str().parse(), Ok(*mutation));
            assert!(!mutation.caught_by().is_empty(), "{mutation}");
            assert!(("I1"..="I6").contains(&mutation.breaks()), "{mutation}");
            assert!(!Mutation::ALL[..index].contains(mutation));
        }
        assert!(Mutation::ALL.len() >= 20);
        assert!("nothing".parse::<Mutation>().is_err());
    }

    #[cfg(not(feature = "mutations"))]
    #[test]
    fn without_the_feature_nothing_is_mutated() {
        assert!(!Mutation::ALL.iter().any(|mutation| mutated(*mutation)));
    }
}
