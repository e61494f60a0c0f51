//! The one type that holds a plaintext.

use std::fmt;

use zeroize::Zeroizing;

/// A password or client secret in memory: wiped when dropped, and without a way to be printed, cloned, compared
/// or serialized. [`SecretValue::expose`] stands only in the call that sends or seals it.
pub struct SecretValue(Zeroizing<String>);

impl SecretValue {
    /// Takes a secret over; the caller keeps no copy.
    pub fn new(plaintext: String) -> Self {
        Self(Zeroizing::new(plaintext))
    }

    /// Copies a secret out of a buffer that its owner wipes; nothing if it is not UTF-8.
    pub fn copied_from(plaintext: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(plaintext).ok()?;
        Some(Self::new(text.to_owned()))
    }

    /// The plaintext.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it, which no issuer means.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Zeroizing<String>> for SecretValue {
    fn from(plaintext: Zeroizing<String>) -> Self {
        Self(plaintext)
    }
}

/// Prints that there is a secret, and nothing of it, not even its length.
impl fmt::Debug for SecretValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretValue(…)")
    }
}

/// A secret in a JSON document that is being read: an issuer's answer, a delivered object. Separate from
/// [`SecretValue`], so that no structure that holds one can be deserialized by accident.
#[derive(Debug)]
pub struct Received(SecretValue);

impl Received {
    /// The secret.
    pub fn into_secret(self) -> SecretValue {
        self.0
    }
}

impl<'de> serde::Deserialize<'de> for Received {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_string(ReceivedVisitor).map(Self)
    }
}

struct ReceivedVisitor;

impl serde::de::Visitor<'_> for ReceivedVisitor {
    type Value = SecretValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(SecretValue::new(text.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(SecretValue::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::SecretValue;

    /// Compiles only while `SecretValue` lacks the trait: with it, the item would be ambiguous.
    macro_rules! assert_not {
        ($type:ty: $($bound:tt)+) => {{
            trait AmbiguousIf<A> {
                fn item() {}
            }
            impl<T: ?Sized> AmbiguousIf<()> for T {}
            #[allow(dead_code, reason = "exists to make the item ambiguous")]
            struct Implements;
            impl<T: ?Sized + $($bound)+> AmbiguousIf<Implements> for T {}
            <$type as AmbiguousIf<_>>::item();
        }};
    }

    #[test]
    fn a_secret_value_cannot_be_cloned_compared_printed_or_serialized() {
        assert_not!(SecretValue: Clone);
        assert_not!(SecretValue: PartialEq);
        assert_not!(SecretValue: std::fmt::Display);
        assert_not!(SecretValue: serde::Serialize);
        assert_not!(SecretValue: serde::de::DeserializeOwned);
        assert_not!(SecretValue: std::ops::Deref);
        assert_not!(SecretValue: AsRef<str>);
        assert_not!(SecretValue: std::hash::Hash);
    }

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        let secret = SecretValue::new("mint-canary-pw-abc".to_owned());
        for shown in [format!("{secret:?}"), format!("{secret:#?}"), format!("{:?}", Some(&secret))] {
            assert!(!shown.contains("canary"), "{shown}");
        }
        let longer = SecretValue::new("x".repeat(1000));
        assert_eq!(format!("{secret:?}"), format!("{longer:?}"), "not even the length shows");
    }

    #[test]
    fn bytes_that_are_no_text_are_no_secret() {
        assert!(SecretValue::copied_from(&[0xff, 0xfe]).is_none());
    }
}
