//! The contract of the ledger, on every engine.

pub(crate) mod dying;

mod contract {
    use std::time::Duration;

    use mint_issuer_contract::{Ends, EndsOf, Handle};
    use mint_secret::EnvelopeDigest;
    use mint_testkit::{SeededEntropy, databases};
    use mint_types::{
        ApplicationId, CredentialKind, FencingToken, IssuerObject, Monotonic, RotationId, Timestamp, Version,
        VersionId,
    };

    use crate::Error;
    use crate::ledger::{Begun, EndCalls, Failed, IssuerStanding, Ledger, MIGRATIONS, SCHEMA, ToldOf};
    use crate::plan::{Ask, ErrorBudget, Proving, Rules};
    use crate::state::{Envelopes, Instant, Made, RotationState, Stage, Told, Unsettled};
    use crate::statements::Demand;

    const TOKEN: FencingToken = FencingToken(1);
    const RULES: Rules = Rules {
        min_overlap: Duration::from_mins(10),
        max_overlap: Duration::from_hours(24),
        ends: EndsOf { user: Ends::Commit { grace: Duration::from_secs(10) }, client: Ends::CommitAtOnce },
        request_life: Duration::ZERO,
        unresolved_hold: Duration::ZERO,
        login_pause: Duration::ZERO,
        replace_window: Duration::from_secs(30),
        proving: Proving { by_login: true, attempts: 12 },
    };

    async fn ledgers() -> Vec<(Ledger, mint_testkit::TestDatabase)> {
        let databases = databases(SCHEMA, MIGRATIONS).await;
        databases.into_iter().map(|test| (Ledger::new(test.database.clone()), test)).collect()
    }

    fn shop() -> ApplicationId {
        "shop".parse().unwrap()
    }

    fn ask(seed: u64, kind: CredentialKind) -> Ask {
        Ask { rotation: RotationId::random(&SeededEntropy::new(seed)), kind }
    }

    fn at(seconds: i64, boot: &str) -> Instant {
        Instant {
            wall: Timestamp::from_unix_micros(1_800_000_000_000_000 + seconds * 1_000_000),
            monotonic: Monotonic {
                boot: boot.to_owned(),
                nanos: u64::try_from(seconds).unwrap() * 1_000_000_000,
            },
        }
    }

    fn made(version: u64) -> Made {
        Made {
            version: Version(version),
            version_id: VersionId::random(&SeededEntropy::new(version)),
            fingerprint: "abc".to_owned(),
            previous: None,
            digest: EnvelopeDigest([7; 32]),
            envelopes: Some(Envelopes { delivery: vec![0, 255, 1], probe: vec![2] }),
            password_handle: Handle::new("p"),
            client_handle: Handle::new("c"),
        }
    }

    async fn begin(ledger: &Ledger, ask: Ask, seconds: i64) -> Vec<(IssuerObject, i64)> {
        match ledger.begin_create(&shop(), TOKEN, ask, false, &RULES, &at(seconds, "a")).await.unwrap() {
            Begun::Make(_, attempts) => attempts,
            Begun::Answer(_) => panic!("it should make"),
        }
    }

    async fn state_of(ledger: &Ledger, ask: Ask) -> RotationState {
        ledger.load(&shop(), ask.rotation).await.unwrap().rotation(ask.rotation).unwrap().state
    }

