use std::{collections::HashSet, path::Path};

use super::*;

#[test]
fn the_text_has_help_type_labels_and_values() {
    let metrics = Metrics::new().unwrap();
    metrics.add(|samples| {
        samples.push(&SEGMENTS_SEEN, &["request"], 7u64);
        samples.push_each(&SEGMENTS, &["request"], &["submitted", "not_http"], &[5, 2]);
        samples.push(&RING_BYTES, &[], 4096.0);
    });
    let text = metrics.text().unwrap();
    let ours: Vec<_> = text
        .lines()
        .filter(|line| line.contains("rollcall_segments") || line.contains("rollcall_ring"))
        .collect();
    assert_eq!(
        ours,
        [
            "# HELP rollcall_ring_bytes Bytes of records that the last look at the ring found.",
            "# TYPE rollcall_ring_bytes gauge",
            "rollcall_ring_bytes 4096",
            "# HELP rollcall_segments_seen_total TCP segments that the kernel programs saw, whatever became of them.",
            "# TYPE rollcall_segments_seen_total counter",
            "rollcall_segments_seen_total{direction=\"request\"} 7",
            "# HELP rollcall_segments_total TCP segments by what became of them; \
             the outcomes of a direction add up to the segments seen.",
            "# TYPE rollcall_segments_total counter",
            "rollcall_segments_total{direction=\"request\",outcome=\"not_http\"} 2",
            "rollcall_segments_total{direction=\"request\",outcome=\"submitted\"} 5",
        ]
    );
}

#[test]
fn counters_begin_with_the_daemon_whatever_was_counted_before() {
    let collect = |seen: u64, bytes: u64| {
        let mut samples = Samples::default();
        samples.push(&SEGMENTS_SEEN, &["request"], seen);
        samples.push(&SEGMENTS_SEEN, &["response"], 2 * seen);
        samples.push(&RING_BYTES, &[], bytes);
        samples
    };
    let metrics = Metrics::new().unwrap();
    let before = collect(7, 9);
    metrics.add(move |samples| samples.add_since(collect(10, 5), &before));
    let text = metrics.text().unwrap();
    for line in [
        "rollcall_segments_seen_total{direction=\"request\"} 3",
        "rollcall_segments_seen_total{direction=\"response\"} 6",
        "rollcall_ring_bytes 5",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} in {text}");
    }
}

#[test]
fn the_process_is_measured() {
    let text = Metrics::new().unwrap().text().unwrap();
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
        "rollcall_build_info{",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} in {text}");
    }
}

#[test]
fn names_keep_to_the_rules() {
    let mut names = HashSet::new();
    for def in ALL {
        assert!(names.insert(def.name), "{} twice", def.name);
        assert!(def.name.starts_with("rollcall_") || def.name.starts_with("process_"), "{}", def.name);
        assert_eq!(def.name.ends_with("_total"), def.kind == Kind::Counter, "{}", def.name);
        assert!(def.help.ends_with('.') && !def.help.contains('\n'), "{}", def.name);
        for label in def.labels {
            assert!(!["client", "object", "path", "target", "credential"].contains(label), "{}", def.name);
        }
    }
}

#[test]
fn the_documentation_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    if std::env::var_os("ROLLCALL_BLESS").is_some() {
        std::fs::write(&path, markdown()).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        markdown(),
        "ROLLCALL_BLESS=1 cargo test writes docs/metrics.md anew"
    );
}
