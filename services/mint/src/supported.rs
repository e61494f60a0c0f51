//! What settings cannot say yet is refused by the code that registry-sync has for it, and not as a typing error.

use mint_types::{BucketName, Layout};
use serde::de::{Deserialize as _, Deserializer, Error as _};

/// A layout by its name.
pub(crate) fn layout(text: &str) -> Result<Layout, String> {
    if text == "sealed" {
        return Err("layout sealed is not supported yet: use split or combined [UNSUPPORTED]".to_owned());
    }
    text.parse().map_err(|error: mint_types::InvalidId| error.to_string())
}

/// A bucket by its name.
pub(crate) fn bucket_name(text: &str) -> Result<BucketName, String> {
    if text.starts_with("gs://") {
        return Err(format!("bucket {text}: gs:// is not supported yet: use S3 [UNSUPPORTED]"));
    }
    text.parse().map_err(|error: mint_types::InvalidId| error.to_string())
}

/// A layout as a file has it.
pub(crate) fn written_layout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Layout, D::Error> {
    layout(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A bucket's name as a file has it.
pub(crate) fn written_bucket_name<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BucketName, D::Error> {
    bucket_name(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_later_is_refused_by_its_code_and_a_typing_error_is_not() {
        assert!(layout("sealed").unwrap_err().contains("UNSUPPORTED"));
        assert!(bucket_name("gs://team-a").unwrap_err().contains("UNSUPPORTED"));
        assert!(!layout("seeled").unwrap_err().contains("UNSUPPORTED"));
        assert!(!bucket_name("Team").unwrap_err().contains("UNSUPPORTED"));
        assert_eq!(layout("combined"), Ok(Layout::Combined));
        assert_eq!(bucket_name("team-a").unwrap().as_str(), "team-a");
    }
}
