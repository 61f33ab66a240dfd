//! From the counters of every part to metrics. Each counter is named, so that a new one can't be forgotten here.

use std::sync::Arc;

use monitor_ebpf::outcome::Outcome;
use rollcall_attribute::{client, route};
use rollcall_capture::DirectionStatistics;
use rollcall_detect::{self as detect, CrowdCounters, Rule, TallyCounters, alert};
use rollcall_engine::{EngineCounters, detection};
use rollcall_http as http;
use rollcall_metrics::{self as metrics, Samples};
use rollcall_stream as stream;

/// What the capture thread last told.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub engine: EngineCounters,
    /// Calls of each service.
    pub calls: Vec<(Arc<str>, u64)>,
    /// Bytes that the last look at the ring found.
    pub ring_bytes: u64,
    /// Response entries lost so far.
    pub responses_lost: u64,
    /// Connections whose bytes travel over others too.
    pub multipath: u64,
    /// Share of the traffic that could not be read lately, if any came.
    pub opaque: Option<f64>,
}

/// Requests known to be lost, as they were missed on the way here or as the server answered them; and packets that may have
/// been some: those whose headers can't be read, and those of connections for which the kernel had no memory.
pub(super) fn lost(requests: &DirectionStatistics, http: &http::HttpCounters) -> u64 {
    let packets = [Outcome::Unreadable, Outcome::NoMemory].map(|outcome| requests.count(outcome));
    let answered = |why: http::Unexplained| http.unexplained[why as usize];
    let hidden = http::Unexplained::HIDDEN.map(answered).iter().sum::<u64>();
    // What was missed on the way here is seen twice: when it is dropped, and when it is answered, be it later than the place
    // in the stream was found again.
    let missed = requests.requests_lost + http.lost_requests;
    missed.max(answered(http::Unexplained::Lost) + hidden) + packets.iter().sum::<u64>()
}

/// Pushes everything that is known of capture, streams and detection.
pub(super) fn show(figures: &Figures, directions: &[DirectionStatistics; 2], samples: &mut Samples) {
    for (name, statistics) in ["request", "response"].iter().zip(directions) {
        samples.push(&metrics::SEGMENTS_SEEN, &[name], statistics.seen());
        samples.push_each(&metrics::SEGMENTS, &[name], &Outcome::NAMES, &statistics.outcomes);
    }
    samples.push(&metrics::REQUESTS_LOST, &[], lost(&directions[0], &figures.engine.http));
    samples.push(&metrics::RING_BYTES, &[], figures.ring_bytes);
    samples.push(&metrics::RESPONSE_ENTRIES_LOST, &[], figures.responses_lost);
    samples.push(&metrics::OPAQUE_RATIO, &[], figures.opaque.unwrap_or(f64::NAN));
    samples.push(&metrics::MULTIPATH_CONNECTIONS, &[], figures.multipath);
    show_http(&figures.engine.http, samples);
    show_detection(&figures.engine.detection, samples);
    for (service, calls) in &figures.calls {
        samples.push(&metrics::SERVICE_CALLS, &[service], *calls);
    }
}

fn show_http(counters: &http::HttpCounters, samples: &mut Samples) {
    let http::HttpCounters {
        stream,
        ref decrypted,
        exchanges,
        unconfirmed,
        // Shown with the kernel's.
        lost_requests: _,
        withdrawn,
        unserved,
        gaps,
        lost_bytes,
        // Known to be harmless: counted for the tests.
        skipped_bytes: _,
        response_gaps,
        desyncs,
        resyncs,
        reread,
        unexplained,
        proxied,
        not_http,
        tls,
        http2,
        upgraded,
        tunnels,
        truncated_heads,
        malformed_requests,
        pending_overflows,
        unpaired_responses,
        responses_missed,
        pending_bytes,
    } = *counters;
    let http::TlsCounters {
        // Those read and those that are not.
        connections: _,
        read,
        unread,
        // For people: see `rollcall replay`.
        suites: _,
        records_unopened,
        secrets,
        trials: _,
        held_bytes,
    } = decrypted;
    let stream::StreamCounters {
        conflicts,
        checksum_invalid,
        implausible,
        retransmitted,
        evicted_connections,
        idle_connections,
        buffer_overflows,
        listener_expired,
        connections,
        buffered_bytes,
    } = stream;
    samples.push(&metrics::HTTP_CONNECTIONS, &[], connections);
    samples.push(&metrics::HTTP_BUFFERED_BYTES, &[], buffered_bytes + pending_bytes + held_bytes);
    samples.push(&metrics::EXCHANGES, &[], exchanges);
    samples.push_each(
        &metrics::HTTP_REQUESTS_DISMISSED,
        &[],
        &["unconfirmed", "withdrawn", "unserved"],
        &[unconfirmed, withdrawn, unserved],
    );
    samples.push_each(
        &metrics::HTTP_REQUESTS_INCOMPLETE,
        &[],
        &["truncated_head", "malformed", "response_missed", "too_many_pending"],
        &[truncated_heads, malformed_requests, responses_missed, pending_overflows],
    );
    samples.push_each(
        &metrics::HTTP_SEGMENTS_REFUSED,
        &[],
        &["checksum", "implausible", "retransmitted", "conflict"],
        &[checksum_invalid, implausible, retransmitted, conflicts],
    );
    samples.push_each(&metrics::HTTP_GAPS, &[], &["request", "response"], &[gaps, response_gaps]);
    samples.push(&metrics::HTTP_LOST_BYTES, &[], lost_bytes);
    samples.push(&metrics::HTTP_DESYNCS, &[], desyncs);
    samples.push(&metrics::HTTP_RESYNCS, &[], resyncs);
    samples.push(&metrics::HTTP_REREAD, &[], reread);
    samples.push_each(&metrics::ANSWERS_UNEXPLAINED, &[], &http::Unexplained::NAMES, &unexplained);
    samples.push(&metrics::HTTP_UNPAIRED_RESPONSES, &[], unpaired_responses);
    samples.push(&metrics::HTTP_PROXIED_CONNECTIONS, &[], proxied);
    samples.push_each(
        &metrics::HTTP_OPAQUE_CONNECTIONS,
        &[],
        &["tls", "http2", "not_http", "upgraded", "tunnel"],
        &[tls, http2, not_http, upgraded, tunnels],
    );
    samples.push(&metrics::TLS_CONNECTIONS, &["read"], *read);
    samples.push_each(&metrics::TLS_CONNECTIONS, &[], &http::Unread::NAMES, unread);
    samples.push(&metrics::TLS_RECORDS_UNOPENED, &[], *records_unopened);
    samples.push(&metrics::TLS_SECRETS, &[], *secrets);
    samples.push_each(
        &metrics::HTTP_CONNECTIONS_FORGOTTEN,
        &[],
        &["evicted", "idle"],
        &[evicted_connections, idle_connections],
    );
    samples.push(&metrics::HTTP_BUFFER_OVERFLOWS, &[], buffer_overflows);
    samples.push(&metrics::HTTP_LISTENER_EXPIRED, &[], listener_expired);
}

