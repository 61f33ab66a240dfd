//! A terminal: what a program draws in it, and keys for the program. It is tmux's, so that it behaves like one.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{deadline, program};

/// A terminal with one program in it, gone with the program when dropped.
#[derive(Debug)]
pub struct Terminal {
    /// Of a tmux server of its own.
    socket: String,
}

impl Terminal {
    /// Runs a shell command in a terminal of this size. `name` is its own; no two may have the same at a time.
    pub fn start(name: &str, width: u16, height: u16, command: &str) -> Result<Terminal> {
        let terminal = Terminal { socket: format!("rollcall-{name}-{}", std::process::id()) };
        let (width, height) = (width.to_string(), height.to_string());
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", &width, "-y", &height, command])?;
        Ok(terminal)
    }

    /// What it shows now.
    pub fn shown(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until it shows `text`.
    pub fn wait_for(&self, text: &str) -> Result<String> {
        let shown = || Ok(Some(self.shown()?).filter(|shown| shown.contains(text)));
        deadline::until(&format!("the terminal to show {text:?}"), shown)
            .with_context(|| format!("it shows:\n{}", self.shown().unwrap_or_default()))
    }

    /// Presses keys, by their names in tmux.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        self.tmux(&[&["send-keys"], keys].concat()).map(drop)
    }

    /// Whether a program has taken the whole screen.
    pub fn is_taken(&self) -> Result<bool> {
        Ok(self.tmux(&["display-message", "-p", "#{alternate_on}"])?.trim() == "1")
    }

    fn tmux(&self, arguments: &[&str]) -> Result<String> {
        let mut tmux = Command::new(program::find("tmux")?);
        // A terminal of 256 colours that takes any letter.
        tmux.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").env_remove("TMUX").env_remove("NO_COLOR");
        program::run(tmux.args(["-u", "-L", &self.socket]).args(arguments))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It ends by itself with its last program.
        drop(self.tmux(&["kill-server"]));
    }
}

/// A shell command that runs `program` and then says with what it ended, and that it can be typed in again. Its process id
/// is written to `pid`.
pub fn told(program: &str, pid: &Path) -> String {
    format!(
        "sh -c 'echo $$ > {}; exec {program}'; echo \"ended with $?\"; stty -a | tr \";\" \"\\n\" | grep -wo -- 'icanon'; cat",
        pid.display()
    )
}
