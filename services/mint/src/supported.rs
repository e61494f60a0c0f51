//! What settings cannot say yet is refused by the code that registry-sync has for it, and not as a typing error.

use mint_types::{BucketName, Layout};

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
