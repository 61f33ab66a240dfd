//! `rollcall top`: the status page in a terminal.
//!
//! The daemon is asked by a task of its own ([`poll`]), keys are read by a thread; both send to the one loop that holds the
//! [`View`] and draws it ([`draw`]). Text from the daemon may come from whoever calls the watched API: it is cleaned
//! where it comes in ([`text`]), so that nothing drawn can hold a control character.

mod draw;
mod poll;
mod screen;
pub(super) mod text;
mod view;

use std::io::{self, IsTerminal as _};

use anyhow::{Context, anyhow};
use clap::Args;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{self, Duration},
};

use super::{
    client::{self, Client, ClientArgs},
    exit::{Exit, Failure},
};
use draw::Theme;
use screen::Screen;
use view::View;

/// How often what is drawn grows older if nothing else happens.
const TICK: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    client: ClientArgs,
}

/// Shows the daemon's state until told to stop.
pub(crate) fn top(args: &TopArgs) -> Result<Exit, Failure> {
    let client = args.client.client()?;
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let error = anyhow!("top needs a terminal to draw in");
        return Err(
            Failure::new(Exit::Failed, error).advise("for files and pipes there is /api/v1: docs/api.md")
        );
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(show(client))
}

async fn show(client: Client) -> Result<Exit, Failure> {
    // Whether there is a daemon at all is said before the screen is taken.
    let first = poll::ask(&client).await.map_err(client::unreachable)?;
    let mut view = View::new(client.to_string());
    view.take(Ok(first));
    let theme = Theme::of(std::env::var_os("NO_COLOR"));

    let mut terminate = signal(SignalKind::terminate()).context("handle signals")?;
    let mut hang_up = signal(SignalKind::hangup()).context("handle signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("handle signals")?;
    let mut screen = Screen::take().context("take the screen")?;
    let (answer, mut answers) = mpsc::channel(1);
    tokio::spawn(poll::poll(client, answer));
    let mut events = screen::events()?;
    let mut tick = time::interval(TICK);
    loop {
        screen.draw(|frame| draw::draw(frame, &mut view, theme)).context("draw")?;
        tokio::select! {
            _ = terminate.recv() => break,
            _ = hang_up.recv() => break,
            _ = interrupt.recv() => break,
            Some(answer) = answers.recv() => view.take(answer),
            _ = tick.tick() => {}
            event = events.recv() => match event {
                Some(Ok(event)) if quits(&mut view, &event) => break,
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Failure::from(anyhow!(error).context("read the keyboard"))),
                // The terminal is gone.
                None => break,
            },
        }
    }
    Ok(Exit::Ok)
}

/// Does what a key says; whether that is to quit.
fn quits(view: &mut View, event: &Event) -> bool {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press | KeyEventKind::Repeat, .. }) =
        *event
    else {
        return false;
    };
    match code {
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => return true,
        KeyCode::Char('q') => return true,
        KeyCode::Esc if view.help => view.help = false,
        KeyCode::Esc => return true,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => view.help = !view.help,
        KeyCode::Tab | KeyCode::Right => view.next_panel(1),
        KeyCode::BackTab | KeyCode::Left => view.next_panel(-1),
        KeyCode::Char('s') => view.next_sort(),
        KeyCode::Down | KeyCode::Char('j') => view.scroll(1),
        KeyCode::Up | KeyCode::Char('k') => view.scroll(-1),
        KeyCode::PageDown => view.scroll(10),
        KeyCode::PageUp => view.scroll(-10),
        KeyCode::Home => view.scroll(isize::MIN),
        _ => {}
    }
    false
}

#[cfg(test)]
mod tests;
