//! A queue against a simple model, through random sequences of what may happen to it; and its thread, where it has to be one.

use std::{
    cell::Cell,
    collections::VecDeque,
    sync::{Mutex, PoisonError, mpsc},
};

use proptest::prelude::*;

use super::*;

const LIMIT: u64 = 20;
const PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_millis(250);
const MINUTE: Duration = Duration::from_secs(60);

/// What happens to a queue.
#[derive(Clone, Debug)]
enum Step {
    /// An item of that size is handed over.
    Push(u64),
    /// The next so many items can be done, and then none.
    Disk(Option<u32>),
    /// The next item will be refused.
    Refuse,
    /// The next attempt takes so long.
    Hang(Duration),
    /// Time passes.
    Pass(Duration),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..=LIMIT / 2).prop_map(Step::Push),
        2 => prop::option::of(0..4_u32).prop_map(Step::Disk),
        1 => Just(Step::Refuse),
        1 => (1..100_u64).prop_map(|seconds| Step::Hang(Duration::from_secs(seconds))),
        4 => (0..90_000_u64).prop_map(|millis| Step::Pass(Duration::from_millis(millis))),
    ];
    prop::collection::vec(step, 0..60)
}

/// What the disk does, and what became of items.
#[derive(Default)]
struct Disk {
    now: Cell<Option<Instant>>,
    /// Items that can be done; `None` is any number.
    room: Option<u32>,
    refuses: bool,
    hangs: Option<Duration>,
    done: Vec<u64>,
    refused: Vec<u64>,
    /// When attempts began, and when they ended without success.
    attempts: Vec<(Instant, Option<Instant>)>,
    complaints: Vec<Instant>,
    recovered: usize,
}

impl Disk {
    fn now(&self) -> Instant {
        self.now.get().unwrap()
    }
}

#[derive(Clone)]
struct OnDisk(Arc<Mutex<Disk>>);

impl OnDisk {
    fn disk(&self) -> std::sync::MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work for OnDisk {
    type Item = u64;
    type Error = &'static str;

    fn due(&mut self, waiting: &Waiting<u64>, now: Instant) -> Option<Instant> {
        (!waiting.is_empty()).then_some(now)
    }

    fn attempt(&mut self, waiting: &mut Waiting<u64>, _: bool) -> Attempt<&'static str> {
        let mut disk = self.disk();
        let now = disk.now();
        disk.attempts.push((now, None));
        if let Some(hangs) = disk.hangs.take() {
            disk.now.set(Some(now + hangs));
        }
        let mut progress = false;
        while !waiting.is_empty() {
            if std::mem::take(&mut disk.refuses) {
                disk.refused.extend(waiting.take());
                return Attempt::Refused("not this one");
            }
            match &mut disk.room {
                Some(0) => {
                    let ended = disk.now();
                    disk.attempts.last_mut().unwrap().1 = Some(ended);
                    return Attempt::Failed { error: "full", progress, asked: None };
                }
                Some(room) => *room -= 1,
                None => {}
            }
            disk.done.extend(waiting.take());
            progress = true;
        }
        Attempt::Done
    }

    fn complain(&mut self, _: &&'static str) {
        let mut disk = self.disk();
        let now = disk.now();
        disk.complaints.push(now);
    }

    fn recovered(&mut self) {
        self.disk().recovered += 1;
    }
}

/// A queue without a thread, in a time of its own.
struct Scene {
    inbox: Arc<Inbox<u64>>,
    queue: Queue<u64>,
    rounds: Rounds<OnDisk>,
    disk: OnDisk,
}

impl Scene {
    fn new(last_pause: Option<Duration>) -> Scene {
        let inbox = Arc::new(Inbox::new(LIMIT, Arc::default()));
        let disk = OnDisk(Arc::default());
        disk.disk().now.set(Some(Instant::now()));
        let rounds = Rounds::new(disk.clone(), inbox.waiting(), Pause::Fixed(PAUSE), last_pause);
        Scene { queue: Queue::new(Arc::clone(&inbox)), inbox, rounds, disk }
    }

    fn now(&self) -> Instant {
        self.disk.disk().now()
    }

    /// Goes round until there is nothing to do before `until`; whether the end has come.
    fn run(&mut self, until: Instant) -> bool {
        loop {
            let closing = self.inbox.look(&mut self.rounds.waiting);
            let disk = self.disk.clone();
            let at = match self.rounds.next(|| disk.disk().now(), closing) {
                Next::End => return true,
                Next::Wait(at) => at,
            };
            let now = self.now();
            match at {
                Some(at) if at <= until => self.disk.disk().now.set(Some(at.max(now))),
                _ => {
                    self.disk.disk().now.set(Some(until.max(now)));
                    return false;
                }
            }
        }
    }
}

