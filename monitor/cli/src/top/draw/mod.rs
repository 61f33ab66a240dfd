//! How it looks: a line on top, rate and health beside each other, alerts, and the tables below.
//!
//! What there is no room for is left out, the least telling first: health, then the rate, then all tables but the one that
//! has the keys.

mod alerts;
mod gauges;
mod help;
mod tables;
mod theme;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::Paragraph,
};

pub(super) use theme::Theme;

use super::{
    text::{age, rate},
    view::{Panel, View},
};

/// Less than this shows one line and no more.
const SMALLEST: (u16, u16) = (40, 8);

/// From this height on clients and routes are both shown.
const TALL: u16 = 36;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View, theme: Theme) {
    let area = frame.area();
    frame.render_widget(Paragraph::new(top_line(view, theme)), Rect { height: area.height.min(1), ..area });
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        return;
    }
    let gauges = if area.height >= 16 { 6 } else { 0 };
    let alerts = alerts::height(view, area.height);
    let [_, gauges, alerts, tables, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(gauges),
        Constraint::Length(alerts),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    if gauges.height > 0 {
        gauges::draw(frame, gauges, view, theme);
    }
    alerts::draw(frame, alerts, view, theme);
    if tables.height >= TALL / 2 && area.height >= TALL {
        let halves = [Constraint::Fill(3), Constraint::Fill(2)];
        let [clients, routes] = Layout::vertical(halves).areas(tables);
        tables::clients(frame, clients, view, theme);
        tables::routes(frame, routes, view, theme);
    } else if view.panel == Panel::Routes {
        tables::routes(frame, tables, view, theme);
    } else {
        tables::clients(frame, tables, view, theme);
    }
    frame.render_widget(Paragraph::new(bottom_line(view, theme)), bottom);
    if view.help {
        help::draw(frame, area, theme);
    }
}

fn top_line<'a>(view: &'a View, theme: Theme) -> Line<'a> {
    let mut spans = vec![Span::styled("Rollcall", theme.strong()), Span::raw(format!(" {} ", view.daemon))];
    if let Some(failure) = &view.failure {
        let silence = view.answered.elapsed().as_secs();
        let text = format!("NO ANSWER for {silence} s, trying again: {failure}");
        spans.push(Span::styled(text, theme.bad()));
        return Line::from(spans);
    }
    if let Some(answer) = &view.answer {
        let status = &answer.status;
        spans.push(Span::styled(format!("up {} ", age(status.uptime_s)), theme.soft()));
        spans.push(Span::styled(format!("{} req/s ", rate(status.rate.now)), theme.strong()));
        let open = status.alerts.warning + status.alerts.critical;
        let style = if status.alerts.critical > 0 { theme.bad() } else { theme.warn() };
        if open > 0 {
            spans.push(Span::styled(format!("{open} open"), style));
        } else {
            spans.push(Span::styled("no alerts", theme.good()));
        }
    }
    Line::from(spans)
}

fn bottom_line(view: &View, theme: Theme) -> Line<'static> {
    let keys = [("q", "quit"), ("tab", "panel"), ("↑↓", "scroll"), ("s", "sort"), ("?", "help")];
    let mut spans = Vec::new();
    for (key, what) in keys {
        spans.push(Span::styled(key, theme.strong()));
        spans.push(Span::styled(format!(" {what}  "), theme.soft()));
    }
    let sorted = view.sorted_by(view.panel);
    spans.push(Span::styled(format!("by {sorted}"), theme.soft()));
    Line::from(spans)
}
