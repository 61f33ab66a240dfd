//! The open alerts: one line each.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    text::{Line, Span},
    widgets::{Block, Borders, Cell, Paragraph, Row, Table},
};
use rollcall_serve::api::{OpenAlert, span};

use super::{
    super::{
        text::{age, grouped},
        view::{Panel, View},
    },
    Theme,
    tables::{client, title},
};

/// Rows of alerts at most, unless they have the keys.
const FEW: u16 = 5;

/// Lines that the panel takes, of a screen that is `height` high.
pub(super) fn height(view: &View, height: u16) -> u16 {
    let open = view.answer.as_ref().map_or(0, |answer| answer.alerts.alerts.len());
    let open = u16::try_from(open).unwrap_or(u16::MAX);
    if open == 0 {
        return if height >= 16 { 2 } else { 0 };
    }
    let most = if view.panel == Panel::Alerts { height / 2 } else { FEW.min(height / 4) };
    1 + open.min(most.max(1))
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, view: &mut View, theme: Theme) {
    if area.height == 0 {
        return;
    }
    let count = view.answer.as_ref().map_or(0, |answer| answer.alerts.alerts.len());
    let block = Block::new().borders(Borders::TOP).title(title("Alerts", view.panel == Panel::Alerts, theme));
    if count == 0 {
        let none = Paragraph::new(Line::from(Span::styled("none open", theme.soft())));
        frame.render_widget(none.block(block), area);
        return;
    }
    let room = usize::from(area.height - 1);
    let offset = view.offset(Panel::Alerts, count, room);
    let Some(answer) = &view.answer else { return };
    let shown = answer.alerts.alerts.iter().skip(offset).take(room);
    let wide = area.width >= 100;
    let at = answer.alerts.at;
    let rows = shown.map(|alert| row(alert, at.since(alert.scope.opened_at).as_secs(), wide, theme));
    let widths = [
        Constraint::Length(4),
        Constraint::Length(7),
        Constraint::Length(16),
        Constraint::Fill(1),
        Constraint::Fill(1),
        Constraint::Length(if wide { 22 } else { 11 }),
    ];
    frame.render_widget(Table::new(rows, widths).block(block), area);
}

fn row<'a>(alert: &'a OpenAlert, open_for: u64, wide: bool, theme: Theme) -> Row<'a> {
    let (word, style) = theme.severity(alert.severity);
    let over = if alert.figures.limit > 0 {
        let window = if wide { format!(" in {}", span(alert.window_s)) } else { String::new() };
        format!("{} of {}{window}", grouped(alert.figures.distinct), alert.figures.limit)
    } else if alert.figures.bytes > 0 {
        format!("{} MiB", grouped(alert.figures.bytes >> 20))
    } else {
        String::new()
    };
    Row::new([
        Cell::from(Span::styled(word, style)),
        Cell::from(age(open_for)),
        Cell::from(format!("{}{}", if alert.acked { "✓" } else { "" }, alert.scope.opened_by.name())),
        Cell::from(client(&alert.client.kind, &alert.client.id, theme)),
        Cell::from(match alert.scope.route_count {
            0 | 1 => alert.route.clone(),
            count => format!("{} +{}", alert.route, count - 1),
        }),
        Cell::from(over),
    ])
}
