//! The terminal: taken, and given back however this ends.

use std::{io, thread};

use crossterm::event::{self, Event};
use ratatui::{DefaultTerminal, Frame};
use tokio::sync::mpsc;

/// The whole screen. Given back when dropped, and by the panic hook that goes with it before anything is said of a panic.
pub(super) struct Screen(DefaultTerminal);

impl Screen {
    pub(super) fn take() -> io::Result<Screen> {
        ratatui::try_init().map(Screen).inspect_err(|_| {
            // Part of it may have been taken.
            drop(ratatui::try_restore());
        })
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(draw).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // There is nobody to tell if the terminal is gone.
        drop(ratatui::try_restore());
    }
}

/// Keys and changes of size. A thread of its own waits for them and ends with the process.
pub(super) fn events() -> anyhow::Result<mpsc::Receiver<io::Result<Event>>> {
    let (sender, receiver) = mpsc::channel(16);
    let work = move || {
        loop {
            let event = event::read();
            let failed = event.is_err();
            if sender.blocking_send(event).is_err() || failed {
                return;
            }
        }
    };
    thread::Builder::new().name("keys".to_owned()).spawn(work)?;
    Ok(receiver)
}
