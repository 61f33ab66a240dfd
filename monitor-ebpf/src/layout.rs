//! Where each field of what crosses the border to the daemon stands, or stays in the kernel between two packets.
//!
//! There is no padding, in which bytes of kernel memory could leak.

use std::mem::{offset_of, size_of};

use crate::{
    connection::{Connection, Role},
    control::{ADVICE_IGNORE, ADVICE_SKIP, ADVICE_WHOLE, Advice, Control},
    outcome::{Counters, OUTCOMES, Outcome, Tally},
    record::*,
    secret::{HITS, Hit, LABELS, ProcessHits, SecretRecord, UNLABELLED},
};

/// Holds every field of a type against its offset; each begins where the one before ends, and the last one ends the type.
macro_rules! assert_layout {
    ($type:ident { $($field:ident: $kind:ty = $offset:expr,)* } $size:expr) => {{
        // Names them all, with their types: a new one has to be added here.
        let _: fn($type) = |$type { $($field,)* }| { $(let _: $kind = $field;)* };
        let mut end = 0;
        $(
            assert_eq!(offset_of!($type, $field), $offset, stringify!($type.$field));
            assert_eq!(end, $offset, "padding before {}", stringify!($type.$field));
            end += size_of::<$kind>();
        )*
        assert_eq!((end, size_of::<$type>()), ($size, $size), stringify!($type));
    }};
}

#[test]
fn records() {
    assert_layout!(SegmentHeader {
        kind: u32 = 0,
        captured: u32 = 4,
        connection: u64 = 8,
        at: u64 = 16,
        cgroup: u64 = 24,
        seq: u32 = 32,
        ack: u32 = 36,
        length: u32 = 40,
        offset: u32 = 44,
        received: u32 = 48,
        sent: u32 = 52,
        sampling: u32 = 56,
        flags: u16 = 60,
        header: u16 = 62,
        source_port: u16 = 64,
        destination_port: u16 = 66,
        source: [u32; 4] = 68,
        destination: [u32; 4] = 84,
        reserved: [u32; 3] = 100,
    } 112);
    assert_layout!(Entry {
        begin: u64 = 0,
        connection: u64 = 8,
        at: u64 = 16,
        seq: u32 = 24,
        ack: u32 = 28,
        length: u32 = 32,
        captured: u16 = 36,
        flags: u16 = 38,
        data: [u8; 272] = 40,
        end: u64 = 312,
    } 320);
    assert_layout!(Batch {
        kind: u32 = 0,
        count: u32 = 4,
        cpu: u32 = 8,
        busy: u32 = 12,
        last: u64 = 16,
        reserved: u64 = 24,
        entries: [Entry; 16] = 32,
    } 5152);
    assert_layout!(SecretRecord {
        at: u64 = 0,
        process: u32 = 8,
        label: u8 = 12,
        length: u8 = 13,
        has_random: u8 = 14,
        reserved: u8 = 15,
        secret: [u8; 48] = 16,
        random: [u8; 32] = 64,
    } 96);
    assert_eq!((LABELS.len(), UNLABELLED), (6, 255));
    assert_eq!((KIND_SEGMENT, KIND_BATCH), (1, 2));
    let flags = [
        FLAG_RESPONSE,
        FLAG_SYN,
        FLAG_FIN,
        FLAG_RST,
        FLAG_ACK,
        FLAG_IPV6,
        FLAG_LISTENER,
        FLAG_JOINED,
        FLAG_AFTER_RESPONSE,
        FLAG_CUT,
    ];
    assert_eq!(flags, std::array::from_fn(|bit| 1 << bit));
}

#[test]
fn values_of_maps() {
    assert_layout!(Control { idle: u32 = 0, sampling: u32 = 4, warned: u32 = 8, reads_tls: u32 = 12, } 16);
    assert_layout!(Advice { kind: u32 = 0, seq: u32 = 4, } 8);
    assert_eq!((ADVICE_IGNORE, ADVICE_SKIP, ADVICE_WHOLE), (1, 2, 3));
    assert_layout!(Tally { outcomes: [u64; 14] = 0, requests_lost: u64 = 112, } 120);
    assert_layout!(Counters { alone: Tally = 0, amid: Tally = 120, busy: u64 = 240, } 248);
    assert_layout!(ProcessHits { hits: u64 = 0, refused: u64 = 8, } 16);
    assert_layout!(Connection {
        role: Role = 0,
        joined: u8 = 1,
        announced: u8 = 2,
        responded: u8 = 3,
        unconfirmed: u8 = 4,
        whole: u8 = 5,
        suspicion: u8 = 6,
        skipping: u8 = 7,
        sampled_out: u8 = 8,
        tls: u8 = 9,
        reserved: [u8; 2] = 10,
        mark: u32 = 12,
        unanswered: u32 = 16,
        answered: u32 = 20,
        packets: u32 = 24,
        budget: u32 = 28,
        cgroup: u64 = 32,
    } 40);
    let roles = [Role::Listener, Role::Server, Role::Client, Role::NotHttp, Role::Ignored];
    assert_eq!(roles.map(|role| role as u8), [1, 2, 3, 4, 5]);
}

/// The counters are an array in this order, and metrics have these labels.
#[test]
fn outcomes() {
    let outcomes = [
        (Outcome::Submitted, "submitted"),
        (Outcome::NoPayload, "no_payload"),
        (Outcome::NotTcp, "not_tcp"),
        (Outcome::PortFiltered, "port_filtered"),
        (Outcome::NoSocket, "no_socket"),
        (Outcome::ClientSide, "client_side"),
        (Outcome::NotHttp, "not_http"),
        (Outcome::Ignored, "ignored"),
        (Outcome::SkippedBody, "skipped_body"),
        (Outcome::SampledOut, "sampled_out"),
        (Outcome::OverBudget, "over_budget"),
        (Outcome::RingFull, "ring_full"),
        (Outcome::NoMemory, "no_memory"),
        (Outcome::Unreadable, "unreadable"),
    ];
    assert_eq!(outcomes.len(), OUTCOMES);
    for (index, (outcome, name)) in outcomes.into_iter().enumerate() {
        assert_eq!((outcome as usize, Outcome::NAMES[index]), (index, name));
    }
}

#[test]
fn hits() {
    let hits = [
        (Hit::Submitted, "submitted"),
        (Hit::NotNeeded, "not_needed"),
        (Hit::Refused, "refused"),
        (Hit::Unreadable, "unreadable"),
        (Hit::RingFull, "ring_full"),
    ];
    assert_eq!(hits.len(), HITS);
    for (index, (hit, name)) in hits.into_iter().enumerate() {
        assert_eq!((hit as usize, Hit::NAMES[index]), (index, name));
    }
}
