use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mint_testkit::{ManualClock, SeededEntropy};

use super::*;

fn access(mode: u32) -> Access {
    Access { mode, uid: None, gid: None }
}

fn open(root: &Path, mode: u32) -> Directory {
    Directory::open(root, &access(mode), Arc::new(ManualClock::default()), Arc::new(SeededEntropy::default()))
        .unwrap()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn generations(root: &Path) -> usize {
    fs::read_dir(root).unwrap().filter(|entry| is_generation(&entry.as_ref().unwrap().file_name())).count()
}

#[test]
fn the_names_in_the_field_are_readable_and_switched_together() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("meta/credentials");
    let directory = open(&root, 0o600);
    directory.switch(&[("user.json", b"u1"), ("client.json", b"c1")]).unwrap();
    assert_eq!((text(&root.join("user.json")), text(&root.join("client.json"))), ("u1".into(), "c1".into()));
    directory.switch(&[("user.json", b"u2"), ("client.json", b"c1")]).unwrap();
    assert_eq!((text(&root.join("user.json")), text(&root.join("client.json"))), ("u2".into(), "c1".into()));
    assert_eq!(generations(&root), 2, "a reader may still be in the previous one");
    directory.sweep().unwrap();
    assert_eq!(generations(&root), 1);
    assert_eq!(text(&root.join("user.json")), "u2");
}

#[test]
fn files_are_readable_by_their_owner_only() {
    let place = tempfile::tempdir().unwrap();
    for (mode, directory_mode) in [(0o600, 0o700), (0o640, 0o750), (0o644, 0o755)] {
        let root = place.path().join(format!("{mode:o}"));
        open(&root, mode).switch(&[("user.json", b"u1")]).unwrap();
        assert_eq!(mode_of(&root.join("user.json")), mode);
        let generation = root.join(fs::read_link(root.join(DATA)).unwrap());
        assert_eq!((mode_of(&generation), mode_of(&root)), (directory_mode, directory_mode));
    }
}

#[test]
fn the_owner_can_be_another() {
    let place = tempfile::tempdir().unwrap();
    let owned = Access { mode: 0o640, uid: Some(12345), gid: Some(54321) };
    let root = place.path().join("credentials");
    let made =
        Directory::open(&root, &owned, Arc::new(ManualClock::default()), Arc::new(SeededEntropy::default()));
    let switched = made.and_then(|directory| directory.switch(&[("user.json", b"u1")]));
    if rustix::process::geteuid().is_root() {
        switched.unwrap();
        let found = fs::metadata(root.join("user.json")).unwrap();
        assert_eq!((found.uid(), found.gid()), (12345, 54321));
    } else {
        assert!(matches!(switched, Err(Error::Directory { action: "giving it to its owner", .. })));
    }
}

#[test]
fn plain_files_of_an_older_berry_are_taken_over() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    fs::write(root.join("user.json"), "old").unwrap();
    fs::set_permissions(root.join("user.json"), Permissions::from_mode(0o644)).unwrap();
    let directory = open(root, 0o600);
    assert_eq!(directory.read("user.json").unwrap().unwrap().as_slice(), b"old");
    directory.switch(&[("user.json", b"new"), ("client.json", b"c1")]).unwrap();
    assert!(fs::symlink_metadata(root.join("user.json")).unwrap().is_symlink());
    assert_eq!((text(&root.join("user.json")), mode_of(&root.join("user.json"))), ("new".into(), 0o600));
}

#[test]
fn what_a_crash_left_is_swept_and_in_nobodys_way() {
    let place = tempfile::tempdir().unwrap();
    let directory = open(place.path(), 0o600);
    directory.switch(&[("user.json", b"u1")]).unwrap();
    fs::create_dir(place.path().join("..17-abandoned")).unwrap();
    symlink("nowhere", place.path().join(DATA_NEXT)).unwrap();
    symlink("nowhere", place.path().join(".user.json.tmp")).unwrap();
    fs::write(place.path().join("unrelated"), "x").unwrap();
    directory.sweep().unwrap();
    directory.switch(&[("user.json", b"u2")]).unwrap();
    assert_eq!(text(&place.path().join("user.json")), "u2");
    assert_eq!(text(&place.path().join("unrelated")), "x");
    assert!(!place.path().join("..17-abandoned").exists());
}

#[test]
fn a_reader_never_sees_a_mixed_pair() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().to_owned();
    let directory = open(&root, 0o600);
    let put = |number: u32| {
        let text = format!("{number:08}").repeat(512);
        directory.switch(&[("user.json", text.as_bytes()), ("client.json", text.as_bytes())]).unwrap();
    };
    put(0);
    let ends = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (root, ends) = (root.clone(), ends.clone());
            std::thread::spawn(move || {
                let mut reads = 0;
                while !ends.load(Ordering::Relaxed) {
                    let whole = text(&root.join("user.json"));
                    assert_eq!(whole.len(), 4096, "never half a file, never none");
                    // the pair of one instant, as kubelet's consumers read it
                    let now = root.join(fs::read_link(root.join(DATA)).unwrap());
                    let user = fs::read_to_string(now.join("user.json"));
                    let client = fs::read_to_string(now.join("client.json"));
                    if let (Ok(user), Ok(client)) = (user, client) {
                        assert_eq!(user, client);
                        reads += 1;
                    }
                }
                reads
            })
        })
        .collect();
    for number in 1..200 {
        put(number);
        std::thread::sleep(std::time::Duration::from_millis(1));
        // the agent sweeps at its next poll
        if number % 20 == 0 {
            directory.sweep().unwrap();
        }
    }
    ends.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.join().unwrap() > 50, "the reader read");
    }
}
