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
    /// Bytes of records that the last look at the ring found.
    RING_BYTES: Gauge "rollcall_ring_bytes" [];
    /// Size of the ring buffer (--ring-size).
    RING_SIZE_BYTES: Gauge "rollcall_ring_size_bytes" [];
    /// Share of request targets that is being captured (--sample), 1 without sampling.
    SAMPLING_RATIO: Gauge "rollcall_sampling_ratio" [];

    /// Programs that serve, by what is seen inside their TLS: by a probe on the function of `openssl` (and its descendants), `gnutls` or `go`; or nothing, as they have `none` that is known, its function is `uncertain`, the probe `failed` or was hit `too_often` and taken off, or somebody has them `debugged`.
    TLS_PROGRAMS: Gauge "rollcall_tls_programs" ["how"];
    /// Hits of the probes by what became of them: secrets `submitted`, what is `not_needed`, what is no secret and was `refused`; and losses, `unreadable` or as the `ring_full`.
    TLS_PROBE_HITS: Counter "rollcall_tls_probe_hits_total" ["outcome"];

    /// Response segments that the kernel took down and the daemon came too late for.
    RESPONSE_ENTRIES_LOST: Counter "rollcall_response_entries_lost_total" [];

    /// HTTP connections that are being followed.
    HTTP_CONNECTIONS: Gauge "rollcall_http_connections" [];
    /// Bytes held of streams whose next byte has not come yet, and of requests without their answer.
    HTTP_BUFFERED_BYTES: Gauge "rollcall_http_buffered_bytes" [];
    /// Requests reported, with their response where there was one.
    EXCHANGES: Counter "rollcall_exchanges_total" [];
    /// TCP connections that carry only part of what a client sends, which goes over others too (MPTCP): what the server reads is not seen whole.
    MULTIPATH_CONNECTIONS: Counter "rollcall_mptcp_connections_total" [];
    /// Share of the traffic that could not be read lately (TLS, HTTP/2, no HTTP at all), NaN if none came.
    OPAQUE_RATIO: Gauge "rollcall_opaque_ratio" [];
    /// Requests known to have been made and not reported, and packets that may have been some: the ring was full, the kernel had no memory, or headers could not be read.
    REQUESTS_LOST: Counter "rollcall_requests_lost_total" [];
    /// Requests seen on the wire and not reported, as the server did not take them: `unconfirmed` by its TCP, `withdrawn` when what was found by guessing was none, `unserved` after the server had said it would close.
    HTTP_REQUESTS_DISMISSED: Counter "rollcall_http_requests_dismissed_total" ["reason"];
    /// Requests reported with something missing: `truncated_head`, `malformed`, `response_missed`, or `too_many_pending` answers.
    HTTP_REQUESTS_INCOMPLETE: Counter "rollcall_http_requests_incomplete_total" ["reason"];
    /// Segments set aside as the server's TCP does the same: `checksum`, `implausible`, `retransmitted`; or as they contradict what TCP has: `conflict`.
    HTTP_SEGMENTS_REFUSED: Counter "rollcall_http_segments_refused_total" ["reason"];
    /// Holes in the streams.
    HTTP_GAPS: Counter "rollcall_http_gaps_total" ["direction"];
    /// Bytes of requests in holes that cost the parser its place.
    HTTP_LOST_BYTES: Counter "rollcall_http_lost_bytes_total" [];
    /// Times that a connection's requests could no longer be told from other bytes.
    HTTP_DESYNCS: Counter "rollcall_http_desyncs_total" [];
    /// Times that they were found again.
    HTTP_RESYNCS: Counter "rollcall_http_resyncs_total" [];
    /// Requests found among bytes that had been taken for something else, as the server had answered them.
    HTTP_REREAD: Counter "rollcall_http_requests_reread_total" [];
    /// Answers to requests that were not seen, each a call of which only the client is known: on connections that are older than the daemon (`joined`), that bytes were `lost` of, after a message in whose `framing` servers differ, on connections of an `other_protocol`, or `upgraded_to_http2`; `unknown` if nothing is known to have gone wrong.
    ANSWERS_UNEXPLAINED: Counter "rollcall_answers_unexplained_total" ["reason"];
    /// Response bytes or segments that belong to no request, counted once each time they begin.
    HTTP_UNPAIRED_RESPONSES: Counter "rollcall_http_unpaired_responses_total" [];
    /// Connections that began with a PROXY protocol header.
    HTTP_PROXIED_CONNECTIONS: Counter "rollcall_http_proxied_connections_total" [];
    /// Connections that Rollcall cannot see into: `tls`, `http2`, `not_http`, or HTTP until it was `upgraded` or became a `tunnel`.
    HTTP_OPAQUE_CONNECTIONS: Counter "rollcall_http_opaque_connections_total" ["reason"];
    /// Connections that carried TLS while secrets were to be had, by what became of them: `read`, or why not: no secret came that opens them (`no_secret`), their `suite` or `version` is not one that is read, the handshake was `malformed` or bytes of it `lost`, there was no room to hold them (`memory`), or the connection was older than the daemon (`joined`).
    TLS_CONNECTIONS: Counter "rollcall_tls_connections_total" ["outcome"];
    /// Records that nothing opened, of connections that are read.
    TLS_RECORDS_UNOPENED: Counter "rollcall_tls_records_unopened_total" [];
    /// Secrets that were handed in.
    TLS_SECRETS: Counter "rollcall_tls_secrets_total" [];
    /// Connections forgotten before they closed: `evicted` as there were too many, or `idle`.
    HTTP_CONNECTIONS_FORGOTTEN: Counter "rollcall_http_connections_forgotten_total" ["reason"];
    /// Segments out of order that there was no room for.
    HTTP_BUFFER_OVERFLOWS: Counter "rollcall_http_buffer_overflows_total" [];
    /// Segments that came with a handshake whose connection never showed up.
    HTTP_LISTENER_EXPIRED: Counter "rollcall_http_listener_expired_total" [];

    /// Calls taken in by the detector: `counted` as an object read, `little` where little more was told than that it is there,
    /// `no_object` on their route, `refused` by the server, or answered with `content`, or `writes`.
    DETECTOR_OBSERVATIONS: Counter "rollcall_detector_observations_total" ["kind"];
    /// Objects for which a sample of their call's counts, as it named more than 80.
    DETECTOR_OBJECTS_BEYOND: Counter "rollcall_detector_objects_beyond_total" [];
    /// Memory set aside for detection (--memory-budget).
    DETECTOR_MEMORY_BYTES: Gauge "rollcall_detector_memory_bytes" [];
    /// Pairs of client and route that the detector follows.
    DETECTOR_PAIRS: Gauge "rollcall_detector_pairs" [];
    /// Objects that it remembers of them.
    DETECTOR_OBJECTS: Gauge "rollcall_detector_objects" [];
    /// Pairs near a limit, of which evidence is kept.
    DETECTOR_WATCHED: Gauge "rollcall_detector_watched" [];
    /// Objects that a client must touch on a route to be followed: 1, and more as the tables fill: what it touched before that is estimated.
    DETECTOR_ADMISSION: Gauge "rollcall_detector_admission_objects" [];
    /// Objects touched by clients that had touched too few to be followed; they are counted by estimate.
    DETECTOR_NOT_ADMITTED: Counter "rollcall_detector_not_admitted_total" [];
    /// Pairs forgotten before their time as a table was full: `idle` ones, or `busy` ones that had come to a quarter of a limit.
    DETECTOR_EVICTIONS: Counter "rollcall_detector_evictions_total" ["kind"];
    /// Times that the objects of a pair were thinned out to a sample: its counts are estimates from then on.
    DETECTOR_THINNED: Counter "rollcall_detector_thinned_total" [];
    /// Times that the estimates of clients that are not followed had to start over, as their sketches were full.
    DETECTOR_SKETCHES_CLEARED: Counter "rollcall_detector_sketches_cleared_total" [];
    /// Routes of which it is known what is usual there.
    DETECTOR_ROUTES: Gauge "rollcall_detector_routes" [];
    /// Blocks of neighbouring numbers that are being touched.
    DETECTOR_BLOCKS: Gauge "rollcall_detector_blocks" [];
    /// What it forgot about everybody's calls as a table was full: what is usual on `routes`, or `blocks` of numbers.
    DETECTOR_ROUTE_EVICTIONS: Counter "rollcall_detector_route_evictions_total" ["kind"];
    /// Times that the older half of the memory of touched objects was dropped: it was full, or a week old.
    DETECTOR_MEMORY_TURNED: Counter "rollcall_detector_memory_turned_total" [];
    /// Times that the clock of what is observed was set back by more than a minute.
    DETECTOR_CLOCK_SET_BACK: Counter "rollcall_detector_clock_set_back_total" [];
    /// Routes that have been learned.
    ROUTES: Gauge "rollcall_routes" [];
    /// Calls by the service that they were made to: the server's port, with the name where it was told of (--service). Those of the 33rd port and all beyond are `:*`.
    SERVICE_CALLS: Counter "rollcall_service_calls_total" ["service"];
    /// Calls that got the route `~other`, as there were too many routes or the template was too long.
    ROUTES_OVERFLOWED: Counter "rollcall_routes_overflowed_total" [];
    /// Bodies of requests: `read` to their end, `cut` where objects beyond the cap (--body-cap) do not count, or `opaque`, in which no objects are looked for: files, other languages.
    BODIES: Counter "rollcall_bodies_total" ["outcome"];
    /// Calls by trusted proxies that count as the proxy's own, as what they forwarded named nobody, could not be told from what the client added, or was cut off.
    FORWARDED_REFUSED: Counter "rollcall_forwarded_refused_total" [];
    /// Credentials that did not count, as one call had more than four.
    CREDENTIALS_DROPPED: Counter "rollcall_credentials_dropped_total" [];
    /// Findings that have begun. Those of one attack, through several lenses and by several rules, are one alert.
    FINDINGS: Counter "rollcall_findings_total" ["rule"];
    /// Alerts opened, by the rule and the severity that they opened with.
    ALERTS: Counter "rollcall_alerts_total" ["rule", "severity"];
    /// Alerts that are open, by their severity now.
    ALERTS_OPEN: Gauge "rollcall_alerts_open" ["severity"];
    /// Findings that became no alert, as too many were open.
    ALERTS_SUPPRESSED: Counter "rollcall_alerts_suppressed_total" [];

    /// As of when what is known is on disk, in seconds since the Unix epoch; when the daemon started, at first. What a crash would lose is younger.
    CHECKPOINT_TIMESTAMP: Gauge "rollcall_checkpoint_last_success_timestamp_seconds" [];
    /// Size of the latest checkpoint.
    CHECKPOINT_SIZE_BYTES: Gauge "rollcall_checkpoint_size_bytes" [];
    /// What the latest checkpoint took: to `copy` what is known, while packets wait, and to `write` it, which nobody waits for.
    CHECKPOINT_DURATION: Gauge "rollcall_checkpoint_duration_seconds" ["part"];
    /// Checkpoints that could not be written; the one before is kept.
    CHECKPOINT_FAILURES: Counter "rollcall_checkpoint_failures_total" [];
    /// Always 1; the label tells what the daemon started with: the `whole` checkpoint, the `in_part` of it that fits new settings, or `none`, or it was `set_aside` as it could not be used.
    CHECKPOINT_RESTORED: Gauge "rollcall_checkpoint_restored" ["outcome"];

    /// Alerts handed to a sink's receiver, by what became of that: `delivered`, or `refused` for good.
    ALERT_DELIVERIES: Counter "rollcall_alert_deliveries_total" ["sink", "outcome"];
    /// Attempts to deliver alerts that failed and are made again.
    ALERT_DELIVERY_FAILURES: Counter "rollcall_alert_delivery_failures_total" ["sink"];
    /// Alerts that wait for a sink.
    OUTBOX_ALERTS: Gauge "rollcall_outbox_alerts" ["sink"];
    /// Bytes of them.
    OUTBOX_BYTES: Gauge "rollcall_outbox_bytes" ["sink"];
    /// How long the oldest of them has been waiting; 0 while none is.
    OUTBOX_OLDEST_SECONDS: Gauge "rollcall_outbox_oldest_seconds" ["sink"];
    /// Alerts that a sink never got, as more were waiting than there is room for, on disk or in memory.
    OUTBOX_DROPPED: Counter "rollcall_outbox_dropped_total" ["sink"];
    /// Failed attempts to write the ledger, by database: `alerts`, which are delivered from memory meanwhile, or `exposure`.
    LEDGER_WRITE_ERRORS: Counter "rollcall_ledger_write_errors_total" ["database"];
    /// Alerts that never were recorded, as the ledger could not be written for too long.
    LEDGER_LOST_ALERTS: Counter "rollcall_ledger_lost_alerts_total" [];
    /// Times that the database of alerts was set aside while the daemon ran, as it was damaged.
    LEDGER_SET_ASIDE: Counter "rollcall_ledger_set_aside_total" [];
    /// Allowances in force: what somebody has said is in order (`rollcall allowed`).
    ALLOWANCES: Gauge "rollcall_allowances" [];

    /// Lines written to a log.
    LOG_LINES: Counter "rollcall_log_lines_total" ["log"];
    /// Lines that never reached their log: the queue was full, or the disk.
    LOG_LINES_DROPPED: Counter "rollcall_log_lines_dropped_total" ["log"];
    /// Failed attempts to write to a log.
    LOG_WRITE_ERRORS: Counter "rollcall_log_write_errors_total" ["log"];
    /// Bytes that wait to be written to a log.
    LOG_QUEUE_BYTES: Gauge "rollcall_log_queue_bytes" ["log"];

    /// Clients of open alerts whose touches are being written down.
    LEDGER_WATCHED: Gauge "rollcall_ledger_watched" [];
    /// Clients of alerts whose touches are not, as too many are watched or the writer is too far behind.
    LEDGER_UNWATCHED: Counter "rollcall_ledger_unwatched_total" [];
    /// Calls of clients of alerts that touched objects and were written down.
    LEDGER_TOUCHES: Counter "rollcall_ledger_touches_total" [];
    /// Calls that were not: the `queue` was full, the `disk` took nothing for too long, or there was no `room` for more objects (--ledger.size).
    LEDGER_TOUCHES_DROPPED: Counter "rollcall_ledger_touches_dropped_total" ["reason"];
    /// Objects in the ledger.
    LEDGER_OBJECTS: Gauge "rollcall_ledger_objects" [];
    /// Objects removed from it: to make `room` (--ledger.size), or with alerts beyond their `age` (--ledger.age).
    LEDGER_OBJECTS_EVICTED: Counter "rollcall_ledger_objects_evicted_total" ["reason"];
    /// Size of the file that has them.
    LEDGER_SIZE_BYTES: Gauge "rollcall_ledger_size_bytes" [];

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
