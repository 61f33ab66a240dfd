//! How many records a second the consumer's first step takes: from the bytes in the ring to a segment.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use monitor_ebpf::record::{FLAG_ACK, KIND_SEGMENT, SegmentHeader};
use rollcall_capture::{
    Consumer,
    decode::{self, Record},
};
use rollcall_tests::packet::{self, Checksum, Segment};

use crate::{
    interrupt,
    monitor::Counting,
    report::{Figure, Section, rate},
    summary::Summary,
    wrk,
};

/// As large as the ring is by default.
const RING: usize = 8 << 20;
/// A record as the kernel sees it: our header, and what was captured.
const RECORD: usize = 512;
/// Before each record: its length, and where it stands (`struct bpf_ringbuf_hdr` of kernel/bpf/ringbuf.c).
const KERNEL_HEADER: usize = 8;
/// Passes that make up one value, about 50 ms: a single one is too short for the clock of a busy machine.
const PASSES: usize = 20;
const GOAL: f64 = 6e6;

pub(crate) fn measure(time: Duration) -> Result<Section> {
    let mut figures = Vec::new();
    for (name, checksum) in [
        ("**from a network: checksum complete, verified**", Checksum::Valid),
        ("**from this host: checksum left to hardware**", Checksum::PseudoHeaderOnly),
    ] {
        let rates = rates(&ring(checksum)?, time / 2)?;
        let summary = Summary::of(&rates)?;
        figures.push(Figure::spread(name, summary, rate).goal("≥ 6 M/s", summary.median >= GOAL));
    }
    Ok(Section {
        tables: Vec::new(),
        title: "Ring records decoded",
        method: format!(
            "{} MiB of records as the kernel lays them out in the ring, of {RECORD} bytes each ({} bytes of packet), decoded and handed to \
             a consumer that counts, over and over.",
            RING >> 20,
            RECORD - size_of::<SegmentHeader>()
        ),
        figures,
        notes: vec![
            "The consumer's side only: nothing is captured meanwhile, no program competes for the memory, and what of \
             the records fits the caches stays there."
                .to_owned(),
        ],
    })
}

/// Records a second.
fn rates(ring: &[u8], time: Duration) -> Result<Vec<f64>> {
    let mut consumer = Counting(Arc::default());
    let mut rates = Vec::new();
    let end = Instant::now() + time;
    while Instant::now() < end {
        let start = Instant::now();
        let mut count = 0;
        for _ in 0..PASSES {
            count += consume(ring, &mut consumer)?;
        }
        rates.push(count as f64 / start.elapsed().as_secs_f64());
        interrupt::check()?;
    }
    Ok(rates)
}

/// Takes each record, as the capture loop does.
fn consume(mut ring: &[u8], consumer: &mut impl Consumer) -> Result<u64> {
    let mut count = 0;
    while let Some((header, rest)) = ring.split_at_checked(KERNEL_HEADER) {
        let length = header.first_chunk().map_or(0, |&word| u32::from_ne_bytes(word)) as usize;
        let (record, rest) =
            rest.split_at_checked(length.next_multiple_of(8)).context("a record is cut off")?;
        match decode::record(&record[..length], 1) {
            Some(Record::Segment(segment)) => consumer.segment(&segment),
            Some(Record::Batch(_)) | None => anyhow::bail!("a record that was not laid out here"),
        }
        count += 1;
        ring = rest;
    }
    Ok(count)
}

/// The ring's memory, full.
fn ring(checksum: Checksum) -> Result<Vec<u8>> {
    let packet = packet(checksum);
    ensure!(size_of::<SegmentHeader>() + packet.len() == RECORD, "a packet of {} bytes", packet.len());
    let mut ring = Vec::with_capacity(RING);
    while ring.len() + KERNEL_HEADER + RECORD <= RING {
        let page = ring.len() / 4096;
        ring.extend((RECORD as u32).to_ne_bytes());
        ring.extend((page as u32).to_ne_bytes());
        header(&mut ring, packet.len() as u32, page as u64);
        ring.extend_from_slice(&packet);
    }
    Ok(ring)
}

const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 98, 0, 2), 40_000);
const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 98, 0, 1), 8080);
/// With the timestamps that every packet of Linux carries.
const TCP_HEADER: u16 = 32;
const SEQ: u32 = 1_000;
const CGROUP: u64 = 4_242;

/// A request's packet from its TCP header on.
fn packet(checksum: Checksum) -> Vec<u8> {
    const IP_HEADER: usize = 20;
    let payload = RECORD - size_of::<SegmentHeader>() - usize::from(TCP_HEADER);
    let mut options = [0; 12];
    options[..4].copy_from_slice(&[1, 1, 8, 10]);
    let request = wrk::requests().swap_remove(0);
    let whole = packet::encode(&Segment {
        source: CLIENT.into(),
        destination: SERVER.into(),
        seq: SEQ,
        ack: SEQ,
        flags: packet::PSH | packet::ACK,
        window: 512,
        urgent: 0,
        options: &options,
        payload: &request.as_bytes()[..payload],
        checksum,
        extensions: &[],
    });
    whole[IP_HEADER..].to_vec()
}

/// Our header of a record, field by field, as [`SegmentHeader`] has them.
fn header(ring: &mut Vec<u8>, captured: u32, connection: u64) {
    let address = |address: &SocketAddrV4| (u128::from(address.ip().to_bits()) << 96).to_be_bytes();
    let length = captured - u32::from(TCP_HEADER);
    ring.extend([KIND_SEGMENT, captured].iter().flat_map(|word| word.to_ne_bytes()));
    let at = 1_000_000_000 + ring.len() as u64;
    ring.extend([connection, at, CGROUP].iter().flat_map(|word| word.to_ne_bytes()));
    let (offset, sampling) = (0, u32::MAX);
    ring.extend([SEQ, SEQ, length, offset, SEQ, SEQ, sampling].iter().flat_map(|word| word.to_ne_bytes()));
    ring.extend(
        [FLAG_ACK, TCP_HEADER, CLIENT.port(), SERVER.port()].iter().flat_map(|half| half.to_ne_bytes()),
    );
    ring.extend(address(&CLIENT));
    ring.extend(address(&SERVER));
    ring.extend([0; 12]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall_stream as stream;

    #[test]
    fn the_ring_is_full_of_requests_as_the_kernel_writes_them() {
        for (checksum, found) in [
            (Checksum::Valid, stream::Checksum::Valid),
            (Checksum::PseudoHeaderOnly, stream::Checksum::Unknown),
        ] {
            let ring = ring(checksum).unwrap();
            assert!(RING - ring.len() < KERNEL_HEADER + RECORD);
            let Some(Record::Segment(segment)) = decode::record(&ring[KERNEL_HEADER..][..RECORD], 0) else {
                panic!("the first record is no segment");
            };
            assert_eq!(segment.checksum, found);
            assert_eq!((segment.data.len(), segment.length, segment.seq), (368, 368, SEQ));
            assert_eq!(segment.cgroup, Some(CGROUP));
            assert!(segment.data.starts_with(b"GET /v1/customers/1 "));
            assert_eq!(segment.endpoints.unwrap().client, CLIENT.into());
            let count = consume(&ring, &mut Counting(Arc::default())).unwrap();
            assert_eq!(count as usize, ring.len() / (KERNEL_HEADER + RECORD));
        }
    }
}
