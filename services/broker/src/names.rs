//! What goes into a token or into a call at STS. Each is checked where it is read, so that nothing unchecked is signed.

use std::fmt;

use serde::Deserialize;

/// A text that may not go into a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is refused: {rule}")]
pub struct InvalidName {
    what: &'static str,
    value: String,
    rule: &'static str,
}

fn refuse(what: &'static str, value: &str, rule: &'static str) -> InvalidName {
    InvalidName { what, value: value.chars().take(80).collect(), rule }
}

/// What AWS, Ceph and a key of S3 all take as it stands, without a wildcard, a variable or a slash in it.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'@' | b'+' | b'-'))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err(refuse($what, &text, $rule)) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                text.to_owned().try_into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The key of a session tag, for example `mint_application`.
    TagKey, "tag key", "it must have 1 to 128 characters of [A-Za-z0-9._@+-]",
    |text| (1..=128).contains(&text.len()) && is_plain(text) && !text.to_ascii_lowercase().starts_with("aws")
);

name!(
    /// The one value of a session tag. It stands for itself in a policy and in a key of S3: it is no pattern and no path.
    TagValue, "tag value", "it must have 1 to 256 characters of [A-Za-z0-9._@+-] and be neither . nor ..",
    |text| (1..=256).contains(&text.len()) && is_plain(text) && text != "." && text != ".."
);

name!(
    /// The name of a session at AWS, as CloudTrail shows it.
    SessionName, "session name", "it must have 2 to 64 characters of [A-Za-z0-9._@+-]",
    |text| (2..=64).contains(&text.len()) && is_plain(text)
);

name!(
    /// The role to become: `arn:<partition>:iam::<account>:role/<path and name>`.
    RoleArn, "role", "it must be arn:<partition>:iam::<12 digits>:role/<name> of at most 2048 characters",
    |text| {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, "iam", "", account, resource] = parts.as_slice() else { return false };
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        let inside = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'=' | b',' | b'.' | b'@' | b'-' | b'+' | b'/');
        text.len() <= 2048
            && is_word(partition)
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && resource.strip_prefix("role/").is_some_and(|name| {
                !name.is_empty() && !name.ends_with('/') && name.bytes().all(inside)
            })
    }
);

name!(
    /// A caller's `Idempotency-Key`.
    IdempotencyKey, "idempotency key", "it must have 1 to 128 visible characters of ASCII",
    |text| (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_value_that_is_a_pattern_a_path_empty_or_too_long_is_refused() {
        let longest = "x".repeat(256);
        for good in ["abc", "0xdeadbeef", "a.b_c@d+e-f", "A", longest.as_str()] {
            assert_eq!(good.parse::<TagValue>().unwrap().as_str(), good);
        }
        let too_long = "x".repeat(257);
        for bad in [
            "",
            "*",
            "a*",
            "a?",
            "a/b",
            "..",
            ".",
            "a b",
            "${aws:username}",
            "ä",
            "a\n",
            "a=b",
            "a:b",
            too_long.as_str(),
        ] {
            assert!(bad.parse::<TagValue>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_session_name_that_sts_would_refuse_is_refused_here() {
        for bad in ["", "a", "a b", "a/b", "*a", &"x".repeat(65)] {
            assert!(bad.parse::<SessionName>().is_err(), "{bad:?}");
        }
        assert!("ci-abc".parse::<SessionName>().is_ok() && "x".repeat(64).parse::<SessionName>().is_ok());
    }

    #[test]
    fn a_role_is_an_arn_of_a_role_and_nothing_else() {
        for good in ["arn:aws:iam::111111111111:role/reader", "arn:aws-cn:iam::111111111111:role/mint/reader"]
        {
            assert!(good.parse::<RoleArn>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "reader",
            "arn:aws:iam::1:role/reader",
            "arn:aws:iam::111111111111:user/reader",
            "arn:aws:iam::111111111111:role/",
            "arn:aws:iam::111111111111:role/*",
            "arn:aws:iam::111111111111:role/a b",
            "arn:aws:sts::111111111111:role/reader",
        ] {
            assert!(bad.parse::<RoleArn>().is_err(), "{bad}");
        }
        assert!("aws:x".parse::<TagKey>().is_err() && "AWS-x".parse::<TagKey>().is_err());
        assert!("mint_application".parse::<TagKey>().is_ok());
    }
}
