use std::fs;

use redmask_core::{Error, Seed, Session};
use serde_json::json;

use super::*;

const COST: StageCost = StageCost {
    seconds: 1.0,
    peak_bytes: None,
    threads: 1,
    work: 1.0,
};

fn key(kind: StageKind, name: &str) -> StageKey {
    StageKey::derive(kind, &name, &[], Some(&Seed::root(0))).unwrap()
}

fn slot(store: &Store, key: StageKey) -> Slot {
    match store.begin(key, &Session::default()).unwrap() {
        Begin::Todo(slot) => slot,
        Begin::Done(_) => panic!("{key} is finished already"),
    }
}

#[test]
fn a_committed_stage_is_found_and_its_files_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let key = key(StageKind::Attack, "a");
    assert!(store.find(key).unwrap().is_none());
    let slot = slot(&store, key);
    slot.write_json("scores.json", &json!([1, 2])).unwrap();
    slot.commit("attack a", json!({"name": "a"}), COST).unwrap();

    let stored = store.find(key).unwrap().unwrap();
    assert_eq!(stored.read_json::<Vec<u32>>("scores.json").unwrap(), [1, 2]);
    assert!(matches!(
        store.begin(key, &Session::default()).unwrap(),
        Begin::Done(_)
    ));

    for tampered in ["[1,", "[1,2,3,4,5,6,7,8,9,10]"] {
        fs::write(stored.dir().join("scores.json"), tampered).unwrap();
        let error = stored.read("scores.json").unwrap_err();
        assert!(error.to_string().contains("scores.json"), "{error}");
    }
    assert!(matches!(stored.read("../x"), Err(Error::Input { .. })));
}

#[test]
fn a_stage_that_another_run_computes_is_left_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(dir.path()).unwrap();
    let second = Store::open(dir.path()).unwrap();
    let key = key(StageKind::Attack, "a");
    let slot = slot(&first, key);
    assert!(second.try_begin(key).unwrap().is_none());
    let session = Session::default();
    session.cancel.cancel();
    let waited = second.begin(key, &session);
    assert!(matches!(waited, Err(Error::Interrupted)));
    slot.commit("attack a", json!(null), COST).unwrap();
    let begun = second.try_begin(key).unwrap();
    assert!(matches!(begun, Some(Begin::Done(_))));
}

#[test]
fn an_abandoned_stage_leaves_nothing_unless_it_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let attack = slot(&store, key(StageKind::Attack, "a"));
    attack.write("half", b"written").unwrap();
    drop(attack);
    assert!(names(&dir.path().join("attack")).is_empty());

    let train = slot(&store, key(StageKind::Train, "t"));
    let checkpoint = train.dir().join("checkpoint-3");
    fs::create_dir(&checkpoint).unwrap();
    train.write("epochs.jsonl", b"...").unwrap();
    drop(train);
    let again = slot(&store, key(StageKind::Train, "t"));
    assert!(checkpoint.is_dir() && again.dir().join("epochs.jsonl").is_file());
    // A log alone is nothing to go on from.
    fs::remove_dir(&checkpoint).unwrap();
    drop(again);
    assert!(names(&dir.path().join("train")).is_empty());
}

#[test]
fn opening_sweeps_what_a_dead_process_left() {
    let dir = tempfile::tempdir().unwrap();
    let dead = dir.path().join("attack/0000.partial");
    let resumable = dir.path().join("train/0000.partial");
    fs::create_dir_all(&dead).unwrap();
    fs::create_dir_all(resumable.join("checkpoint-4.tmp")).unwrap();
    fs::create_dir_all(resumable.join("checkpoint-3")).unwrap();
    fs::write(resumable.join("checkpoint-3/model"), b"").unwrap();
    fs::write(resumable.join("log.tmp"), b"").unwrap();
    fs::create_dir_all(dir.path().join("train/1111.partial")).unwrap();

    let first = Store::open(dir.path()).unwrap();
    assert!(!dead.exists());
    assert_eq!(names(&resumable), ["checkpoint-3"]);
    assert_eq!(names(&dir.path().join("train")), ["0000.partial"]);

    // A second user of the store must not sweep what the first one is writing.
    let slot = slot(&first, key(StageKind::Attack, "busy"));
    let _second = Store::open(dir.path()).unwrap();
    assert!(slot.dir().is_dir());
}

#[test]
fn a_damaged_record_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let key = key(StageKind::Split, "s");
    let stored = slot(&store, key)
        .commit("split", json!(null), COST)
        .unwrap();
    let record = stored.dir().join(record::RECORD);
    let good = fs::read_to_string(&record).unwrap();
    let other = good.replace(&key.hash.to_hex(), &"0".repeat(64));
    for bad in ["", "{", &good[..good.len() / 2], other.as_str()] {
        fs::write(&record, bad).unwrap();
        let error = store.find(key).unwrap_err();
        assert!(error.to_string().contains("stage.json"), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn replacing_a_file_leaves_no_scratch_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.json");
    write_atomically(&path, b"one").unwrap();
    write_atomically(&path, b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(names(dir.path()), ["results.json"]);
    let error = write_atomically(&dir.path().join("no/such/folder"), b"").unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
}
