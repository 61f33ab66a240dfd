//! How far replay is, while somebody watches: a bar on stderr if that is a terminal, and nothing otherwise.

use std::{
    cell::RefCell,
    io::{self, IsTerminal},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rollcall_detect::alert::{Alert, AlertState};
use rollcall_engine::{Output, detection::Attributed};
use rollcall_http::Exchange;
use rollcall_replay::Input;

/// Time is asked for after so many lines or packets: seldom enough that it costs nothing.
const STEP: u64 = 1_024;

/// The bar is drawn this often.
const CYCLE: Duration = Duration::from_millis(200);

/// Shows how far it is. Clones show the same.
#[derive(Clone)]
pub(crate) struct Progress(Option<Rc<RefCell<Shown>>>);

struct Shown {
    bar: ProgressBar,
    begun: Instant,
    drawn: Instant,
    /// Lines or packets so far.
    done: u64,
    alerts: u64,
    /// Bytes of the files that have been read, and how far the one at hand is.
    before: u64,
    position: Arc<AtomicU64>,
}

impl Progress {
    /// A bar, if there is a terminal to draw it on. It can't be kept out of the way of every exchange: if `crowded` by those,
    /// there is none.
    pub(crate) fn on_terminal(crowded: bool) -> Progress {
        if crowded || !io::stderr().is_terminal() {
            return Progress(None);
        }
        let now = Instant::now();
        Progress(Some(Rc::new(RefCell::new(Shown {
            bar: ProgressBar::hidden(),
            begun: now,
            drawn: now,
            done: 0,
            alerts: 0,
            before: 0,
            position: Arc::default(),
        }))))
    }

    /// Files of so many bytes are going to be read, as far as that is known.
    pub(crate) fn begin(&self, bytes: Option<u64>) {
        let Some(shown) = &self.0 else { return };
        let (bar, template) = match bytes {
            Some(bytes) => (ProgressBar::new(bytes), "{bar:30} {bytes} of {total_bytes}, {eta} to go, {msg}"),
            None => (ProgressBar::no_length(), "{spinner} {bytes} in {elapsed}, {msg}"),
        };
        // A template that can't be read leaves the default in place.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_draw_target(ProgressDrawTarget::stderr());
        shown.borrow_mut().bar = bar;
    }

    /// The next file.
    pub(crate) fn file(&self, input: &Input) {
        let Some(shown) = &self.0 else { return };
        let mut shown = shown.borrow_mut();
        let read = shown.position.load(Ordering::Relaxed);
        shown.before += read;
        shown.position = input.position();
    }

    /// One more line or packet.
    pub(crate) fn one(&self) {
        let Some(shown) = &self.0 else { return };
        let mut shown = shown.borrow_mut();
        shown.done += 1;
        if shown.done.is_multiple_of(STEP) && shown.drawn.elapsed() >= CYCLE {
            shown.drawn = Instant::now();
            shown.draw();
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(shown) = &self.0 {
            shown.borrow().bar.finish_and_clear();
        }
    }

    /// Does what writes to the terminal while the bar is out of the way.
    fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(shown) => shown.borrow().bar.suspend(write),
            None => write(),
        }
    }

    fn alert(&self, alert: &Alert) {
        if let Some(shown) = &self.0
            && alert.state == AlertState::Open
        {
            shown.borrow_mut().alerts += 1;
        }
    }
}

impl Shown {
    fn draw(&self) {
        let rate = self.done as f64 / self.begun.elapsed().as_secs_f64().max(1e-3);
        let (done, rate) = (HumanCount(self.done), HumanCount(rate as u64));
        self.bar.set_message(format!("{done} read, {rate}/s, {} alerts", self.alerts));
        self.bar.set_position(self.before + self.position.load(Ordering::Relaxed));
    }
}

/// An output beside which the bar is drawn.
pub(crate) struct Beside<O> {
    pub output: O,
    progress: Progress,
}

impl<O> Beside<O> {
    /// Counts the alerts to `output` for `progress`, and keeps the bar out of their way.
    pub(crate) fn new(output: O, progress: Progress) -> Beside<O> {
        Beside { output, progress }
    }
}

impl<O: Output> Output for Beside<O> {
    fn exchange(&mut self, exchange: &Exchange<'_>, attributed: &Attributed<'_>) {
        self.output.exchange(exchange, attributed);
    }

    fn alert(&mut self, alert: &Alert) {
        let Beside { output, progress } = self;
        progress.alert(alert);
        progress.aside(|| output.alert(alert));
    }
}