    #[tokio::test]
    async fn contract_a_version_reads_back_as_it_was_stored_until_its_envelopes_are_forgotten() {
        for (ledger, test) in ledgers().await {
            let ask = ask(1, CredentialKind::Combined);
            let attempts = begin(&ledger, ask, 1).await;
            assert_eq!(attempts, [(IssuerObject::User, 1), (IssuerObject::Client, 1)], "{}", test.engine);
            ledger.store_made(&shop(), ask, &made(9), &attempts, &at(2, "a")).await.unwrap();
            let state = ledger.load(&shop(), ask.rotation).await.unwrap();
            let rotation = state.rotation(ask.rotation).unwrap();
            assert_eq!(rotation.made.as_ref(), Some(&made(9)), "{}", test.engine);
            assert_eq!(rotation.state, RotationState::Created);
            assert_eq!(state.last_of(CredentialKind::Combined), Some(Version(9)));
            assert_eq!(state.attempts, []);
            assert_eq!(state.versions[0].stage, Stage::Pending);
            ledger.deliver(&shop(), TOKEN, ask, RULES.ends, &at(3, "a")).await.unwrap();
            let state = ledger.load(&shop(), ask.rotation).await.unwrap();
            let rotation = state.rotation(ask.rotation).unwrap();
            assert_eq!(rotation.made.as_ref().unwrap().envelopes, None);
            assert_eq!(rotation.overlap, [at(3, "a").monotonic]);
            assert_eq!(state.versions[0].stage, Stage::Current);
        }
    }

    #[tokio::test]
    async fn contract_the_overlap_is_stamped_once_a_boot() {
        for (ledger, test) in ledgers().await {
            let ask = ask(1, CredentialKind::Password);
            let attempts = begin(&ledger, ask, 1).await;
            ledger.store_made(&shop(), ask, &made(9), &attempts, &at(2, "a")).await.unwrap();
            ledger.deliver(&shop(), TOKEN, ask, RULES.ends, &at(3, "a")).await.unwrap();
            for (seconds, boot) in [(50, "a"), (5, "b"), (60, "b")] {
                ledger.begin_overlap(&shop(), TOKEN, ask, &at(seconds, boot)).await.unwrap();
            }
            ledger.deliver(&shop(), TOKEN, ask, RULES.ends, &at(99, "a")).await.unwrap();
            let state = ledger.load(&shop(), ask.rotation).await.unwrap();
            let mut stamps = state.rotation(ask.rotation).unwrap().overlap.clone();
            stamps.sort_by(|one, other| one.boot.cmp(&other.boot));
            assert_eq!(stamps, [at(3, "a").monotonic, at(5, "b").monotonic], "{}", test.engine);
        }
    }

    #[tokio::test]
    async fn contract_attempts_are_settled_by_what_is_known_and_swept_by_a_commit() {
        for (ledger, test) in ledgers().await {
            let one = ask(1, CredentialKind::Password);
            for (seconds, failed) in [
                (1, Failed::Void("R")),
                (2, Failed::Stray("ISSUER_MALFORMED_ANSWER")),
                (3, Failed::Unknown("U")),
            ] {
                let attempts = begin(&ledger, one, seconds).await;
                let (object, number) = attempts[0];
                let now = at(seconds + 10, "a");
                ledger.attempt_failed(one.rotation, object, number, failed, &now).await.unwrap();
            }
            let state = ledger.load(&shop(), one.rotation).await.unwrap();
            let mut unsettled: Vec<_> =
                state.attempts.iter().map(|attempt| (attempt.sent.clone(), attempt.state)).collect();
            unsettled.sort_by_key(|(sent, _)| sent.wall);
            // what was not answered may land for as long as a call lives from then on: its process may have been stopped
            let expected = [(at(2, "a"), Unsettled::Stray), (at(13, "a"), Unsettled::Sent)];
            assert_eq!(unsettled, expected, "{}", test.engine);
            // the hold is zero here: the two are written off, and the next one is made
            let attempts = begin(&ledger, one, 4).await;
            ledger.store_made(&shop(), one, &made(9), &attempts, &at(5, "a")).await.unwrap();
            let state = ledger.load(&shop(), one.rotation).await.unwrap();
            assert!(state.attempts.iter().all(|attempt| attempt.state == Unsettled::Presumed));
            assert_eq!(ledger.list(&shop()).await.unwrap().1, 2);
            ledger.deliver(&shop(), TOKEN, one, RULES.ends, &at(6, "a")).await.unwrap();
            ledger.begin_retire(&shop(), TOKEN, one, &[], &RULES, &at(4, "a")).await.unwrap();
            ledger.committed(&shop(), one, IssuerObject::User, None, &at(7, "a")).await.unwrap();
            ledger.retired(&shop(), None, one, &[], Some(Version(3)), &at(8, "b")).await.unwrap();
            assert_eq!(ledger.list(&shop()).await.unwrap().1, 0);
            let state = ledger.load(&shop(), one.rotation).await.unwrap();
            let rotation = state.rotation(one.rotation).unwrap();
            assert!(rotation.user_committed && !rotation.client_committed);
            let retired = rotation.retired.as_ref().unwrap();
            assert_eq!((retired.version, &retired.at), (Some(Version(3)), &at(8, "b")));
        }
    }

