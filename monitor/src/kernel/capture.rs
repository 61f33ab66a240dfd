//! The loop that takes what the programs have captured to whoever consumes it.
//!
//! A wake-up for each record costs a quarter of the server's throughput, and polling costs a sleeping host its
//! rest. So: while traffic flows the loop comes by itself every few milliseconds and the programs wake it only
//! when the ring fills faster than that; when traffic stops it goes to sleep, and the next record wakes it once.

use std::{os::fd::AsFd, sync::Arc, time::Duration};

use aya::maps::{MapData, RingBuf};
use aya_log::EbpfLogger;
use monitor_ebpf::control::Control;
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        eventfd::{EfdFlags, EventFd},
    },
    time::{ClockId, clock_gettime},
};

use super::{
    Error, Statistics,
    advice::Advice,
    batches::Batches,
    decode::{self, Record},
    mapped::Mapped,
};
use crate::{
    http::Directive,
    stream::{ConnectionId, Direction, Endpoints, Multipath, Segment},
    time::Timestamp,
};

/// Between two looks at the ring while traffic flows. At 100,000 requests/s that is 500 records a look: enough
/// to spread the cost of waking, few enough to stay in the cache.
const BUSY: Duration = Duration::from_millis(5);
/// The same at low rates, where each look costs more than what it finds.
const QUIET: Duration = Duration::from_millis(20);
/// Records and entries a look that tell the one from the other: 5,000 requests/s stay below.
const BUSY_RECORDS: usize = 512;
/// Without a record for this long the loop goes to sleep.
const SLEEP_AFTER: Duration = Duration::from_millis(100);
/// A sleeping loop still shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Takes segments, and gives advice in return.
pub trait Consumer {
    fn segment(&mut self, segment: &Segment<'_>);
    /// Bytes of this connection travel over others too (MPTCP): its segments don't show what the server reads.
    fn multipath(&mut self, _ends: &Endpoints) {}
    /// All that was captured before `now` has been handed over.
    fn settle(&mut self, now: Timestamp);
    /// When `settle` has to be called next even if nothing comes.
    fn next_deadline(&self) -> Option<Timestamp>;
    /// Moves out the advice for the programs that has come up since.
    fn directives(&mut self) -> impl Iterator<Item = (ConnectionId, Directive)>;
    /// Told after each look: bytes waiting in the ring before it, and response entries lost so far.
    fn captured(&mut self, ring_bytes: u64, responses_lost: u64);
}

/// Stops a running [`Capture`] from another thread or a signal handler's task.
#[derive(Clone)]
pub struct Stop(Arc<EventFd>);

impl Stop {
    /// A stop that has not been asked for yet.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?)))
    }

    /// Asks the capture to stop; it drains what has been captured and returns.
    pub fn stop(&self) {
        // Fails only when the counter is full: then a stop has been asked for, and often.
        let _ = self.0.write(1);
    }
}

/// The daemon's side of the programs' maps.
pub(super) struct Maps {
    pub(super) ring: RingBuf<MapData>,
    pub(super) batches: Batches,
    pub(super) control: Mapped<Control>,
    pub(super) advice: Advice,
    pub(super) statistics: Arc<Statistics>,
    pub(super) logger: EbpfLogger<&'static dyn log::Log>,
}

/// What the programs have captured, on its way to a [`Consumer`].
pub struct Capture {
    maps: Maps,
    epoll: Epoll,
    multipath: Multipath,
}

const RING_EVENT: u64 = 0;
const STOP_EVENT: u64 = 1;

