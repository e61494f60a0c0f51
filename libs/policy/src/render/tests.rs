mod decisions;
mod refusals;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::lint;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rendered(configuration: &str) -> BTreeMap<String, File> {
    let files = render(&Config::parse(configuration).unwrap()).unwrap();
    files.into_iter().map(|file| (file.path.clone(), file)).collect()
}

fn json(file: &File) -> Value {
    serde_json::from_str(&file.text).unwrap()
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in
        std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
    {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

/// `MINT_UPDATE_GOLDEN=1` writes it anew; a difference is a security review.
#[test]
fn the_checked_in_rendering_is_what_the_example_renders_byte_by_byte() {
    let directory = repository().join("deploy/aws/example");
    let rendered = rendered(EXAMPLE);
    if std::env::var_os("MINT_UPDATE_GOLDEN").is_some() {
        std::fs::remove_dir_all(&directory).ok();
        for file in rendered.values() {
            let path = directory.join(&file.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &file.text).unwrap();
        }
    }
    let mut checked_in = Vec::new();
    files_below(&directory, &mut checked_in);
    let checked_in: BTreeMap<String, String> = checked_in
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&directory).unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    let expected: BTreeMap<String, String> =
        rendered.into_iter().map(|(path, file)| (path, file.text)).collect();
    assert_eq!(checked_in, expected, "review, then MINT_UPDATE_GOLDEN=1");
    assert!(expected.values().all(|text| text.ends_with("}\n") && !text.ends_with("\n\n")));
}

#[test]
fn everything_that_is_rendered_is_clean() {
    let files = rendered(EXAMPLE);
    let policies: Vec<&File> = files.values().filter(|file| file.is_policy).collect();
    assert!(policies.len() > 15, "the policies are found: {}", policies.len());
    for file in policies {
        assert_eq!(lint(&file.text), Ok(Vec::new()), "{}", file.path);
    }
}

#[test]
fn every_permission_file_of_a_service_is_clean() {
    let mut files = Vec::new();
    files_below(&repository().join("services"), &mut files);
    files.retain(|path| {
        let parent = path.parent().and_then(Path::file_name);
        parent.is_some_and(|name| name == "permissions")
            && path.extension().is_some_and(|extension| extension == "json")
            && path.file_name().is_some_and(|name| name != "rpc.json")
    });
    assert!(files.len() >= 11, "the files are found: {files:?}");
    for path in files {
        assert_eq!(lint(&std::fs::read_to_string(&path).unwrap()), Ok(Vec::new()), "{}", path.display());
    }
}

/// The document with names of statements as they are in the permission file: without the number of a repeated one.
fn without_numbers(mut document: Value) -> Value {
    for statement in document["Statement"].as_array_mut().unwrap() {
        let sid = statement["Sid"]
            .as_str()
            .unwrap()
            .trim_end_matches(|char: char| char.is_ascii_digit())
            .to_owned();
        statement["Sid"] = Value::String(sid);
    }
    document
}

#[test]
fn what_is_rendered_is_the_permission_file_filled_in_and_nothing_else() {
    let files = rendered(EXAMPLE);
    let filled = |name: &str, places: &[(&str, &str)]| {
        let text = std::fs::read_to_string(repository().join("services").join(name)).unwrap();
        let statements: Vec<Value> = places
            .iter()
            .flat_map(|(bucket, prefix)| {
                // what the embedded world does with the very same file
                mint_permissions::fill(&text.replace("<tag-key>", "mint_application"), bucket, prefix)
                    .unwrap();
                let text = text.replace("<bucket>", bucket).replace("<prefix>", prefix);
                let document: Value =
                    serde_json::from_str(&text.replace("<tag-key>", "mint_application")).unwrap();
                document["Statement"].as_array().unwrap().clone()
            })
            .collect();
        serde_json::json!({"Version": "2012-10-17", "Statement": statements})
    };
    let payments = [("payments-credentials", "live/"), ("payments-credentials-2", "")];
    let all = [payments[0], payments[1], ("search-credentials", "")];
    let abc = [("payments-credentials", "live/abc/"), ("payments-credentials-2", "abc/")];
    for (path, source, places) in [
        ("mint/mint-distributor/permissions.json", "distributor/permissions/aws.json", &all[..]),
        ("teams/payments/mint-reader-abc/permissions.json", "berry/permissions/aws.json", &abc),
        (
            "teams/payments/mint-tagged-reader/permissions.json",
            "broker/permissions/reader-policy.json",
            &payments,
        ),
        (
            "teams/search/mint-tagged-reader/permissions.json",
            "broker/permissions/reader-policy.json",
            &all[2..],
        ),
    ] {
        let document = json(&files[path]);
        assert_eq!(without_numbers(document), filled(source, places), "{path}");
    }
    // with one place the names are the same, too: byte by byte the file, filled in and sorted
    let one = filled("broker/permissions/reader-policy.json", &all[2..]);
    assert_eq!(
        files["teams/search/mint-tagged-reader/permissions.json"].text,
        format!("{:#}\n", sorted(one))
    );
    let trust =
        std::fs::read_to_string(repository().join("services/broker/permissions/reader-trust.json")).unwrap();
    let trust = trust
        .replace("<account>", "333333333333")
        .replace("<provider>", "broker.example.org")
        .replace("<tag-key>", "mint_application");
    let expected = sorted(serde_json::from_str(&trust).unwrap());
    assert_eq!(files["teams/search/mint-tagged-reader/trust.json"].text, format!("{expected:#}\n"));
}