    #[tokio::test]
    async fn contract_a_second_answer_to_a_commit_sweeps_nothing_that_was_begun_since() {
        for (ledger, test) in ledgers().await {
            let one = ask(1, CredentialKind::Password);
            let attempts = begin(&ledger, one, 1).await;
            ledger.store_made(&shop(), one, &made(9), &attempts, &at(2, "a")).await.unwrap();
            ledger.deliver(&shop(), TOKEN, one, RULES.ends, &at(3, "a")).await.unwrap();
            ledger.begin_retire(&shop(), TOKEN, one, &[], &RULES, &at(4, "a")).await.unwrap();
            ledger.committed(&shop(), one, IssuerObject::User, None, &at(4, "a")).await.unwrap();
            ledger.retired(&shop(), None, one, &[], None, &at(5, "a")).await.unwrap();
            begin(&ledger, ask(2, CredentialKind::Password), 6).await;
            // another replica sent the same commit, and hears of it only now
            ledger.committed(&shop(), one, IssuerObject::User, None, &at(7, "a")).await.unwrap();
            let state = ledger.load(&shop(), one.rotation).await.unwrap();
            assert_eq!(state.attempts.len(), 1, "{}: the next Create is accounted for", test.engine);
        }
    }

    #[tokio::test]
    async fn contract_rows_that_break_an_invariant_stop_the_application() {
        for (ledger, test) in ledgers().await {
            let one = ask(1, CredentialKind::Password);
            begin(&ledger, one, 1).await;
            let opened = "INSERT INTO rotation (rotation, application, kind, state, opened_at) \
                 VALUES ('00000000-0000-4000-8000-000000000009', 'shop', 'password', 'creating', 1)";
            ledger.database.execute(opened, &[]).await.unwrap();
            let refused = ledger.load(&shop(), one.rotation).await.unwrap_err();
            assert_eq!(refused.reason(), "INVARIANT_VIOLATED", "{}", test.engine);
        }
    }

