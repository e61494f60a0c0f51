//! I4, no plaintext.

use crate::{Invariant, Verdict, Violation};

/// None of the secrets stands in what was stored, printed or sent there. Secrets shorter than this would be found by
/// chance.
const SHORTEST_SECRET: usize = 8;

/// No secret is in `bytes`, which were found at `place` (a file, a log, an answer).
pub fn no_plaintext(place: &str, bytes: &[u8], secrets: &[&[u8]]) -> Verdict {
    let worth_looking = secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET);
    for secret in worth_looking {
        if let Some(at) = bytes.windows(secret.len()).position(|window| window == *secret) {
            // where, never what
            let detail = format!("a secret of {} bytes stands in {place} at byte {at}", secret.len());
            return Err(Violation::of_all(Invariant::NoPlaintext, detail));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_was_found_is_not_repeated() {
        let secret: &[u8] = b"correct horse";
        let violation =
            no_plaintext("app.log", b"password=correct horse!", &[b"other secret", secret]).unwrap_err();
        assert_eq!(violation.invariant, Invariant::NoPlaintext);
        assert!(violation.detail.contains("app.log") && !violation.detail.contains("horse"), "{violation}");
        assert_eq!(no_plaintext("app.log", b"password=correct hors", &[secret]), Ok(()));
        assert_eq!(no_plaintext("app.log", b"a short one", &[b"short"]), Ok(()), "words are no secrets");
    }
}
