//! Rate and health.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph, Sparkline, Wrap},
};
use rollcall_serve::api::{Level, Sign, Status};

use super::{
    super::{text::rate, view::View},
    Theme,
};

/// A part of a request a second still shows.
const PARTS: f64 = 10.0;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    let Some(answer) = &view.answer else { return };
    let [left, right] = Layout::horizontal([Constraint::Percentage(40), Constraint::Fill(1)]).areas(area);
    chart(frame, left, &answer.status, theme);
    signs(frame, right, &answer.status, theme);
}

fn chart(frame: &mut Frame<'_>, area: Rect, status: &Status, theme: Theme) {
    let steps = &status.rate.steps;
    let peak = steps.iter().flatten().copied().fold(0.0, f64::max);
    let block = Block::new().borders(Borders::TOP).title(format!(" Requests/s, {} at most ", rate(peak)));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    // The latest that there is room for.
    let latest = steps.iter().skip(steps.len().saturating_sub(inner.width.into()));
    let bars: Vec<Option<u64>> = latest.map(|step| step.map(|rate| (rate * PARTS) as u64)).collect();
    let chart = Sparkline::default().data(bars).max((peak * PARTS).max(1.0) as u64).style(theme.data());
    frame.render_widget(chart, inner);
}

fn signs(frame: &mut Frame<'_>, area: Rect, status: &Status, theme: Theme) {
    let block = Block::new().borders(Borders::TOP | Borders::LEFT).title(" Health ");
    // What is wrong comes first, in case that there is no room for the rest.
    let mut signs: Vec<&Sign> = status.signs.iter().collect();
    signs.sort_by_key(|sign| {
        std::cmp::Reverse(if sign.level <= Level::Note { Level::Good } else { sign.level })
    });
    let lines: Vec<Line<'_>> = signs
        .into_iter()
        .map(|sign| {
            let (word, style) = theme.level(sign.level);
            Line::from(vec![Span::styled(word, style), Span::raw(" "), Span::raw(sign.text.as_str())])
        })
        .collect();
    let wraps = signs_wrap(&lines, area);
    let text = Paragraph::new(lines).block(block);
    frame.render_widget(if wraps { text.wrap(Wrap { trim: true }) } else { text }, area);
}

/// Whether lines may be broken: not where the first would push the others out.
fn signs_wrap(lines: &[Line<'_>], area: Rect) -> bool {
    let room = usize::from(area.width.saturating_sub(1)).max(1);
    lines.iter().map(|line| line.width().div_ceil(room)).sum::<usize>() < usize::from(area.height)
}
