//! What settings cannot say yet is refused by the code that registry-sync has for it, and not as a typing error.
//!
//! On the command line it ends the command. In a registry file it concerns one application: its settings are not
//! entered, registry-sync tells the problem, and everything else runs.

use std::collections::BTreeSet;

use mint_types::{BucketName, Layout};
use serde::de::{Deserialize as _, Deserializer, Error as _};
use serde_yaml_ng::Value;

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

/// A registry file's text without what is not supported yet, and the applications that said it.
///
/// What remains of their settings stays, so that the embedded world has their other buckets when they are repaired.
pub(crate) fn supported_part(text: String) -> (String, BTreeSet<String>) {
    // what is no YAML is refused by whoever parses it in earnest
    let Ok(mut document) = serde_yaml_ng::from_str::<Value>(&text) else { return (text, BTreeSet::new()) };
    let applications = document.get_mut("applications").and_then(Value::as_sequence_mut);
    let mut unsupported = BTreeSet::new();
    for application in applications.into_iter().flatten() {
        let stripped = application.get_mut("settings").is_some_and(strip);
        if let Some(id) = application.get("id").and_then(Value::as_str).filter(|_| stripped) {
            unsupported.insert(id.to_owned());
        }
    }
    if unsupported.is_empty() {
        return (text, unsupported);
    }
    match serde_yaml_ng::to_string(&document) {
        Ok(rest) => (rest, unsupported),
        Err(_) => (text, BTreeSet::new()),
    }
}

/// Takes out of an application's settings what is not supported; true if there was anything.
fn strip(settings: &mut Value) -> bool {
    let mut stripped = false;
    if let Some(buckets) = settings.get_mut("buckets").and_then(Value::as_sequence_mut) {
        let before = buckets.len();
        buckets.retain(|bucket| !is_google(bucket));
        stripped |= buckets.len() < before;
    }
    let sealed = settings.get("layout").and_then(Value::as_str) == Some("sealed");
    if let Some(settings) = settings.as_mapping_mut().filter(|_| sealed) {
        settings.remove("layout");
        stripped = true;
    }
    stripped
}

fn is_google(bucket: &Value) -> bool {
    let name = bucket.as_str().or_else(|| bucket.get("name").and_then(Value::as_str));
    name.is_some_and(|name| name.starts_with("gs://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_supported_is_taken_out_of_a_file_and_its_applications_are_named() {
        let text = "applications:\n\
            - {id: good, settings: {buckets: [team-a], layout: combined}}\n\
            - {id: sealed, settings: {buckets: [team-b], layout: sealed}}\n\
            - {id: google, settings: {buckets: ['gs://team-c', {name: 'gs://team-d'}, team-e]}}\n\
            - {id: typo, settings: {layout: seeled}}\n";
        let (rest, unsupported) = supported_part(text.to_owned());
        assert_eq!(unsupported.into_iter().collect::<Vec<_>>(), ["google", "sealed"]);
        let rest: Value = serde_yaml_ng::from_str(&rest).unwrap();
        let expected = "applications:\n\
            - {id: good, settings: {buckets: [team-a], layout: combined}}\n\
            - {id: sealed, settings: {buckets: [team-b]}}\n\
            - {id: google, settings: {buckets: [team-e]}}\n\
            - {id: typo, settings: {layout: seeled}}\n";
        assert_eq!(rest, serde_yaml_ng::from_str::<Value>(expected).unwrap());
        for untouched in ["applications: []\n", "not: [yaml"] {
            assert_eq!(supported_part(untouched.to_owned()), (untouched.to_owned(), BTreeSet::new()));
        }
    }

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
