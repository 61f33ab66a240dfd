use ratatui::{Terminal, backend::TestBackend, buffer::Buffer, style::Color};
use serde_json::json;

use super::{
    poll::{Answer, Route},
    view::Panel,
    *,
};

/// A route that sets the title of terminals that obey it.
const HOSTILE: &str = "GET /\u{1b}]0;x\u{7}/{id}";

/// What a daemon says that watches a walk, whose route is hostile to terminals.
fn answer() -> Answer {
    let at = "2026-07-14T03:33:20.000000Z";
    let client = |id: &str, route: &str, distinct: [u64; 2]| {
        json!({"kind": "peer", "id": id, "route": route, "distinct": distinct,
               "limits": [20, null], "exact": true, "open": true, "last_seen": at})
    };
    let steps: Vec<f64> = (0..120).map(f64::from).collect();
    let status = json!({
        "v": 1, "at": at, "version": "0.1.0", "revision": "x", "started_at": at, "uptime_s": 7_200,
        "rate": {"now": 51.6, "step_s": 5, "steps": steps},
        "capture": {"attached": true, "silence_ms": 1, "ports": [], "exchanges": 9, "lost": 0, "loss": 0.0,
                    "opaque": null, "ring_bytes": 0, "ring_size_bytes": 1, "sampling": 1.0, "pairs": 1,
                    "objects": 1, "admission": 1, "forgotten": 0},
        "alerts": {"info": 0, "warning": 0, "critical": 1},
        "signs": [{"name": "capture", "level": "good", "text": "Attached to the kernel; every port is watched."},
                  {"name": "loss", "level": "bad", "text": "2.0 % of the requests of the last minute were lost."}]
    });
    let alert = json!({
        "id": "00", "severity": "critical", "rule": "distinct-objects", "at": at,
        "client": {"kind": "all", "id": "*"}, "route": HOSTILE, "window_s": 10,
        "limit": 20, "distinct": 21, "distinct_error": 0, "requests": 340, "bytes": 0, "first_seen": at,
        "last_seen": at, "addresses": [], "signals": [], "clients": [{"kind": "all", "id": "*"}, {"kind": "peer", "id": "192.0.2.7"}],
        "client_count": 2, "opened_by": "distinct-objects",
        "opened_at": "2026-07-14T03:30:00.000000Z", "loss": 0.0, "acked": false
    });
    let clients =
        [client("192.0.2.7", HOSTILE, [340, 340]), client("192.0.2.8", "GET /v1/customers/{id}", [5, 900])];
    let route = |route: &str, calls| Route {
        route: route.to_owned(),
        objects_hour: calls / 2,
        calls,
        callers: 1,
        open_calls: 0,
    };
    let mut answer = Answer {
        status: serde_json::from_value(status).unwrap(),
        alerts: serde_json::from_value(json!({"v": 1, "at": at, "open": 1, "alerts": [alert]})).unwrap(),
        clients: serde_json::from_value(
            json!({"v": 1, "at": at, "windows_s": [10, 86_400], "clients": clients}),
        )
        .unwrap(),
        routes: vec![route("GET /v1/few/{id}", 4), route("GET /v1/many/{id}", 4_000)],
    };
    answer.clean();
    answer.alerts.bring_up_to_date(&answer.clients);
    answer
}

fn view() -> View {
    let mut view = View::new("127.0.0.1:9847".to_owned());
    view.take(Ok(answer()));
    view
}

fn drawn(view: &mut View, width: u16, height: u16, theme: Theme) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::draw(frame, view, theme)).unwrap();
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let symbols: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
    symbols.chunks(width).map(|line| line.concat()).collect()
}

fn shown(view: &mut View, width: u16, height: u16) -> String {
    lines(&drawn(view, width, height, Theme::of(None))).join("\n")
}

