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
use rollcall_model::time::Timestamp;
use rollcall_stream::Directive;
use rollcall_stream::{ConnectionId, Direction, Endpoints, Multipath, Segment};
use rollcall_tls::Secret;

use super::{
    Error, Statistics,
    advice::Advice,
    batches::Batches,
    decode::{self, Record},
    mapped::Mapped,
    probes::{SecretHits, Secrets},
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
    /// A program has passed a secret of one of its TLS connections.
    fn secret(&mut self, _secret: Secret) {}
    /// Bytes of this connection travel over others too (MPTCP): its segments don't show what the server reads.
    fn multipath(&mut self, _ends: &Endpoints) {}
    /// All that was captured before this was last called has been handed over, and of what was captured before `upto` all but
    /// some answers.
    fn settle(&mut self, upto: Timestamp);
    /// Told after each look, however far it came.
    fn looked(&mut self, _now: Timestamp) {}
    /// When `settle` has to be called next even if nothing comes.
    fn next_deadline(&self) -> Option<Timestamp>;
    /// Moves out the advice for the programs that has come up since.
    fn directives(&mut self) -> impl Iterator<Item = (ConnectionId, Directive)>;
    /// Told after each look: bytes of records that it took, and response entries lost so far.
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

    /// Waits for so long; whether it has been asked for.
    pub(super) fn wait(&self, patience: Duration) -> std::io::Result<bool> {
        let mut descriptors = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO)) {
            Ok(ready) => Ok(ready > 0),
            Err(nix::Error::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// The daemon's side of the programs' maps.
pub(super) struct Maps {
    pub(super) ring: RingBuf<MapData>,
    pub(super) batches: Batches,
    pub(super) control: Mapped<Control>,
    pub(super) advice: Advice,
    pub(super) statistics: Arc<Statistics>,
    pub(super) secrets: Secrets,
    pub(super) secret_hits: Arc<SecretHits>,
    pub(super) logger: EbpfLogger<&'static dyn log::Log>,
}

/// What the programs have captured, on its way to a [`Consumer`].
pub struct Capture {
    maps: Maps,
    epoll: Epoll,
    multipath: Multipath,
    progress: Progress,
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
        Ok(Self { maps, epoll, multipath: Multipath::default(), progress: Progress::default() })
    }

    /// The programs' counters.
    pub fn statistics(&self) -> Arc<Statistics> {
        Arc::clone(&self.maps.statistics)
    }

    /// The counters of what the probes have hit.
    pub fn secret_hits(&self) -> Arc<SecretHits> {
        Arc::clone(&self.maps.secret_hits)
    }

    /// Hands what is captured to `consumer` until `stop`.
    pub fn run(&mut self, consumer: &mut impl Consumer, stop: &Stop) -> Result<(), Error> {
        self.epoll
            .add(&*stop.0, EpollEvent::new(EpollFlags::EPOLLIN, STOP_EVENT))
            .map_err(io("watch for the stop"))?;
        let mut last_record = monotonic();
        let mut events = [EpollEvent::empty(); 2];
        loop {
            let look = self.look(consumer);
            let now = monotonic();
            if look.records > 0 {
                last_record = now;
            }
            let mut wait = match look.records {
                _ if look.is_over => Duration::ZERO,
                BUSY_RECORDS.. => BUSY,
                _ => QUIET,
            };
            if now.saturating_sub(last_record) > SLEEP_AFTER {
                self.set_idle(true);
                // What came before the programs saw the word would wake nobody.
                if self.look(consumer).records > 0 {
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
        while self.look(consumer).records > 0 {}
        let clock = clock_offset();
        // What TCP had dated ahead to pace it.
        self.maps.batches.partial(clock, Timestamp(u64::MAX), &mut |segment| consumer.segment(segment));
    }

    /// Takes everything there is once, or as much as there is time for. A flood cannot keep the rest from its turn.
    fn look(&mut self, consumer: &mut impl Consumer) -> Look {
        let clock = clock_offset();
        // Before what they decrypt: a handshake is over once both ends have its secrets.
        let secrets = self.maps.secrets.take(clock, |secret| consumer.secret(secret));
        let mut look = Look::new(monotonic());
        // They wake nobody: while they come, somebody has to come for them.
        look.records += secrets;
        while self.turn(clock, consumer, &mut look) && !look.is_over {}
        let Maps { batches, advice, .. } = &mut self.maps;
        consumer.captured(look.bytes, batches.lost);
        if self.progress.is_settled(look.upto, monotonic()) {
            consumer.settle(Timestamp(duration_nanos(look.upto).wrapping_add(clock)));
        }
        consumer.looked(Timestamp::now());
        for (connection, directive) in consumer.directives() {
            advice.leave(connection, directive);
        }
        look
    }

    /// Takes some records, and then the responses that have been collected meanwhile. Returns whether there may be more.
    fn turn(&mut self, clock: u64, consumer: &mut impl Consumer, look: &mut Look) -> bool {
        let Self { maps: Maps { ring, batches, .. }, multipath, .. } = self;
        let (before, mut last) = (look.bytes, None);
        while look.bytes - before < BYTES_A_TURN
            && !look.is_over
            && let Some(record) = ring.next()
        {
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
            look.took(record.len() as u64, monotonic);
        }
        // A record that is being written holds up those behind it, and a response must not overtake its request: so
        // only responses are taken whose requests must have been taken, those from before the last record, or from
        // before the ring was seen empty.
        let now = Timestamp(duration_nanos(monotonic()).wrapping_add(clock));
        let upto = if is_empty(ring) { Some(now) } else { last };
        if let Some(upto) = upto {
            look.upto = Duration::from_nanos(upto.0.wrapping_sub(clock));
            look.records += batches.partial(clock, upto, &mut |segment| consumer.segment(segment));
        }
        look.bytes - before >= BYTES_A_TURN
    }

    fn set_idle(&mut self, idle: bool) {
        // SAFETY: the only element; the programs read the word whole.
        unsafe { (&raw mut (*self.maps.control.pointer(0)).idle).write_volatile(u32::from(idle)) };
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    }
}

/// How far a look at the ring has come.
#[derive(Debug)]
struct Look {
    until: Duration,
    /// Records and entries that were taken.
    records: usize,
    /// Bytes of the former.
    bytes: u64,
    /// Of these, those since the last look at the clock.
    unclocked: u64,
    /// Its time is over, and there may be more.
    is_over: bool,
    /// The records that are in the ring yet were written later.
    upto: Duration,
}

impl Look {
    fn new(now: Duration) -> Look {
        Look {
            until: now + TIME_A_LOOK,
            records: 0,
            bytes: 0,
            unclocked: 0,
            is_over: false,
            upto: Duration::ZERO,
        }
    }

    /// A record of so many bytes was taken, at `now`.
    fn took(&mut self, bytes: u64, now: impl FnOnce() -> Duration) {
        self.records += 1;
        self.bytes += bytes;
        self.unclocked += bytes;
        if self.unclocked >= UNCLOCKED {
            self.unclocked = 0;
            self.is_over = now() >= self.until;
        }
    }
}

/// What may be settled. A look that ends for its time leaves records behind, and in them answers that are older than what it
/// took: a batch goes to the ring when it is full. To take these for missing would be to give up calls that were served.
#[derive(Debug, Default)]
struct Progress {
    /// When it last was.
    settled: Duration,
}

impl Progress {
    /// After a look that left nothing in the ring from before `upto`: whether all that had been captured when things were last
    /// settled has been taken.
    fn is_settled(&mut self, upto: Duration, now: Duration) -> bool {
        let is_settled = upto > self.settled;
        if is_settled {
            self.settled = now;
        }
        is_settled
    }
}

/// For how long records are taken between two turns of everything else: health checks, answers that fall due. Half of what a
/// look may take, as a packet of 64 KiB may hold a thousand requests, which come to some 10 ms.
const TIME_A_LOOK: Duration = Duration::from_millis(25);

/// Bytes of records that are taken without a look at the clock, which takes as long as some 20 bytes do.
const UNCLOCKED: u64 = 4 << 10;

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes records of `bytes` each that keep the consumer busy for `work` each; how long that goes on.
    fn takes(bytes: u64, work: Duration) -> Duration {
        let begun = Duration::from_secs(1_000);
        let (mut now, mut look) = (begun, Look::new(begun));
        while !look.is_over {
            now += work;
            look.took(bytes, || now);
        }
        now - begun
    }

    /// A reset is handed over in the first of the looks, and the answer before it stands in a batch behind the last.
    #[test]
    fn nothing_is_settled_while_what_was_captured_before_is_in_the_ring() {
        let at = Duration::from_millis;
        let mut progress = Progress::default();
        assert!(progress.is_settled(at(100), at(500)), "what the reset shows is settled one time later");
        for (upto, now) in [(110, 525), (300, 550), (499, 575)] {
            assert!(!progress.is_settled(at(upto), at(now)), "records from before {upto} ms were taken");
        }
        assert!(progress.is_settled(at(501), at(600)));
        // Ever more comes, and things are settled all the same.
        assert!(!progress.is_settled(at(590), at(625)) && progress.is_settled(at(610), at(650)));
        // The ring was found empty.
        assert!(progress.is_settled(at(651), at(652)) && progress.is_settled(at(671), at(672)));
    }

    #[test]
    fn a_look_is_over_in_time_whatever_records_cost() {
        // Heads with hundreds of identifiers, packets full of small requests, and the smallest.
        for (bytes, micros) in [(1_600, 3_000), (1_600, 100), (65_536, 20_000), (64, 30), (64, 1)] {
            let took = takes(bytes, Duration::from_micros(micros));
            assert!((TIME_A_LOOK..Duration::from_millis(50)).contains(&took), "{bytes} {micros} {took:?}");
        }
    }
}