impl Capture {
    pub(super) fn new(maps: Maps) -> Result<Self, Error> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(io("create an epoll instance"))?;
        // Edge-triggered: readiness is the programs' wake-up, not that there is data, as there nearly always is.
        epoll
            .add(&maps.ring, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, RING_EVENT))
            .map_err(io("watch the ring"))?;
        Ok(Self { maps, epoll, multipath: Multipath::default() })
    }

    /// The programs' counters.
    pub fn statistics(&self) -> Arc<Statistics> {
        Arc::clone(&self.maps.statistics)
    }

    /// Hands what is captured to `consumer` until `stop`.
    pub fn run(&mut self, consumer: &mut impl Consumer, stop: &Stop) -> Result<(), Error> {
        self.epoll
            .add(&*stop.0, EpollEvent::new(EpollFlags::EPOLLIN, STOP_EVENT))
            .map_err(io("watch for the stop"))?;
        let mut last_record = monotonic();
        let mut events = [EpollEvent::empty(); 2];
        loop {
            let records = self.look(consumer);
            let now = monotonic();
            if records > 0 {
                last_record = now;
            }
            let mut wait = if records >= BUSY_RECORDS { BUSY } else { QUIET };
            if now.saturating_sub(last_record) > SLEEP_AFTER {
                self.set_idle(true);
                // What came before the programs saw the word would wake nobody.
                if self.look(consumer) > 0 {
                    last_record = now;
                } else {
                    wait = HEARTBEAT;
                }
            }
            if let Some(deadline) = consumer.next_deadline() {
                wait = wait.min(deadline.since(Timestamp::now()).max(QUIET));
            }
            let timeout = EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::ZERO);
            let ready = match self.epoll.wait(&mut events, timeout) {
                Err(nix::Error::EINTR) => 0,
                result => result.map_err(io("wait for records"))?,
            };
            self.set_idle(false);
            self.maps.logger.flush();
            if events.iter().take(ready).any(|event| event.data() == STOP_EVENT) {
                return Ok(());
            }
        }
    }

    /// Hands over what is left once the programs are detached.
    pub fn drain(&mut self, consumer: &mut impl Consumer) {
        while self.look(consumer) > 0 {}
        let clock = clock_offset();
        // What TCP had dated ahead to pace it.
        self.maps.batches.partial(clock, Timestamp(u64::MAX), &mut |segment| consumer.segment(segment));
    }

    /// Takes everything there is once. Returns the number of records and entries.
    fn look(&mut self, consumer: &mut impl Consumer) -> usize {
        let clock = clock_offset();
        let (mut count, mut bytes) = (0, 0);
        // Bounded, so that a flood cannot keep the rest from its turn.
        while bytes < BYTES_A_LOOK {
            let (found, taken) = self.turn(clock, consumer);
            count += found;
            bytes += taken;
            if taken < BYTES_A_TURN {
                break;
            }
        }
        let Maps { batches, advice, .. } = &mut self.maps;
        consumer.captured(bytes, batches.lost);
        consumer.settle(Timestamp::now());
        for (connection, directive) in consumer.directives() {
            advice.leave(connection, directive);
        }
        count
    }

    /// Takes some records, and then the responses that have been collected meanwhile. Returns the number of both, and the
    /// bytes of the former.
    fn turn(&mut self, clock: u64, consumer: &mut impl Consumer) -> (usize, u64) {
        let Self { maps: Maps { ring, batches, .. }, multipath, .. } = self;
        let (mut count, mut bytes, mut last) = (0, 0, None);
        while bytes < BYTES_A_TURN
            && let Some(record) = ring.next()
        {
            count += 1;
            bytes += record.len() as u64;
            match decode::record(&record, clock) {
                Some(Record::Segment(segment)) => {
                    last = Some(segment.at);
                    if segment.direction == Direction::Request
                        && multipath.is_news(&segment, decode::tcp_header(&record))
                        && let Some(ends) = &segment.endpoints
                    {
                        consumer.multipath(ends);
                    }
                    consumer.segment(&segment);
                }
                Some(Record::Batch(batch)) => {
                    batches.full(&batch, clock, &mut |segment| consumer.segment(segment))
                }
                None => tracing::error!("a record of unknown shape came out of the ring"),
            }
        }
        // A record that is being written holds up those behind it, and a response must not overtake its request: so
        // only responses are taken whose requests must have been taken, those from before the last record, or from
        // before the ring was seen empty.
        let now = Timestamp(duration_nanos(monotonic()).wrapping_add(clock));
        let upto = if is_empty(ring) { Some(now) } else { last };
        if let Some(upto) = upto {
            count += batches.partial(clock, upto, &mut |segment| consumer.segment(segment));
        }
        (count, bytes)
    }

    fn set_idle(&mut self, idle: bool) {
        // SAFETY: the only element; the programs read the word whole.
        unsafe { (&raw mut (*self.maps.control.pointer(0)).idle).write_volatile(u32::from(idle)) };
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    }
}

/// Bytes of records that are taken between two turns of everything else.
const BYTES_A_LOOK: u64 = 64 << 20;

/// Bytes of records that are taken between two looks at the responses that are being collected. Packets that were captured
/// whole, which are in the ring, must not run ahead of these by more than a connection's buffer holds, nor requests by more
/// than may wait for their answers, however late the daemon comes. At 100,000 requests/s that is some 3,000 looks a
/// second, of a fraction of a microsecond.
const BYTES_A_TURN: u64 = 16 << 10;

fn io(what: &'static str) -> impl Fn(nix::Error) -> Error {
    move |error| Error::Io { what, source: error.into() }
}

fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default()
}

/// Nanoseconds from the kernel's clock to the time of day; asked for anew each time, as the latter is steered.
fn clock_offset() -> u64 {
    let now = Timestamp::now();
    now.0.wrapping_sub(duration_nanos(monotonic()))
}

fn duration_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether no record waits in the ring, complete or not.
fn is_empty(ring: &RingBuf<MapData>) -> bool {
    let mut descriptors = [PollFd::new(ring.as_fd(), PollFlags::POLLIN)];
    poll(&mut descriptors, PollTimeout::ZERO).is_ok_and(|ready| ready == 0)
}

/// Asks for the CPU ahead of others for the calling thread, which is to [run](Capture::run) a capture: when the ring has to
/// be read, a few milliseconds of it in time are worth more than many late. Without the capability for it, and below the
/// limit on nice values, everything works but under the heaviest load.
pub fn go_ahead() {
    const NICE: i32 = -10;
    // SAFETY: no pointers; 0 is the calling thread.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) } != 0 {
        tracing::debug!("not permitted to raise the priority of the capture thread");
    }
}
