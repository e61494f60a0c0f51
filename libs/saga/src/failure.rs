//! Failures, by their stable reason: what they are called, and what an operator can do.

use std::time::Duration;

/// The stable reasons that the saga itself understands.
pub mod reason {
    /// The settings name no bucket.
    pub const NO_DESTINATION: &str = "NO_DESTINATION";
    /// The issuer answered 429.
    pub const ISSUER_RATE_LIMITED: &str = "ISSUER_RATE_LIMITED";
    /// No key of the distributor opens the envelope.
    pub const ENVELOPE_UNOPENABLE: &str = "ENVELOPE_UNOPENABLE";
    /// The distributor has delivered a newer version.
    pub const VERSION_SUPERSEDED: &str = "VERSION_SUPERSEDED";
    /// The rotator has closed the rotation already.
    pub const ROTATION_CLOSED: &str = "ROTATION_CLOSED";
    /// A budget of calls is used up.
    pub const BUDGET_EXHAUSTED: &str = "BUDGET_EXHAUSTED";
    /// The envelope is not one of the rotator's.
    pub const ENVELOPE_INVALID: &str = "ENVELOPE_INVALID";
    /// Retire came too early.
    pub const OVERLAP_NOT_PASSED: &str = "OVERLAP_NOT_PASSED";
    /// Retire came without a receipt.
    pub const RECEIPT_MISSING: &str = "RECEIPT_MISSING";
    /// The receipt does not stand up to the rotator's check.
    pub const RECEIPT_INVALID: &str = "RECEIPT_INVALID";
    /// The ended version still opens the door.
    pub const PREVIOUS_VERSION_ALIVE: &str = "PREVIOUS_VERSION_ALIVE";
    /// The probe envelope of the ended version opens no more, or is another's.
    pub const PROBE_UNREADABLE: &str = "PROBE_UNREADABLE";
    /// The issuer accepts no more what consumers have: somebody changed or disabled it there.
    pub const CREDENTIAL_CHANGED_AT_ISSUER: &str = "CREDENTIAL_CHANGED_AT_ISSUER";
    /// No key opens what the rotator would log in with to ask whether the issuer accepts what consumers have.
    pub const CHECK_IMPOSSIBLE: &str = "CHECK_IMPOSSIBLE";
    /// The rotator does not know the rotation.
    pub const ROTATION_UNKNOWN: &str = "ROTATION_UNKNOWN";
    /// Two operators' statement was acted upon already.
    pub const STATEMENT_USED: &str = "STATEMENT_USED";
    /// Somebody with a newer lease acts.
    pub const STALE_FENCING_TOKEN: &str = "STALE_FENCING_TOKEN";
    /// Objects that nobody may use any more still hold a credential.
    pub const OBJECTS_NOT_OVERWRITTEN: &str = "OBJECTS_NOT_OVERWRITTEN";
    /// The identity was deleted, and its name is not used again without release.
    pub const IDENTITY_DELETED: &str = "IDENTITY_DELETED";
    /// A disabled identity is still restorable.
    pub const TOMBSTONE_NOT_PASSED: &str = "TOMBSTONE_NOT_PASSED";
    /// Only a disabled identity is removed.
    pub const IDENTITY_NOT_DISABLED: &str = "IDENTITY_NOT_DISABLED";
    /// Instances have not taken the new version up within the overlap.
    pub const INSTANCES_LAGGING: &str = "INSTANCES_LAGGING";
    /// A service of the constellation is not reached: the call was surely not seen, or nobody knows.
    pub const SERVICE_UNREACHABLE: &str = "SERVICE_UNREACHABLE";
    /// A service of the constellation did not answer in time: nobody knows what it did.
    pub const SERVICE_UNANSWERED: &str = "SERVICE_UNANSWERED";
    /// A service of the constellation answered what nobody understands.
    pub const SERVICE_MALFORMED_ANSWER: &str = "SERVICE_MALFORMED_ANSWER";
}

/// Why a step did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable reason in upper snake case.
    pub reason: String,
    /// Who answered what. Never a secret.
    pub detail: String,
    /// The destination it concerns, as `bucket/key`.
    pub destination: Option<String>,
    /// What whoever failed advises; else the table decides.
    pub next_action: Option<String>,
    /// How long to wait before the next try, if the other side says.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure without a destination.
    pub fn new(reason: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            detail: detail.into(),
            destination: None,
            next_action: None,
            retry_after: None,
        }
    }

    /// Whether the reason is this one.
    pub fn is(&self, reason: &str) -> bool {
        self.reason == reason
    }

    /// Whether it is Mint's own inside that does not answer: nothing is wrong with the application, and a short wait
    /// is right whatever the attempt.
    pub fn is_internal(&self) -> bool {
        matches!(
            self.reason.as_str(),
            reason::SERVICE_UNREACHABLE
                | "AUDIT_UNAVAILABLE"
                | "ROTATOR_UNAVAILABLE"
                | "CATALOG_BEHIND"
                | "CATALOG_UNAVAILABLE"
                | "STATE_UNAVAILABLE"
        )
    }
}

