use std::{
    fs,
    sync::mpsc::{self, SyncSender},
};

use rollcall_engine::detection::{Detection, Settings};
use rollcall_model::hash::HashKey;

use super::*;

const EVERY: Duration = Duration::from_secs(60);

/// A writer in a directory of its own, and detection that it is to keep.
struct Scene {
    directory: tempfile::TempDir,
    file: CheckpointFile,
    detection: Detection,
    writer: CheckpointWriter,
}

impl Scene {
    fn new() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let file = CheckpointFile::new(directory.path());
        let writer =
            CheckpointWriter::start(file.clone(), EVERY, Restored::None, Timestamp(5_000_000_000)).unwrap();
        let detection = Detection::new(Settings::default(), HashKey::new([7; 16]));
        Scene { directory, file, detection, writer }
    }

    /// Hands over what is known; the answer is the ledger's to give.
    fn keep(&mut self, second: u64) -> SyncSender<bool> {
        let (answer, recorded) = mpsc::sync_channel(1);
        self.writer.keep(Timestamp(second * 1_000_000_000), recorded, || self.detection.checkpoint());
        answer
    }

    fn kept(&self) -> bool {
        self.file.read(1 << 20).unwrap().is_some()
    }
}

fn metric(stats: &CheckpointStats, name: &str) -> f64 {
    let metrics = rollcall_metrics::Metrics::new().unwrap();
    let mut samples = Samples::default();
    stats.collect(&mut samples);
    let samples = std::sync::Mutex::new(Some(samples));
    metrics.add(move |all| *all = samples.lock().unwrap().take().unwrap_or_default());
    let text = metrics.text().unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn a_checkpoint_takes_its_place_once_the_ledger_has_what_was_found_before() {
    let mut scene = Scene::new();
    let stats = scene.writer.stats();
    assert_eq!(metric(&stats, "rollcall_checkpoint_last_success_timestamp_seconds"), 5.0);
    let answer = scene.keep(7);
    let later = Instant::now() + 2 * EVERY;
    assert!(!scene.writer.is_due(later), "one is being written");
    assert!(!scene.kept());
    answer.send(true).unwrap();
    let Scene { directory, file, writer, .. } = scene;
    writer.finish();
    assert_eq!(metric(&stats, "rollcall_checkpoint_last_success_timestamp_seconds"), 7.0);
    let size = fs::metadata(file.path()).unwrap().len();
    assert_eq!(metric(&stats, "rollcall_checkpoint_size_bytes"), size as f64);
    assert!(metric(&stats, "rollcall_checkpoint_duration_seconds{part=\"copy\"}") > 0.0);
    assert_eq!(metric(&stats, "rollcall_checkpoint_failures_total"), 0.0);
    assert_eq!(metric(&stats, "rollcall_checkpoint_restored{outcome=\"none\"}"), 1.0);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
}

#[test]
fn without_the_ledger_or_the_disk_the_one_before_stays() {
    for answer in [Some(false), None] {
        let mut scene = Scene::new();
        fs::write(scene.file.path(), "the one before").unwrap();
        let sender = scene.keep(7);
        answer.into_iter().for_each(|answer| sender.send(answer).unwrap());
        drop(sender);
        let Scene { directory: _directory, file, writer, .. } = scene;
        let stats = writer.stats();
        writer.finish();
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "the one before");
        assert_eq!(metric(&stats, "rollcall_checkpoint_failures_total"), 1.0);
        assert_eq!(metric(&stats, "rollcall_checkpoint_last_success_timestamp_seconds"), 5.0);
    }
    let mut scene = Scene::new();
    // Gone, as after a mount that failed.
    fs::remove_dir_all(scene.directory.path()).unwrap();
    // It has given up by then, or not.
    let _ = scene.keep(7).send(true);
    let stats = scene.writer.stats();
    scene.writer.finish();
    assert_eq!(metric(&stats, "rollcall_checkpoint_failures_total"), 1.0);
}

#[test]
fn it_is_due_when_its_time_has_passed() {
    let mut scene = Scene::new();
    let start = Instant::now();
    assert!(!scene.writer.is_due(start) && scene.writer.is_due(start + EVERY));
    scene.writer.skip(Timestamp(9_000_000_000));
    assert!(!scene.writer.is_due(start + EVERY) && scene.writer.is_due(start + 2 * EVERY));
    assert_eq!(metric(&scene.writer.stats(), "rollcall_checkpoint_last_success_timestamp_seconds"), 9.0);
    scene.writer.keep(Timestamp(0), mpsc::sync_channel(1).1, || Err(io::Error::other("a defect")));
    assert!(scene.writer.is_failing() && scene.writer.is_due(Instant::now() + EVERY));
}
