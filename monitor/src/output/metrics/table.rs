//! The table of all families: the one place where a metric's name, kind, labels and help stand.

use super::{Kind, MetricDef};

macro_rules! families {
    ($($(#[doc = $help:literal])+ $family:ident: $kind:ident $name:literal [$($label:literal),*];)+) => {
        $(
            $(#[doc = $help])+
            pub static $family: MetricDef = MetricDef {
                name: $name,
                help: concat!($($help),+).trim_ascii(),
                kind: Kind::$kind,
                labels: &[$($label),*],
            };
        )+

        /// Every family, in the order of the table.
        pub static ALL: &[&MetricDef] = &[$(&$family),+];
    };
}

families! {
    /// Always 1; the labels tell which build runs.
    BUILD_INFO: Gauge "rollcall_build_info" ["version", "revision"];

    /// TCP segments that the kernel programs saw, whatever became of them.
    SEGMENTS_SEEN: Counter "rollcall_segments_seen_total" ["direction"];
    /// TCP segments by what became of them; the outcomes of a direction add up to the segments seen.
    SEGMENTS: Counter "rollcall_segments_total" ["direction", "outcome"];
    /// Bytes of the ring buffer that wait to be read.
    RING_BYTES: Gauge "rollcall_ring_bytes" [];
    /// Size of the ring buffer (--ring-size).
    RING_SIZE_BYTES: Gauge "rollcall_ring_size_bytes" [];
    /// Share of request targets that is being captured (--sample), 1 without sampling.
    SAMPLING_RATIO: Gauge "rollcall_sampling_ratio" [];

    /// HTTP connections that are being followed.
    HTTP_CONNECTIONS: Gauge "rollcall_http_connections" [];
    /// Bytes held for streams whose next byte has not come yet, and for unfinished heads.
    HTTP_BUFFERED_BYTES: Gauge "rollcall_http_buffered_bytes" [];
    /// Requests reported, with their response where there was one.
    EXCHANGES: Counter "rollcall_exchanges_total" [];
    /// Requests known to have been made and not reported.
    REQUESTS_LOST: Counter "rollcall_requests_lost_total" [];

    /// Pairs of client and route that the detector follows.
    DETECTOR_CLIENTS: Gauge "rollcall_detector_clients" [];
    /// Routes that the detector knows.
    DETECTOR_ROUTES: Gauge "rollcall_detector_routes" [];
    /// Alerts opened.
    ALERTS: Counter "rollcall_alerts_total" ["rule", "severity"];
    /// Alerts that are open.
    ALERTS_OPEN: Gauge "rollcall_alerts_open" [];

    /// Lines written to a log.
    LOG_LINES: Counter "rollcall_log_lines_total" ["log"];
    /// Lines that never reached their log: the queue was full, or the disk.
    LOG_LINES_DROPPED: Counter "rollcall_log_lines_dropped_total" ["log"];
    /// Failed attempts to write to a log.
    LOG_WRITE_ERRORS: Counter "rollcall_log_write_errors_total" ["log"];
    /// Bytes that wait to be written to a log.
    LOG_QUEUE_BYTES: Gauge "rollcall_log_queue_bytes" ["log"];

    /// CPU time that the daemon has used, user and system. Kernel programs run on the time of those whose packets they see.
    PROCESS_CPU_SECONDS: Counter "process_cpu_seconds_total" [];
    /// Memory of the daemon that is in RAM.
    PROCESS_RESIDENT_MEMORY_BYTES: Gauge "process_resident_memory_bytes" [];
    /// File descriptors that the daemon has open.
    PROCESS_OPEN_FDS: Gauge "process_open_fds" [];
    /// File descriptors that the daemon may have open.
    PROCESS_MAX_FDS: Gauge "process_max_fds" [];
    /// When the daemon started, in seconds since the Unix epoch.
    PROCESS_START_TIME_SECONDS: Gauge "process_start_time_seconds" [];
}