/// Title and next action of a reason; unknown reasons have words too.
pub(crate) fn words(reason: &str) -> (&'static str, &'static str) {
    match reason {
        reason::NO_DESTINATION => (
            "No bucket is configured",
            "The owning team enters a bucket: mint app set APP --bucket NAME --account-id ID",
        ),
        "DESTINATION_REFUSED" => (
            "The bucket refuses the write",
            "The bucket's owner allows s3:PutObject to Mint's distributor below the application's directory, \
             or enters another bucket",
        ),
        "DESTINATION_UNREACHABLE" => (
            "The bucket's store does not answer",
            "Check the endpoint and the network between the distributor and the store; Mint repeats by itself",
        ),
        "DESTINATION_WRONG_REGION" => {
            ("The bucket is in another region", "Enter the bucket's region in the application's settings")
        }
        "DESTINATION_UNKNOWN_OUTCOME" => (
            "Nobody knows whether the write arrived",
            "Nothing: Mint writes once more when the first write can no longer land",
        ),
        "ISSUER_REFUSED" => {
            ("The issuer refused", "Check the issuer's answer in the detail, and Mint's rights at the issuer")
        }
        "ISSUER_UNREACHABLE" => {
            ("The issuer does not answer", "Check the issuer and the network; Mint repeats by itself")
        }
        "ISSUER_MALFORMED_ANSWER" => (
            "The issuer answered what nobody understands",
            "Check that the configured URL is the issuer's API, and its version",
        ),
        reason::ISSUER_RATE_LIMITED => {
            ("The issuer limits the rate", "Nothing: Mint waits as long as it was told")
        }
        "ISSUER_REJECTED_LOGIN" => (
            "The new credential does not log in",
            "Check at the issuer that the user and its client are enabled and have their scopes",
        ),
        "ISSUER_HALTED" => (
            "The issuer broke its word too often, so rotations there are halted",
            "Find out at the issuer why it accepted or ended what it said otherwise; then: mint issuer resume",
        ),
        "PROOF_GIVEN_UP" => (
            "Nobody could show that the ended version is dead",
            "Check at the issuer that the old credential is gone; Mint tries no more logins with it",
        ),
        "ISSUER_UNKNOWN_OUTCOME" => (
            "Nobody knows what the issuer did",
            "Nothing: Mint repeats the call with the same id, and sweeps what may have been made",
        ),
        reason::PROBE_UNREADABLE => (
            "The ended version cannot be proved dead: its probe envelope opens no more",
            "Check at the issuer that the old credential is gone; the next rotation proves again",
        ),
        reason::CREDENTIAL_CHANGED_AT_ISSUER => (
            "The issuer accepts no more what consumers have",
            "Nothing: Mint rotates it. Find out who changed it at the issuer; a user that is disabled there must be enabled",
        ),
        reason::CHECK_IMPOSSIBLE => (
            "Nobody can find out whether the issuer still accepts what consumers have",
            "Rotate it: mint rotate APP; if the fresh version cannot be checked either, check the rotator's keys",
        ),
        "STATEMENT_SIGNERS_MISSING" | "STATEMENT_UNTRUSTED" | "STATEMENT_BAD_SIGNATURE" => (
            "The rotator does not believe the statement to end versions at once",
            "Have it signed by two operators whose keys are trusted: mint revoke --now APP --save FILE; mint statement sign",
        ),
        "STATEMENT_MALFORMED"
        | "STATEMENT_MISMATCH"
        | "STATEMENT_NOT_IN_FORCE"
        | "STATEMENT_KEYS_UNUSABLE" => (
            "The statement to end versions at once cannot be acted upon",
            "See the detail; make a new one: mint revoke --now APP",
        ),
        "INVARIANT_VIOLATED" => (
            "The rotator's own rows break an invariant",
            "Keep the rotator's log and ledger and look at them: nothing more is done for this application before",
        ),
        reason::OVERLAP_NOT_PASSED => ("The overlap has not passed", "Nothing: Mint waits"),
        reason::RECEIPT_MISSING => ("The rotator has no receipt", "Nothing: Mint hands it over again"),
        reason::RECEIPT_INVALID => (
            "The rotator does not accept the receipt",
            "Check that rotator and distributor know each other's current keys; Mint delivers again",
        ),
        reason::ENVELOPE_INVALID => (
            "The distributor does not accept the envelope",
            "Check that rotator and distributor know each other's current keys",
        ),
        reason::ENVELOPE_UNOPENABLE => (
            "No key of the distributor opens the envelope",
            "Nothing: Mint starts the rotation again; if it repeats, check the distributor's keys",
        ),
        reason::VERSION_SUPERSEDED => {
            ("A newer version was delivered already", "Nothing: Mint starts the rotation again")
        }
        reason::ROTATION_CLOSED | "ROTATION_OPEN" | "ROTATION_MISMATCH" => (
            "Rotator and coordinator disagree about a rotation",
            "Check whether one of their databases was restored from a backup; see the detail",
        ),
        "SETTINGS_CHANGED" => {
            ("The settings changed meanwhile", "Nothing: Mint goes on with the new settings")
        }
        "AUDIT_UNAVAILABLE" => {
            ("The audit log does not answer, so nothing is done", "Check the audit service and its disk")
        }
        "ROTATOR_UNAVAILABLE" => (
            "The distributor cannot ask the rotator for its keys",
            "Check the rotator; Mint repeats by itself",
        ),
        "CATALOG_BEHIND" | "CATALOG_UNAVAILABLE" => {
            ("The catalog does not answer", "Check registry-sync; Mint repeats by itself")
        }
        "APPLICATION_UNKNOWN" => ("The catalog does not know the application", "Check the registry"),
        "SETTINGS_INVALID" => {
            ("The settings contradict themselves", "The owning team corrects them: mint app set APP …")
        }
        reason::STALE_FENCING_TOKEN => ("Another coordinator acts", "Nothing: the newer one goes on"),
        reason::BUDGET_EXHAUSTED => (
            "The day's budget of removals is used up",
            "Check that the registry is right about so many applications; then wait until tomorrow, or let two \
             operators sign: mint registry release --acts N",
        ),
        reason::OBJECTS_NOT_OVERWRITTEN => (
            "Objects that nobody may use any more still hold a credential",
            "Let Mint's distributor put objects there again and then: mint resume APP; or delete the named objects by hand",
        ),
        reason::IDENTITY_DELETED => (
            "The identity was deleted, and its name is not used again without release",
            "Make sure that it is the same application; then let two operators sign: \
             mint registry release --acts 1 --application APP",
        ),
        reason::TOMBSTONE_NOT_PASSED => ("The identity is still restorable", "Nothing: Mint waits"),
        reason::IDENTITY_NOT_DISABLED => {
            ("The identity is in use still", "Nothing: Mint disables it first, and waits anew")
        }
        "TOO_MANY_UNRESOLVED_INTENTS" => (
            "Too many calls to the issuer have an unknown outcome",
            "Check the issuer; Mint goes on when earlier calls are answered or too old to arrive",
        ),
        "TOO_MANY_SPARE_VERSIONS" => (
            "Several versions were made and given up, one after another",
            "Nothing, once: Mint makes one more after the pause and ends them. Again and again: find out who begins rotations",
        ),
        reason::PREVIOUS_VERSION_ALIVE => (
            "The issuer still accepts a version that it was told to end",
            "Alarm: end the old credential at the issuer by hand and find out why it lives",
        ),
        "STATE_UNAVAILABLE" => (
            "A service cannot write its state",
            "Check disk space and the database of the service in the detail",
        ),
        "UNSUPPORTED" => ("This version of Mint cannot do it", "Change the settings to what is supported"),
        reason::SERVICE_UNREACHABLE => {
            ("A service of Mint does not answer", "Check that it runs: mint status; Mint repeats by itself")
        }
        reason::SERVICE_UNANSWERED => (
            "A service of Mint did not answer in time",
            "Check the service's log and what it calls; Mint repeats by itself",
        ),
        reason::INSTANCES_LAGGING => (
            "Instances still hold an older version",
            "Look at the log of berry on the named instances and at their reader role; restart what does not fetch",
        ),
        "APPLICATION_MISSING" => (
            "The registry lost the application",
            "Nothing of it is changed. Restore it in the registry, or retire it there (active = false)",
        ),
        "DESTINATION_UNCONFIRMED" => (
            "A destination waits until its owner confirms it",
            "The owning team or an operator confirms it: mint app confirm APP",
        ),
        "DESTINATION_REFUSED_ENDPOINT" => (
            "The bucket's endpoint is not allowed",
            "Choose an endpoint that the distributor's operator allows (s3.allowed_endpoints)",
        ),
        "REDIRECT_URL_UNCONFIRMED" => (
            "Another redirect URL waits until the application's owner confirms it",
            "The owning team or an operator confirms it: mint app confirm APP; or enter the one before again",
        ),
        "CLIENT_TYPE_UNCONFIRMED" => (
            "A client with, or without, a secret waits until the application's owner confirms it",
            "The owning team or an operator confirms it: mint app confirm APP; or enter the type of before again",
        ),
        "UNACCOUNTED_VERSION" => (
            "The issuer has a version that nobody accounts for",
            "Rotate the application: the next Retire ends what nobody accounts for",
        ),
        "VERSION_MISSING" => (
            "The issuer lacks a version that is in use",
            "Rotate the application: mint rotate APP; and find out who ended it",
        ),
        "CLIENT_NOT_ITS_OWN" => (
            "The catalog calls another application's client this one's",
            "Alarm: find out who wrote that into registry-sync; then have the right one recorded again: mint app adopt APP",
        ),
        "FOREIGN_USER_WITHOUT_SETTINGS" => (
            "The user existed before Mint, and nobody entered what it is to keep",
            "Enter the scopes and the redirect URL that it has today: mint app set APP …; mint import shows all such users",
        ),
        "SCOPE_RESERVED" => (
            "The settings ask for a reserved scope",
            "Take the scope out of the settings, or ask the operator of identity-provisioner (issuer.reserved_scopes)",
        ),
        _ => ("A step failed", "See the detail and the log of the service that answered"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_words_of_its_own() {
        let unknown = words("NEVER_HEARD_OF_IT");
        for reason in [
            "NO_DESTINATION",
            "DESTINATION_REFUSED",
            "DESTINATION_UNREACHABLE",
            "DESTINATION_WRONG_REGION",
            "DESTINATION_UNKNOWN_OUTCOME",
            "DESTINATION_UNCONFIRMED",
            "DESTINATION_REFUSED_ENDPOINT",
            "CLIENT_NOT_ITS_OWN",
            "FOREIGN_USER_WITHOUT_SETTINGS",
            "SCOPE_RESERVED",
            "REDIRECT_URL_UNCONFIRMED",
            "CLIENT_TYPE_UNCONFIRMED",
            "UNACCOUNTED_VERSION",
            "VERSION_MISSING",
            "CHECK_IMPOSSIBLE",
            "ISSUER_REFUSED",
            "ISSUER_UNREACHABLE",
            "ISSUER_MALFORMED_ANSWER",
            "ISSUER_RATE_LIMITED",
            "ISSUER_REJECTED_LOGIN",
            "ISSUER_HALTED",
            "PROOF_GIVEN_UP",
            "PROBE_UNREADABLE",
            "STATEMENT_SIGNERS_MISSING",
            "STATEMENT_NOT_IN_FORCE",
            "ISSUER_UNKNOWN_OUTCOME",
            "OVERLAP_NOT_PASSED",
            "RECEIPT_MISSING",
            "RECEIPT_INVALID",
            "ENVELOPE_INVALID",
            "ENVELOPE_UNOPENABLE",
            "VERSION_SUPERSEDED",
            "ROTATION_CLOSED",
            "ROTATION_OPEN",
            "SETTINGS_CHANGED",
            "ROTATOR_UNAVAILABLE",
            "AUDIT_UNAVAILABLE",
            "CATALOG_BEHIND",
            "CATALOG_UNAVAILABLE",
            "APPLICATION_UNKNOWN",
            "APPLICATION_MISSING",
            "SETTINGS_INVALID",
            "STALE_FENCING_TOKEN",
            "BUDGET_EXHAUSTED",
            "OBJECTS_NOT_OVERWRITTEN",
            "IDENTITY_DELETED",
            "TOMBSTONE_NOT_PASSED",
            "IDENTITY_NOT_DISABLED",
            "TOO_MANY_UNRESOLVED_INTENTS",
            "TOO_MANY_SPARE_VERSIONS",
            "PREVIOUS_VERSION_ALIVE",
            "STATE_UNAVAILABLE",
            "UNSUPPORTED",
            "SERVICE_UNREACHABLE",
            "SERVICE_UNANSWERED",
            "INSTANCES_LAGGING",
            "CREDENTIAL_CHANGED_AT_ISSUER",
        ] {
            assert_ne!(words(reason), unknown, "{reason}");
        }
    }
}