#[test]
fn everything_is_there_on_an_ordinary_terminal() {
    let text = shown(&mut view(), 80, 24);
    for expected in [
        "Rollcall 127.0.0.1:9847 up 2 h 52 req/s 1 open",
        "Requests/s, 119 at most",
        "BAD  2.0 % of the requests",
        "CRIT 3 min   distinct-objects peer 192.0.2.7",
        "340 of 20 ",
        "▸Clients",
        "peer 192.0.2.8",
        "q quit  tab panel  ↑↓ scroll  s sort  ? help",
    ] {
        assert!(text.contains(expected), "{expected}:\n{text}");
    }
    let wide = shown(&mut view(), 120, 40);
    assert!(
        wide.contains("340 of 20 in 10 s") && wide.contains("▸Clients") && wide.contains(" Routes "),
        "{wide}"
    );
    // What is wrong stands before what is well.
    assert!(text.find("BAD ").unwrap() < text.find("good").unwrap(), "{text}");
}

#[test]
fn nothing_drawn_is_a_control_character() {
    let buffer = drawn(&mut view(), 120, 40, Theme::of(None));
    assert!(buffer.content().iter().all(|cell| !cell.symbol().chars().any(char::is_control)));
    assert!(lines(&buffer).join("\n").contains("GET /\u{fffd}]0;x\u{fffd}/{id}"));
}

#[test]
fn no_size_is_too_small_to_draw() {
    for (width, height) in [(1, 1), (20, 3), (39, 24), (80, 7), (40, 8), (80, 15), (300, 100)] {
        for panel in Panel::ALL {
            let mut view = view();
            (view.panel, view.help) = (panel, true);
            let text = shown(&mut view, width, height);
            let start: String = "Rollcall".chars().take(width.into()).collect();
            assert!(text.starts_with(&start) || height < 16, "{width}×{height}:\n{text}");
        }
    }
}

#[test]
fn without_colour_weight_tells() {
    let plain = drawn(&mut view(), 80, 24, Theme::of(Some("1".into())));
    assert!(plain.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    let coloured = drawn(&mut view(), 80, 24, Theme::of(Some("".into())));
    assert!(coloured.content().iter().any(|cell| cell.fg == Color::Red));
}

#[test]
fn keys_choose_panels_and_orders() {
    let mut view = view();
    let press = |view: &mut View, code| quits(view, &Event::Key(KeyEvent::from(code)));
    assert!(shown(&mut view, 80, 24).contains("by objects"));
    assert!(!press(&mut view, KeyCode::Char('s')));
    let text = shown(&mut view, 80, 24);
    assert!(text.contains("by nearest to a limit"), "{text}");
    press(&mut view, KeyCode::Tab);
    let text = shown(&mut view, 80, 24);
    assert!(text.contains("▸Routes") && text.contains("4,000"), "{text}");
    press(&mut view, KeyCode::Char('?'));
    assert!(shown(&mut view, 80, 24).contains("Help"));
    assert!(!press(&mut view, KeyCode::Esc), "it closes the help first");
    for code in [KeyCode::Esc, KeyCode::Char('q')] {
        assert!(press(&mut view, code));
    }
    let event = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert!(quits(&mut view, &Event::Key(event)));
    // Scrolling ends where the rows do.
    press(&mut view, KeyCode::PageDown);
    assert!(shown(&mut view, 80, 24).contains("/v1/many"));
}

#[test]
fn a_daemon_that_does_not_answer_is_told_and_forgotten_once_it_does() {
    let mut view = view();
    view.take(Err(anyhow!("Connection refused").context("ask the daemon")));
    let text = shown(&mut view, 80, 24);
    assert!(text.contains("NO ANSWER for 0 s, trying again: Connection refused"), "{text}");
    assert!(text.contains("peer 192.0.2.8"), "what was known stays:\n{text}");
    view.take(Ok(answer()));
    assert!(!shown(&mut view, 80, 24).contains("NO ANSWER"));
}