/// All that a queue promises.
#[derive(Default)]
struct Model {
    /// What was taken and is not done, in order.
    waiting: VecDeque<(u64, u64)>,
    taken: Vec<u64>,
    /// Attempts before the end.
    closed_at: Option<usize>,
}

impl Model {
    /// An item that is its number, and takes `size`.
    fn push(&mut self, scene: &Scene, number: u64, size: u64) -> Result<(), TestCaseError> {
        let used: u64 = self.waiting.iter().map(|(_, size)| size).sum();
        prop_assert_eq!(scene.queue.used(), used);
        let taken = scene.queue.push(number, size);
        prop_assert_eq!(
            taken,
            if used + size <= LIMIT { Ok(()) } else { Err(number) },
            "{} of {}",
            size,
            used
        );
        if taken.is_ok() {
            self.waiting.push_back((number, size));
            self.taken.push(number);
        }
        Ok(())
    }

    /// Compares with what became of items.
    fn check(&mut self, disk: &Disk, queue: &Queue<u64>) -> Result<(), TestCaseError> {
        let gone: Vec<u64> = disk.done.iter().chain(&disk.refused).copied().collect();
        self.waiting.retain(|(number, _)| !gone.contains(number));
        let mut all = gone;
        all.extend(self.waiting.iter().map(|(number, _)| number));
        all.sort_unstable();
        prop_assert_eq!(&all, &self.taken, "each is done, refused or waits, once");
        prop_assert!(disk.done.is_sorted(), "{:?}", disk.done);
        prop_assert!(
            self.waiting.iter().all(|(number, _)| disk.done.last().is_none_or(|done| done < number))
        );
        prop_assert_eq!(queue.used(), self.waiting.iter().map(|(_, size)| size).sum::<u64>());
        prop_assert!(disk.complaints.windows(2).all(|pair| pair[1] - pair[0] >= MINUTE), "once a minute");
        prop_assert!(disk.recovered <= disk.complaints.len());
        let attempts = &disk.attempts[..self.closed_at.unwrap_or(disk.attempts.len())];
        for pair in attempts.windows(2) {
            prop_assert!(pair[0].1.is_none_or(|failed| pair[1].0 >= failed + PAUSE), "{:?}", pair);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_below_the_bound_and_order_is_kept(
        steps in steps(),
        last_pause in prop::option::of(Just(LAST_PAUSE)),
        patience in 0..3_000_u64,
    ) {
        let mut scene = Scene::new(last_pause);
        let mut model = Model::default();
        for (number, step) in (0..).zip(steps) {
            match step {
                Step::Push(size) => model.push(&scene, number, size)?,
                Step::Disk(room) => scene.disk.disk().room = room,
                Step::Refuse => scene.disk.disk().refuses = true,
                Step::Hang(time) => scene.disk.disk().hangs = Some(time),
                Step::Pass(time) => prop_assert!(!scene.run(scene.now() + time)),
            }
            // Whatever happens has the thread come round.
            scene.inbox.wake();
            prop_assert!(!scene.run(scene.now()));
            model.check(&scene.disk.disk(), &scene.queue)?;
        }
        // The end: what can be done is, and the rest is handed back.
        let before = scene.disk.disk().attempts.len();
        model.closed_at = Some(before);
        let now = scene.now();
        let deadline = now + Duration::from_millis(patience);
        scene.inbox.close(Closing { deadline: Some(deadline) });
        prop_assert!(scene.run(deadline + 2 * MINUTE), "it ends");
        model.check(&scene.disk.disk(), &scene.queue)?;
        let attempts = scene.disk.disk().attempts[before..].to_vec();
        prop_assert!(attempts.iter().all(|(at, _)| *at < deadline), "none begins later");
        prop_assert!(attempts.windows(2).all(|pair| pair[0].1.is_none_or(|failed| pair[1].0 == failed + LAST_PAUSE)));
        let last = attempts.last().and_then(|(_, ended)| *ended);
        prop_assert!(scene.now() <= deadline || last.is_none_or(|last| last == scene.now()), "it waits for nothing");
        let Left { work, items, error } = scene.rounds.left();
        prop_assert!(items.iter().eq(model.waiting.iter().map(|(number, _)| number)));
        prop_assert_eq!(scene.queue.used(), 0);
        prop_assert!(error.is_none() || !items.is_empty());
        if !items.is_empty() && patience > 0 {
            prop_assert!(!attempts.is_empty(), "there was a last attempt");
            prop_assert_eq!(attempts[0].0, now, "at once");
            prop_assert!(last_pause.is_some() || work.disk().room == Some(0) || work.disk().now() >= deadline);
        }
    }

    #[test]
    fn when_the_disk_is_back_all_that_was_taken_is_done_within_a_pause(sizes in prop::collection::vec(1..4_u64, 1..30)) {
        let mut scene = Scene::new(None);
        let mut model = Model::default();
        scene.disk.disk().room = Some(0);
        for (number, size) in (0..).zip(sizes) {
            model.push(&scene, number, size)?;
        }
        scene.run(scene.now() + 3 * MINUTE);
        scene.disk.disk().room = None;
        scene.run(scene.now() + PAUSE);
        let disk = scene.disk.disk();
        prop_assert_eq!(&disk.done, &model.taken);
        prop_assert_eq!((disk.complaints.len(), disk.recovered), (4, 1), "at once, and then once a minute");
    }
}

/// What a thread does is the test's to say, attempt by attempt.
struct Scripted {
    attempts: mpsc::Sender<Vec<u64>>,
    answers: mpsc::Receiver<bool>,
}

impl Work for Scripted {
    type Item = u64;
    type Error = ();

    fn due(&mut self, waiting: &Waiting<u64>, now: Instant) -> Option<Instant> {
        (!waiting.is_empty()).then_some(now)
    }

    fn attempt(&mut self, waiting: &mut Waiting<u64>, _: bool) -> Attempt<()> {
        let batch = std::iter::from_fn(|| waiting.take()).collect();
        let _ = self.attempts.send(batch);
        assert!(self.answers.recv().unwrap_or(true), "the test asks for a panic");
        Attempt::Done
    }

    fn complain(&mut self, (): &()) {}

    fn recovered(&mut self) {}
}

fn scripted() -> (Running<Scripted>, mpsc::Receiver<Vec<u64>>, mpsc::Sender<bool>) {
    let ((attempts, attempted), (answer, answers)) = (mpsc::channel(), mpsc::channel());
    let settings = QueueSettings {
        name: "scripted".to_owned(),
        limit: LIMIT,
        used: Arc::default(),
        pause: Pause::Fixed(PAUSE),
        last_pause: None,
    };
    (Running::start(settings, Scripted { attempts, answers }).unwrap(), attempted, answer)
}

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn what_comes_during_an_attempt_is_the_next_batch() {
    let (running, attempted, answer) = scripted();
    let queue = running.queue();
    queue.push(1, 1).unwrap();
    assert_eq!(attempted.recv_timeout(LONG).unwrap(), [1]);
    queue.push(2, 1).unwrap();
    queue.push(3, 1).unwrap();
    answer.send(true).unwrap();
    assert_eq!(attempted.recv_timeout(LONG).unwrap(), [2, 3]);
    drop(answer);
    let left = running.finish(None, LONG).unwrap();
    assert_eq!((left.items, queue.used()), (vec![], 0));
    assert_eq!(queue.push(4, 1), Err(4), "nobody would take it");
}

#[test]
fn a_disk_that_hangs_is_told_of_and_waited_for_no_longer() {
    let (running, attempted, _answer) = scripted();
    let queue = running.queue();
    queue.push(1, 1).unwrap();
    attempted.recv_timeout(LONG).unwrap();
    queue.push(2, 7).unwrap();
    assert_eq!(running.finish(Some(Instant::now()), Duration::ZERO).err(), Some(End::Hangs));
    assert_eq!(queue.used(), 7, "what was not even taken up");
}

#[test]
fn a_panic_is_told_of() {
    let (running, attempted, answer) = scripted();
    let queue = running.queue();
    answer.send(false).unwrap();
    queue.push(1, 1).unwrap();
    attempted.recv_timeout(LONG).unwrap();
    assert_eq!(running.finish(None, LONG).err(), Some(End::Panicked));
    assert_eq!(queue.push(2, 1), Err(2));
}

/// Has something to do whenever somebody wakes it.
struct Woken(Arc<Mutex<u32>>, mpsc::Sender<u32>);

impl Work for Woken {
    type Item = ();
    type Error = ();

    fn due(&mut self, _: &Waiting<()>, now: Instant) -> Option<Instant> {
        (*self.0.lock().unwrap() > 0).then_some(now)
    }

    fn attempt(&mut self, _: &mut Waiting<()>, _: bool) -> Attempt<()> {
        let _ = self.1.send(std::mem::take(&mut *self.0.lock().unwrap()));
        Attempt::Done
    }

    fn complain(&mut self, (): &()) {}

    fn recovered(&mut self) {}
}

#[test]
fn whoever_has_the_waker_has_it_look_around() {
    let (work, (attempts, attempted)) = (Arc::<Mutex<u32>>::default(), mpsc::channel());
    let settings = QueueSettings {
        name: "woken".to_owned(),
        limit: 0,
        used: Arc::default(),
        pause: Pause::Fixed(PAUSE),
        last_pause: None,
    };
    let running = Running::start(settings, Woken(Arc::clone(&work), attempts)).unwrap();
    let waker = running.queue().waker();
    for number in 1..4 {
        *work.lock().unwrap() = number;
        waker.wake();
        assert_eq!(attempted.recv_timeout(LONG).unwrap(), number);
    }
    running.finish(None, LONG).unwrap();
}