fn show_detection(counters: &detection::DetectionCounters, samples: &mut Samples) {
    let detection::DetectionCounters {
        routes: route::RouteCounters { routes, overflowed, bodies: route::Bodies { read, cut, opaque } },
        detector:
            detect::DetectorCounters {
                observations,
                without_object,
                refused,
                content,
                writes,
                little,
                objects_beyond,
                clock_set_back,
                bytes,
                crowd:
                    CrowdCounters {
                        routes: tracked,
                        route_evictions,
                        blocks,
                        block_evictions,
                        generations,
                        open: _,
                        suppressed: routes_suppressed,
                    },
                tally:
                    TallyCounters {
                        not_admitted,
                        evicted_idle,
                        evicted_busy,
                        thinned,
                        findings_suppressed,
                        sketches_cleared,
                        pairs,
                        objects,
                        watched,
                        open: _,
                        admission,
                    },
            },
        clients: client::ClientCounters { refused_chains, credentials_dropped },
        alerts: alert::AlertCounters { findings, opened, updated: _, resolved: _, suppressed, open },
    } = *counters;
    samples.push_each(
        &metrics::DETECTOR_OBSERVATIONS,
        &[],
        &["counted", "little", "no_object", "refused", "content", "writes"],
        &[
            observations - without_object - refused - content - writes - little,
            little,
            without_object,
            refused,
            content,
            writes,
        ],
    );
    samples.push(&metrics::DETECTOR_OBJECTS_BEYOND, &[], objects_beyond);
    samples.push(&metrics::DETECTOR_MEMORY_BYTES, &[], bytes);
    samples.push(&metrics::DETECTOR_PAIRS, &[], pairs);
    samples.push(&metrics::DETECTOR_OBJECTS, &[], objects);
    samples.push(&metrics::DETECTOR_WATCHED, &[], watched);
    samples.push(&metrics::DETECTOR_ADMISSION, &[], admission);
    samples.push(&metrics::DETECTOR_NOT_ADMITTED, &[], not_admitted);
    samples.push_each(&metrics::DETECTOR_EVICTIONS, &[], &["idle", "busy"], &[evicted_idle, evicted_busy]);
    samples.push(&metrics::DETECTOR_THINNED, &[], thinned);
    samples.push(&metrics::DETECTOR_SKETCHES_CLEARED, &[], sketches_cleared);
    samples.push(&metrics::DETECTOR_ROUTES, &[], tracked);
    samples.push(&metrics::DETECTOR_BLOCKS, &[], blocks);
    samples.push_each(
        &metrics::DETECTOR_ROUTE_EVICTIONS,
        &[],
        &["routes", "blocks"],
        &[route_evictions, block_evictions],
    );
    samples.push(&metrics::DETECTOR_MEMORY_TURNED, &[], generations);
    samples.push(&metrics::DETECTOR_CLOCK_SET_BACK, &[], clock_set_back);
    samples.push(&metrics::ROUTES, &[], routes);
    samples.push(&metrics::ROUTES_OVERFLOWED, &[], overflowed);
    samples.push_each(&metrics::BODIES, &[], &["read", "cut", "opaque"], &[read, cut, opaque]);
    samples.push(&metrics::FORWARDED_REFUSED, &[], refused_chains);
    samples.push(&metrics::CREDENTIALS_DROPPED, &[], credentials_dropped);
    samples.push_each(&metrics::FINDINGS, &[], &Rule::ALL.map(Rule::name), &findings);
    for (rule, [info, warning, critical]) in Rule::ALL.into_iter().zip(opened) {
        let name = rule.name();
        if rule.is_notice() {
            samples.push(&metrics::ALERTS, &[name, "info"], info);
        } else {
            samples.push_each(&metrics::ALERTS, &[name], &["warning", "critical"], &[warning, critical]);
        }
    }
    samples.push_each(&metrics::ALERTS_OPEN, &[], &["info", "warning", "critical"], &open);
    samples.push(&metrics::ALERTS_SUPPRESSED, &[], suppressed + findings_suppressed + routes_suppressed);
}
