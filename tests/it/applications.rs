//! Every application of the example gets its own files, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;

use mint_api::coordination::v1::ApplicationState;
use mint_tests::application::{Application, Login};
use mint_tests::world::{Options, World, executable};
use serde_json::Value;

/// The code of an S3 refusal.
macro_rules! refusal {
    ($call:expr) => {
        match $call.await {
            Ok(_) => "allowed".to_owned(),
            Err(error) => {
                let status = error.raw_response().map(|raw| raw.status().as_u16());
                match error.into_service_error().meta().code() {
                    Some(code) => code.to_owned(),
                    None => format!("{status:?}"),
                }
            }
        }
    };
}

/// The files that berry wrote, by name.
fn berry_files(directory: &std::path::Path, names: &[&str]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for name in names {
        let path = directory.join(name);
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mode = std::fs::metadata(&path).expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
        found.insert((*name).to_owned(), serde_json::from_slice(&text).expect("JSON"));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_delivered_application_fetches_its_files_logs_in_and_is_refused_everything_else() {
    let world = World::boot(Options::default()).await;
    let delivered: Vec<String> = {
        let states = mint_tests::application::eventually("30 applications are delivered", BOOT, || async {
            let statuses = world.statuses().await.ok()?;
            let delivered =
                statuses.iter().filter(|status| status.state == ApplicationState::Delivered as i32);
            let ids: Vec<String> = delivered.map(|status| status.application_id.clone()).collect();
            (ids.len() == 30).then_some(ids)
        });
        states.await
    };
    let mut layouts = BTreeSet::new();
    for (index, id) in delivered.iter().enumerate() {
        let application = Application::open(world.data(), id).await;
        layouts.insert((
            application.environment.required("MINT_LAYOUT").to_owned(),
            application.environment.optional("MINT_PREFIX").is_some(),
        ));
        let login = application.login().await.unwrap_or_else(|error| panic!("{id}: {error}"));
        login.token(&world.endpoints.token_url).await.unwrap_or_else(|error| panic!("{id}: {error}"));

        let other = &delivered[(index + 1) % delivered.len()];
        let bucket = application.environment.required("MINT_BUCKET");
        let own = application.key(application.object_names()[0]);
        let theirs = own.replacen(id.as_str(), other, 1);
        let s3 = application.s3();
        for (what, answer) in [
            ("another's file", refusal!(s3.get_object().bucket(bucket).key(&theirs).send())),
            (
                "another's head",
                refusal!(s3.head_object().bucket(bucket).key(&theirs).send())
                    .replace("Some(403)", "AccessDenied"),
            ),
            ("a list", refusal!(s3.list_objects_v2().bucket(bucket).send())),
            ("a list of its own", refusal!(s3.list_objects_v2().bucket(bucket).prefix(id).send())),
            ("a write", refusal!(s3.put_object().bucket(bucket).key(&own).body(Vec::new().into()).send())),
            ("a delete", refusal!(s3.delete_object().bucket(bucket).key(&own).send())),
        ] {
            assert_eq!(answer, "AccessDenied", "{id}: {what}");
        }

        let directory = world.data().parent().expect("parent").join("berry").join(id);
        let output = tokio::process::Command::new(executable("mint-berry"))
            .args(["--once"])
            .arg(&directory)
            .env_clear()
            .envs(&application.environment.0)
            .output()
            .await
            .expect("berry starts");
        assert!(output.status.success(), "{id}: {}", String::from_utf8_lossy(&output.stderr));
        let files = berry_files(&directory, application.object_names());
        let login = Login::from_objects(&files).unwrap_or_else(|error| panic!("{id}: {error}"));
        login.token(&world.endpoints.token_url).await.unwrap_or_else(|error| panic!("{id}: {error}"));
    }
    assert!(layouts.len() >= 3, "both layouts, with and without a prefix: {layouts:?}");
    world.stop().await;
}

const BOOT: std::time::Duration = std::time::Duration::from_mins(2);
