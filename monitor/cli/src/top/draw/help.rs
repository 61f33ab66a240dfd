//! The keys, and what the columns mean.

use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Block, Clear, Paragraph},
};

use super::Theme;

const LINES: [&str; 14] = [
    "q, Esc, Ctrl-C   quit",
    "Tab, ← →         the next panel",
    "↑ ↓ j k PgUp PgDn Home   scroll it",
    "s                sort it by something else",
    "?                this",
    "",
    "OBJECTS   different objects in the longest window;",
    "          ~ where they are estimated",
    "LIMITS    how much of each limit is used, the",
    "          shortest window first; full is over it",
    "OBJECTS/H different objects this hour, about",
    "OPEN      calls with data and no credential",
    "",
    "All fields: docs/api.md",
];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, theme: Theme) {
    let (width, height) = (56.min(area.width), 16.min(area.height));
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let block = Block::bordered().title(Line::styled(" Help ", theme.strong()));
    frame.render_widget(Paragraph::new(LINES.map(Line::from).to_vec()).block(block), place);
}
