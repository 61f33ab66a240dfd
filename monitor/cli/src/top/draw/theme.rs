//! Colours, and what stands for them where there are none.

use std::ffi::OsString;

use ratatui::style::{Color, Modifier, Style};
use rollcall_detect::alert::Severity;
use rollcall_serve::api::Level;

/// How things are told apart: by colour, or where `NO_COLOR` is set by weight alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    colour: bool,
}

impl Theme {
    /// The theme for a value of `NO_COLOR`: any that is not empty means none (no-color.org).
    pub(crate) fn of(no_colour: Option<OsString>) -> Theme {
        Theme { colour: no_colour.is_none_or(|value| value.is_empty()) }
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn soft(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn data(self) -> Style {
        self.coloured(Color::Cyan, Modifier::empty())
    }

    pub(super) fn good(self) -> Style {
        self.coloured(Color::Green, Modifier::empty())
    }

    pub(super) fn warn(self) -> Style {
        self.coloured(Color::Yellow, Modifier::BOLD)
    }

    pub(super) fn bad(self) -> Style {
        self.coloured(Color::Red, Modifier::BOLD)
    }

    pub(super) fn level(self, level: Level) -> (&'static str, Style) {
        match level {
            Level::Good => ("good", self.good()),
            Level::Note => ("note", Style::new()),
            Level::Warn => ("WARN", self.warn()),
            Level::Bad => ("BAD ", self.bad()),
        }
    }

    pub(super) fn severity(self, severity: Severity) -> (&'static str, Style) {
        match severity {
            Severity::Info => ("info", Style::new()),
            Severity::Warning => ("WARN", self.warn()),
            Severity::Critical => ("CRIT", self.bad()),
        }
    }

    /// The style of a share of a limit.
    pub(super) fn share(self, share: f64) -> Style {
        match share {
            _ if share > 1.0 => self.bad(),
            _ if share >= 0.5 => self.warn(),
            _ => self.data(),
        }
    }

    fn coloured(self, colour: Color, weight: Modifier) -> Style {
        let style = Style::new().add_modifier(weight);
        if self.colour { style.fg(colour) } else { style }
    }
}
