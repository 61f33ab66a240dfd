use super::*;

fn row(id: &str, more: &str) -> Row {
    let line = format!(
        r#"{{"v":1,"id":"{id}","state":"update","severity":"critical","rule":"sequential-walk",
        "at":"2026-11-24T12:00:09.000000Z","client":{{"kind":"peer","id":"198.51.100.7"}},
        "route":"GET /v1/customers/{{id}}","window_s":10,"limit":20,"distinct":41,"distinct_error":0,"requests":41,"bytes":0,
        "first_seen":"2026-11-24T12:00:00.000000Z","last_seen":"2026-11-24T12:00:09.000000Z","addresses":["198.51.100.7"],
        "sample_objects":[],"signals":["distinct-objects"],"clients":[{{"kind":"peer","id":"198.51.100.7"}}],"client_count":1,
        "opened_by":"distinct-objects","opened_at":"2026-11-24T12:00:03.000000Z","loss":0.0{more}}}"#
    );
    Row { alert: serde_json::from_str(&line).unwrap(), resolved_at: None, acked: None }
}

fn acked() -> Acked {
    Acked {
        at: "2026-11-24T12:01:00Z".parse().unwrap(),
        by: "ada".to_owned(),
        note: Some("the auditor\u{1b}[2J".to_owned()),
    }
}

#[test]
fn alerts_are_a_table() {
    let mut second = row("00000000000000b2", "");
    second.alert.scope.client_count = 3;
    second.alert.route = "GET /\u{202e}x".into();
    (second.acked, second.resolved_at) = (Some(acked()), Some(second.alert.at));
    let mut third = row("00000000000000c3", "");
    third.alert.scope.clients = vec![Client { kind: "all".into(), id: "*".to_owned() }];
    let expected = "\
ID                STATE     SEVERITY  SINCE                 CLIENT                       ROUTE                   DISTINCT  RULES                             ACKNOWLEDGED
00000000000000a1  open      critical  2026-11-24T12:00:03Z  peer 198.51.100.7            GET /v1/customers/{id}        41  distinct-objects sequential-walk  -
00000000000000b2  resolved  critical  2026-11-24T12:00:03Z  peer 198.51.100.7 and 2 more  GET /\u{fffd}x                       41  distinct-objects sequential-walk  ada (the auditor\u{fffd}[2J)
00000000000000c3  open      critical  2026-11-24T12:00:03Z  everybody                    GET /v1/customers/{id}        41  distinct-objects sequential-walk  -";
    let squeezed = |text: &str| -> Vec<Vec<String>> {
        let cells = |line: &str| {
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
        };
        text.lines().map(cells).collect()
    };
    let shown = table(&[row("00000000000000a1", ""), second, third]);
    assert_eq!(squeezed(&shown), squeezed(expected));
    let starts: Vec<Option<usize>> =
        shown.lines().map(|line| line.find("20").or(line.find("SINCE"))).collect();
    assert!(starts.windows(2).all(|pair| pair[0] == pair[1]), "{shown}");
    assert_eq!(table(&[]), "no alerts");
}

#[test]
fn an_alert_is_a_line_of_json_with_who_took_it_on() {
    let mut row = row("00000000000000a1", "");
    assert!(json(&row).unwrap().ends_with(r#""loss":0.0,"acked":null}"#));
    row.acked = Some(acked());
    let line = json(&row).unwrap();
    assert!(line.starts_with(r#"{"v":1,"id":"00000000000000a1","state":"update","#), "{line}");
    let end = r#""acked":{"at":"2026-11-24T12:01:00.000000Z","by":"ada","note":"the auditor\u001b[2J"}}"#;
    assert!(line.ends_with(end), "{line}");
}

#[test]
fn what_happens_is_a_line() {
    let alert = row("00000000000000a1", "").alert;
    assert_eq!(
        event(&alert),
        "2026-11-24T12:00:09Z  00000000000000a1  update    critical  peer 198.51.100.7  GET /v1/customers/{id}  \
         sequential-walk: 41 over 20 in 10 s"
    );
    let taken = Ack { seq: 1, id: alert.id, acked: acked() };
    assert_eq!(
        ack(&taken),
        "2026-11-24T12:01:00Z  00000000000000a1  acked     by ada (the auditor\u{fffd}[2J)"
    );
    assert_eq!(
        ack_json(&taken).unwrap(),
        r#"{"v":1,"id":"00000000000000a1","state":"acked","acked":{"at":"2026-11-24T12:01:00.000000Z","by":"ada","note":"the auditor\u001b[2J"}}"#
    );
}
