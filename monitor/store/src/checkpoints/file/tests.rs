use std::os::unix::fs::{MetadataExt, symlink};

use rollcall_engine::detection::{Detection, Settings};
use rollcall_model::hash::HashKey;

use super::*;

fn draft() -> Draft {
    Detection::new(Settings::default(), HashKey::new([7; 16])).checkpoint().unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_checkpoint_is_replaced_as_a_whole_and_for_this_user_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = CheckpointFile::new(directory.path());
    assert!(file.read(1 << 20).unwrap().is_none());
    // What a daemon leaves that is killed meanwhile.
    fs::write(directory.path().join(DRAFT), "half").unwrap();
    for _ in 0..2 {
        file.draft(&draft()).unwrap();
        file.replace().unwrap();
        let mut written = Vec::new();
        draft().write(&mut written).unwrap();
        assert_eq!(file.read(1 << 20).unwrap(), Some(written));
        assert_eq!(names(directory.path()), [FILE]);
        assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o777, 0o600);
    }
}

#[test]
fn what_is_no_file_of_ours_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = CheckpointFile::new(directory.path());
    fs::write(file.path(), "four").unwrap();
    assert!(file.read(3).is_err());
    assert_eq!(file.read(4).unwrap(), Some(b"four".to_vec()));
    fs::remove_file(file.path()).unwrap();
    symlink("/dev/zero", file.path()).unwrap();
    assert!(file.read(1 << 20).is_err());
    // Nor is what it leads to touched.
    file.draft(&draft()).unwrap();
    file.replace().unwrap();
    assert!(fs::symlink_metadata(file.path()).unwrap().is_file());
    fs::remove_file(file.path()).unwrap();
    fs::create_dir(file.path()).unwrap();
    assert!(file.read(1 << 20).is_err());
    file.set_aside("foreign", Timestamp(0)).unwrap();
    assert_eq!(names(directory.path()), ["checkpoint.foreign-19700101T000000.000000Z"]);
}

#[test]
fn the_latest_that_were_set_aside_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let file = CheckpointFile::new(directory.path());
    // None of ours.
    fs::write(directory.path().join("checkpoint.bak"), "").unwrap();
    for (second, why) in ["newer", "damaged", "other-key", "cut", "older"].into_iter().enumerate() {
        fs::write(file.path(), why).unwrap();
        let aside = file.set_aside(why, Timestamp(second as u64 * 1_000_000_000)).unwrap();
        assert_eq!(fs::read_to_string(aside).unwrap(), why);
    }
    let kept = [
        "checkpoint.bak",
        "checkpoint.cut-19700101T000003.000000Z",
        "checkpoint.older-19700101T000004.000000Z",
        "checkpoint.other-key-19700101T000002.000000Z",
    ];
    assert_eq!(names(directory.path()), kept);
}

#[test]
fn a_draft_that_is_not_whole_does_not_stay() {
    let directory = tempfile::tempdir().unwrap();
    let file = CheckpointFile::new(directory.path());
    fs::write(file.path(), "the one before").unwrap();
    // Nothing can be removed that is a directory with something in it, nor written to.
    fs::create_dir_all(directory.path().join(DRAFT).join("x")).unwrap();
    let error = file.draft(&draft()).unwrap_err();
    assert!(matches!(error, CheckpointError::Write { .. }), "{error}");
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "the one before");
}