    #[tokio::test]
    async fn contract_a_lower_fencing_token_writes_nothing() {
        for (ledger, test) in ledgers().await {
            ledger.admit(&shop(), FencingToken(7)).await.unwrap();
            ledger.overtake(&shop(), FencingToken(5)).await.unwrap();
            ledger.admit(&shop(), FencingToken(5)).await.unwrap();
            let ask = ask(1, CredentialKind::Password);
            let stale = FencingToken(4);
            let begun = ledger.begin_create(&shop(), stale, ask, false, &RULES, &at(1, "a")).await;
            let refusals = [
                ledger.admit(&shop(), stale).await,
                ledger.overtake(&shop(), stale).await,
                begun.map(drop),
                ledger.deliver(&shop(), stale, ask, RULES.ends, &at(1, "a")).await,
                ledger.begin_overlap(&shop(), stale, ask, &at(1, "a")).await,
                ledger.begin_retire(&shop(), stale, ask, &[], &RULES, &at(4, "a")).await.map(drop),
                ledger.abandon(&shop(), stale, ask, RULES.ends, &at(1, "a")).await,
            ];
            for refused in refusals {
                assert!(
                    matches!(refused, Err(Error::StaleFencingToken { .. })),
                    "{}: {refused:?}",
                    test.engine
                );
            }
            assert_eq!(ledger.load(&shop(), ask.rotation).await.unwrap().rotations, []);
            ledger.admit(&"other".parse().unwrap(), FencingToken(1)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn contract_a_version_of_a_rotation_that_was_given_up_meanwhile_is_not_stored() {
        for (ledger, test) in ledgers().await {
            let ask = ask(1, CredentialKind::Password);
            let attempts = begin(&ledger, ask, 1).await;
            ledger.abandon(&shop(), TOKEN, ask, RULES.ends, &at(2, "a")).await.unwrap();
            let refused =
                ledger.store_made(&shop(), ask, &made(9), &attempts, &at(3, "a")).await.unwrap_err();
            assert_eq!(refused.reason(), "ROTATION_CLOSED", "{}", test.engine);
            assert_eq!(ledger.list(&shop()).await.unwrap().1, 1, "what it made is still accounted for");
            assert_eq!(ledger.load(&shop(), ask.rotation).await.unwrap().versions, []);
        }
    }

    #[tokio::test]
    async fn contract_a_later_rotation_supersedes_an_undelivered_one() {
        for (ledger, test) in ledgers().await {
            let (one, two) = (ask(1, CredentialKind::Password), ask(2, CredentialKind::Password));
            let attempts = begin(&ledger, one, 1).await;
            ledger.store_made(&shop(), one, &made(9), &attempts, &at(2, "a")).await.unwrap();
            let attempts = begin(&ledger, two, 3).await;
            assert_eq!(state_of(&ledger, one).await, RotationState::Superseded, "{}", test.engine);
            ledger.store_made(&shop(), two, &made(10), &attempts, &at(4, "a")).await.unwrap();
            assert_eq!(state_of(&ledger, two).await, RotationState::Created);
            let versions = ledger.list(&shop()).await.unwrap().0;
            let listed: Vec<_> = versions.iter().map(|version| (version.version.0, version.stage)).collect();
            assert_eq!(listed, [(10, Stage::Pending), (9, Stage::Pending)]);
        }
    }

    #[tokio::test]
    async fn contract_a_rotation_id_of_another_application_is_refused() {
        for (ledger, test) in ledgers().await {
            let ask = ask(1, CredentialKind::Password);
            begin(&ledger, ask, 1).await;
            let other: ApplicationId = "other".parse().unwrap();
            let refused =
                ledger.begin_create(&other, TOKEN, ask, false, &RULES, &at(2, "a")).await.unwrap_err();
            assert_eq!(refused.reason(), "ROTATION_MISMATCH", "{}", test.engine);
            let refused = ledger.abandon(&other, TOKEN, ask, RULES.ends, &at(2, "a")).await.unwrap_err();
            assert_eq!(refused.reason(), "ROTATION_MISMATCH", "{}", test.engine);
        }
    }

    #[tokio::test]
    async fn contract_what_was_told_and_proved_is_kept() {
        for (ledger, test) in ledgers().await {
            let ask = ask(1, CredentialKind::Password);
            begin(&ledger, ask, 1).await;
            for of in [ToldOf::Create, ToldOf::Retire, ToldOf::Prove] {
                ledger.told(&shop(), ask.rotation, of);
            }
            ledger.dead(&shop(), ask.rotation, &at(2, "a"));
            let known = async |ledger: &Ledger| {
                let state = ledger.load(&shop(), ask.rotation).await.unwrap();
                let row = state.rotation(ask.rotation).unwrap();
                let Told { create, retire, prove, .. } = row.told;
                [create, retire, prove, row.proved_dead]
            };
            let after_a_death = Ledger::new(test.database.clone());
            assert_eq!(known(&ledger).await, [true; 4], "{}: at once", test.engine);
            assert_eq!(known(&after_a_death).await, [false; 4], "{}: it is told again", test.engine);
            let stale = ledger.deliver(&shop(), FencingToken(0), ask, RULES.ends, &at(3, "a")).await;
            assert_eq!(stale.unwrap_err().reason(), "STALE_FENCING_TOKEN");
            assert_eq!(
                known(&after_a_death).await,
                [false; 4],
                "{}: nothing with a refused one",
                test.engine
            );
            ledger.begin_overlap(&shop(), TOKEN, ask, &at(3, "a")).await.unwrap();
            assert_eq!(known(&after_a_death).await, [true; 4], "{}: with the next write", test.engine);
        }
    }

    #[tokio::test]
    async fn contract_of_what_is_never_written_for_an_application_little_is_remembered() {
        for (ledger, test) in ledgers().await {
            let last = ask(99, CredentialKind::Password);
            begin(&ledger, last, 1).await;
            for seed in 1..100 {
                ledger.told(&shop(), ask(seed, CredentialKind::Password).rotation, ToldOf::Create);
            }
            assert_eq!(ledger.heard.of(&shop()).len(), 16, "{}", test.engine);
            ledger.begin_overlap(&shop(), TOKEN, last, &at(3, "a")).await.unwrap();
            let state = Ledger::new(test.database.clone()).load(&shop(), last.rotation).await.unwrap();
            assert!(state.rotation(last.rotation).unwrap().told.create, "{}: the newest is", test.engine);
            assert!(ledger.heard.of(&shop()).is_empty(), "{}", test.engine);
        }
    }

    #[tokio::test]
    async fn contract_a_receipt_of_what_was_given_up_meanwhile_is_not_accepted() {
        for (ledger, test) in ledgers().await {
            let ask = ask(1, CredentialKind::Password);
            let attempts = begin(&ledger, ask, 1).await;
            ledger.store_made(&shop(), ask, &made(7), &attempts, &at(2, "a")).await.unwrap();
            ledger.abandon(&shop(), TOKEN, ask, RULES.ends, &at(3, "a")).await.unwrap();
            let refused = ledger.deliver(&shop(), TOKEN, ask, RULES.ends, &at(4, "a")).await.unwrap_err();
            assert_eq!(refused.reason(), "ROTATION_CLOSED", "{}", test.engine);
        }
    }

    #[tokio::test]
    async fn contract_an_end_that_nobody_outside_hears_of_is_allowed_and_done_by_one_write() {
        for (ledger, test) in ledgers().await {
            let ask = ask(1, CredentialKind::Password);
            let attempts = begin(&ledger, ask, 1).await;
            ledger.store_made(&shop(), ask, &made(7), &attempts, &at(2, "a")).await.unwrap();
            let answers = [(IssuerObject::User, None)];
            let retire =
                async |token| ledger.retired(&shop(), Some(token), ask, &answers, None, &at(4, "a")).await;
            assert_eq!(retire(TOKEN).await.unwrap_err().reason(), "RECEIPT_MISSING", "{}", test.engine);
            ledger.deliver(&shop(), FencingToken(3), ask, RULES.ends, &at(3, "a")).await.unwrap();
            assert_eq!(retire(TOKEN).await.unwrap_err().reason(), "STALE_FENCING_TOKEN", "{}", test.engine);
            retire(FencingToken(3)).await.unwrap();
            let state = ledger.load(&shop(), ask.rotation).await.unwrap();
            let row = state.rotation(ask.rotation).unwrap();
            assert_eq!((row.state, row.user_committed), (RotationState::Retired, true), "{}", test.engine);
        }
    }

    #[tokio::test]
    async fn contract_an_end_that_was_not_answered_is_remembered_until_it_is_answered_void_or_too_old() {
        let user = [IssuerObject::User];
        let rules = Rules { request_life: Duration::from_secs(12), ..RULES };
        for (ledger, test) in ledgers().await {
            let one = ask(1, CredentialKind::Password);
            let attempts = begin(&ledger, one, 1).await;
            ledger.store_made(&shop(), one, &made(9), &attempts, &at(1, "a")).await.unwrap();
            ledger.deliver(&shop(), TOKEN, one, RULES.ends, &at(1, "a")).await.unwrap();
            let sent = async |seconds, boot| {
                let begun = ledger.begin_retire(&shop(), TOKEN, one, &user, &rules, &at(seconds, boot)).await;
                begun.map(|calls| calls.on(IssuerObject::User).unwrap()).map_err(|error| error.reason())
            };
            let standing = async || ledger.load(&shop(), one.rotation).await.unwrap().end_calls;
            let (rotation, object) = (one.rotation, IssuerObject::User);
            assert_eq!(sent(10, "a").await, Ok(1), "{}", test.engine);
            assert_eq!(sent(11, "a").await, Err("ISSUER_UNKNOWN_OUTCOME"), "whoever asks");
            ledger.end_failed(rotation, object, 1, Failed::Void("R"), &at(11, "a")).await.unwrap();
            assert_eq!((standing().await.len(), sent(11, "a").await), (0, Ok(2)), "surely without effect");
            ledger.end_failed(rotation, object, 2, Failed::Unknown("R"), &at(20, "a")).await.unwrap();
            assert_eq!(standing().await[0].sent, at(20, "a"), "since nobody waits for its answer any more");
            assert_eq!(sent(31, "a").await, Err("ISSUER_UNKNOWN_OUTCOME"));
            assert_eq!(sent(32, "b").await, Ok(3), "too old, by the wall clock on another boot");
            assert_eq!(standing().await.len(), 1, "what cannot land any more is forgotten");
            ledger.committed(&shop(), one, object, Some(3), &at(33, "b")).await.unwrap();
            assert_eq!(standing().await, [], "answered");
        }
    }

    /// A version of a kind is delivered and ends what was there.
    async fn replace(ledger: &Ledger, ask: Ask, version: u64, seconds: i64) {
        let attempts = begin(ledger, ask, seconds).await;
        let now = at(seconds, "a");
        ledger.store_made(&shop(), ask, &made(version), &attempts, &now).await.unwrap();
        ledger.deliver(&shop(), TOKEN, ask, RULES.ends, &now).await.unwrap();
        ledger.begin_retire(&shop(), TOKEN, ask, &[], &RULES, &now).await.unwrap();
        for object in ask.kind.issuer_objects() {
            ledger.committed(&shop(), ask, *object, None, &now).await.unwrap();
        }
        ledger.retired(&shop(), None, ask, &[], None, &now).await.unwrap();
    }

    #[tokio::test]
    async fn contract_a_statement_that_is_never_done_counts_only_where_something_that_it_means_is_left() {
        use CredentialKind::{Client, Combined, Password};
        for (ledger, test) in ledgers().await {
            let counts = async || {
                let state = ledger.load(&shop(), ask(9, Password).rotation).await.unwrap();
                [Password, Client].map(|kind| state.is_revoking(kind))
            };
            replace(&ledger, ask(1, Combined), 9, 1).await;
            assert_eq!(counts().await, [false, false], "{}", test.engine);
            let demand = Demand { id: "one".to_owned(), expires_at: at(99, "a").wall };
            ledger.accept_revocation(&shop(), TOKEN, Combined, &demand, &at(2, "a")).await.unwrap();
            assert_eq!(counts().await, [true, true], "{}", test.engine);
            replace(&ledger, ask(2, Password), 10, 3).await;
            assert_eq!(counts().await, [false, true], "{}", test.engine);
            replace(&ledger, ask(3, Client), 11, 4).await;
            assert_eq!(counts().await, [false, false], "{}", test.engine);
            let (object, number) = begin(&ledger, ask(4, Password), 5).await[0];
            let lost = Failed::Stray("ISSUER_MALFORMED_ANSWER");
            ledger
                .attempt_failed(ask(4, Password).rotation, object, number, lost, &at(6, "a"))
                .await
                .unwrap();
            assert_eq!(counts().await, [true, false], "nobody knows how old that is: {}", test.engine);
        }
    }

    #[tokio::test]
    async fn contract_a_first_write_is_remembered_once_and_what_is_set_is_current() {
        for (ledger, test) in ledgers().await {
            let ask = ask(1, CredentialKind::Client);
            let attempts = begin(&ledger, ask, 1).await;
            ledger.store_made(&shop(), ask, &made(9), &attempts, &at(2, "a")).await.unwrap();
            let (client, mut calls) = ([IssuerObject::Client], EndCalls::default());
            for (seconds, boot) in [(3, "a"), (5, "b")] {
                let (since, of_this) =
                    ledger.first_write(&shop(), TOKEN, ask, &client, &at(seconds, boot)).await.unwrap();
                assert_eq!(since, at(3, "a"), "{}", test.engine);
                calls = of_this;
            }
            let window = Duration::from_millis(1500);
            ledger.value_set(&shop(), ask, &client, &calls, window, &at(6, "a")).await.unwrap();
            let state = ledger.load(&shop(), ask.rotation).await.unwrap();
            assert_eq!(state.versions[0].stage, Stage::Current);
            assert!(state.rotation(ask.rotation).unwrap().client_committed);
            assert_eq!(state.end_calls.len(), 1, "the first was never answered");
            ledger.deliver(&shop(), TOKEN, ask, RULES.ends, &at(7, "a")).await.unwrap();
            let listed = ledger.list(&shop()).await.unwrap().0;
            assert_eq!((listed[0].stage, listed[0].replace_window), (Stage::Current, Some(window)));
            assert_eq!(listed[0].delivered_at, Some(at(7, "a").wall));
            ledger
                .abandon(&shop(), TOKEN, self::ask(5, CredentialKind::Client), RULES.ends, &at(8, "a"))
                .await
                .unwrap();
            let given_up = ledger
                .first_write(&shop(), TOKEN, self::ask(5, CredentialKind::Client), &client, &at(9, "a"))
                .await;
            assert_eq!(given_up.unwrap_err().reason(), "ROTATION_CLOSED");
        }
    }

    #[tokio::test]
    async fn contract_lies_are_counted_once_a_rotation_within_a_window_and_forgiven_by_an_operator() {
        for (ledger, test) in ledgers().await {
            let budget = ErrorBudget { issuer: "i", lies: 2, window: Duration::from_mins(1) };
            let lied = async |seed, seconds| {
                let ask = ask(seed, CredentialKind::Client);
                ledger.lied(&budget, &shop(), ask, "R", &at(seconds, "a")).await.unwrap()
            };
            for (seed, seconds, counted) in [(1, 0, 1), (1, 10, 1), (2, 100, 1)] {
                let standing = lied(seed, seconds).await;
                assert_eq!((standing.lies.len(), standing.halted_at), (counted, None), "{}", test.engine);
            }
            assert_eq!(lied(3, 110).await.halted_at, Some(at(110, "a").wall));
            assert_eq!(lied(4, 115).await.halted_at, Some(at(110, "a").wall), "since the first time");
            let standing = ledger.issuer("i", budget.window, &at(9_000, "a")).await.unwrap();
            assert!(standing.halted_at.is_some() && standing.lies.is_empty(), "time does not resume it");
            ledger.resume_issuer("i", "operator/jane", &at(116, "a")).await.unwrap();
            let standing = ledger.issuer("i", budget.window, &at(117, "a")).await.unwrap();
            assert_eq!((standing.halted_at, standing.lies), (None, vec![]));
            assert_eq!(standing.resumed_by.as_deref(), Some("operator/jane"));
            assert_eq!(lied(5, 118).await.lies.len(), 1, "it begins anew");
            assert_eq!(
                ledger.issuer("other", budget.window, &at(118, "a")).await.unwrap(),
                IssuerStanding::default()
            );
        }
    }

    #[tokio::test]
    async fn contract_the_role_does_its_work_and_rewrites_no_history() {
        for (_, test) in ledgers().await {
            if test.engine != "postgres" {
                continue;
            }
            test.administer(include_str!("../../permissions/postgres.sql")).await;
            let url = test.url_as("mint_rotator");
            let database = mint_store::Database::open(&url, SCHEMA, MIGRATIONS, false).await.unwrap();
            let ledger = Ledger::new(database.clone());
            ledger.overtake(&shop(), TOKEN).await.unwrap();
            let ask = ask(1, CredentialKind::Combined);
            let failed = begin(&ledger, ask, 1).await;
            for (object, number) in failed {
                let failed =
                    if object == IssuerObject::User { Failed::Stray("R") } else { Failed::Unknown("R") };
                ledger.attempt_failed(ask.rotation, object, number, failed, &at(1, "a")).await.unwrap();
            }
            let attempts = begin(&ledger, ask, 2).await;
            ledger.store_made(&shop(), ask, &made(9), &attempts, &at(2, "a")).await.unwrap();
            ledger.told(&shop(), ask.rotation, ToldOf::Create);
            ledger.deliver(&shop(), TOKEN, ask, RULES.ends, &at(3, "a")).await.unwrap();
            ledger.begin_retire(&shop(), TOKEN, ask, &[], &RULES, &at(4, "a")).await.unwrap();
            for object in [IssuerObject::User, IssuerObject::Client] {
                ledger.committed(&shop(), ask, object, None, &at(4, "a")).await.unwrap();
            }
            ledger.retired(&shop(), None, ask, &[], None, &at(5, "a")).await.unwrap();
            ledger.proof_failed(ask.rotation, true, &at(6, "a")).await.unwrap();
            ledger.dead(&shop(), ask.rotation, &at(6, "a"));
            assert_eq!(ledger.list(&shop()).await.unwrap().0.len(), 1);
            let replaced = self::ask(2, CredentialKind::Client);
            let attempts = begin(&ledger, replaced, 7).await;
            ledger.store_made(&shop(), replaced, &made(10), &attempts, &at(7, "a")).await.unwrap();
            let window = Duration::from_secs(1);
            let client = [IssuerObject::Client];
            let unknown = ledger.first_write(&shop(), TOKEN, replaced, &client, &at(8, "a")).await.unwrap().1;
            let number = unknown.on(IssuerObject::Client).unwrap();
            let failed = Failed::Unknown("R");
            ledger
                .end_failed(replaced.rotation, IssuerObject::Client, number, failed, &at(8, "a"))
                .await
                .unwrap();
            let calls = ledger.first_write(&shop(), TOKEN, replaced, &client, &at(8, "a")).await.unwrap().1;
            ledger.value_set(&shop(), replaced, &client, &calls, window, &at(9, "a")).await.unwrap();
            let budget = ErrorBudget { issuer: "i", lies: 1, window: Duration::from_hours(1) };
            ledger.lied(&budget, &shop(), replaced, "R", &at(9, "a")).await.unwrap();
            ledger.resume_issuer("i", "operator/jane", &at(9, "a")).await.unwrap();
            for forbidden in [
                "DELETE FROM rotation",
                "DELETE FROM version",
                "DELETE FROM attempt",
                "DELETE FROM end_call",
                "UPDATE end_call SET rotation = 'other'",
                "UPDATE rotation SET application = 'other'",
                "UPDATE version SET version = 1",
                "UPDATE attempt SET object = 'other'",
                "UPDATE overlap SET nanos = 0",
                "DELETE FROM lie",
                "UPDATE lie SET told_at = 0",
                "DELETE FROM issuer",
                "DROP TABLE version",
                "CREATE TABLE other (x TEXT)",
            ] {
                assert!(database.execute(forbidden, &[]).await.is_err(), "{forbidden}");
            }
        }
    }
}
