//! Clients and routes.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Rect},
    text::{Line, Span, Text},
    widgets::{Block, Borders, Cell, Row, Table},
};
use rollcall_serve::api::{Client, span};

use super::{
    super::{
        text::{age, grouped},
        view::{Panel, View},
    },
    Theme,
};

/// Eighths of a cell.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn clients(frame: &mut Frame<'_>, area: Rect, view: &mut View, theme: Theme) {
    let count = view.answer.as_ref().map_or(0, |answer| answer.clients.clients.len());
    let Some((block, room)) = panel("Clients", Panel::Clients, area, view, theme) else { return };
    let offset = view.offset(Panel::Clients, count, room);
    let Some(answer) = &view.answer else { return };
    let windows = &answer.clients.windows_s;
    let wide = area.width >= 100;
    let shown = answer.clients.clients.iter().skip(offset).take(room);
    let rows = shown.map(|row| {
        let silence = answer.clients.at.since(row.last_seen).as_secs();
        let most = if row.exact { grouped(row.most()) } else { format!("~{}", grouped(row.most())) };
        let mut cells = vec![
            Cell::from(client(&row.kind, &row.id, theme)),
            Cell::from(row.route.as_str()),
            right(most),
            Cell::from(bars(row, theme)),
        ];
        if wide {
            cells.push(Cell::from(nearest(row, windows)));
        }
        cells.push(right(age(silence)));
        Row::new(cells)
    });
    let bars = u16::try_from(windows.len()).unwrap_or(u16::MAX).max(6);
    let mut heads = vec![Cell::from("CLIENT"), Cell::from("ROUTE"), right("OBJECTS"), Cell::from("LIMITS")];
    let mut widths =
        vec![Constraint::Fill(2), Constraint::Fill(3), Constraint::Length(8), Constraint::Length(bars)];
    if wide {
        heads.push(Cell::from("NEAREST"));
        widths.push(Constraint::Length(22));
    }
    heads.push(right("LAST"));
    widths.push(Constraint::Length(7));
    frame.render_widget(
        Table::new(rows, widths).header(Row::new(heads).style(theme.soft())).block(block),
        area,
    );
}

pub(super) fn routes(frame: &mut Frame<'_>, area: Rect, view: &mut View, theme: Theme) {
    let count = view.answer.as_ref().map_or(0, |answer| answer.routes.len());
    let Some((block, room)) = panel("Routes", Panel::Routes, area, view, theme) else { return };
    let offset = view.offset(Panel::Routes, count, room);
    let Some(answer) = &view.answer else { return };
    let shown = answer.routes.iter().skip(offset).take(room);
    let rows = shown.map(|route| {
        Row::new([
            Cell::from(route.route.as_str()),
            right(format!("~{}", grouped(route.objects_hour))),
            right(grouped(route.calls)),
            right(grouped(route.callers)),
            right(grouped(route.open_calls)),
        ])
    });
    let heads = [Cell::from("ROUTE"), right("OBJECTS/H"), right("CALLS"), right("CALLERS"), right("OPEN")];
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(10),
        Constraint::Length(12),
        Constraint::Length(9),
        Constraint::Length(10),
    ];
    frame.render_widget(
        Table::new(rows, widths).header(Row::new(heads).style(theme.soft())).block(block),
        area,
    );
}

/// The frame of a table and the rows that there is room for; `None` if there is none for any.
fn panel(
    name: &'static str,
    panel: Panel,
    area: Rect,
    view: &View,
    theme: Theme,
) -> Option<(Block<'static>, usize)> {
    let block = Block::new().borders(Borders::TOP).title(title(name, view.panel == panel, theme));
    (area.height >= 3).then(|| (block, usize::from(area.height - 2)))
}

/// The name of a panel, which shows whether it has the keys.
pub(super) fn title(name: &'static str, has_keys: bool, theme: Theme) -> Line<'static> {
    if has_keys {
        Line::from(Span::styled(format!(" ▸{name} "), theme.strong()))
    } else {
        Line::from(format!(" {name} "))
    }
}

/// A client in a few letters: the kind by its first ones, as the id mostly shows what it is.
pub(super) fn client<'a>(kind: &str, id: &'a str, theme: Theme) -> Line<'a> {
    let kind = match kind {
        "credential" => "cred ",
        "forwarded" => "fwd  ",
        "prefix" => "net  ",
        "all" => return Line::from("everybody"),
        _ => "peer ",
    };
    Line::from(vec![Span::styled(kind, theme.soft()), Span::raw(id)])
}

/// For each window a bar: how much of its limit is used.
fn bars(client: &Client, theme: Theme) -> Line<'static> {
    let shares = client.distinct.iter().zip(&client.limits).map(|(&distinct, &limit)| {
        let share = limit.map_or(0.0, |limit| distinct as f64 / f64::from(limit.max(1)));
        let eighths = (share * 8.0).ceil().clamp(0.0, 8.0) as usize;
        Span::styled(BARS[eighths].to_string(), theme.share(share))
    });
    Line::from(shares.collect::<Vec<_>>())
}

/// The window that is nearest to its limit, in words.
fn nearest(client: &Client, windows: &[u64]) -> String {
    client.nearest(windows).map_or_else(String::new, |nearest| {
        format!("{} of {} in {}", grouped(nearest.distinct), nearest.limit, span(nearest.window_s))
    })
}

fn right<'a>(text: impl Into<Text<'a>>) -> Cell<'a> {
    Cell::from(text.into().alignment(Alignment::Right))
}
