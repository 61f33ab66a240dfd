//! The Grafana dashboard: what it asks, and that it is made with care.

use std::{collections::HashSet, fs};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use rollcall_tests::selector;

use super::packaged;

/// What Grafana would put in place of its variables.
const VARIABLES: [(&str, &str); 4] =
    [("$__rate_interval", "5s"), ("$__interval", "5s"), ("$job", ".*"), ("$instance", ".*")];

/// Grafana's grid.
const COLUMNS: u64 = 24;

/// Which daemons a panel is about is the reader's choice.
const SELECTED: &str = "job=~\"$job\",instance=~\"$instance\"";

/// Every expression of the dashboard, with who asks. Annotations mark the moments at which something is above zero; they
/// are asked for the figure.
pub fn questions() -> Result<Vec<(String, String)>> {
    let dashboard = read()?;
    let mut found = Vec::new();
    for panel in panels(&dashboard) {
        for target in panel["targets"].as_array().context("a panel without targets")? {
            found.push((format!("panel {}", panel["title"]), text(&target["expr"]).to_owned()));
        }
    }
    for annotation in list(&dashboard, "annotations") {
        if let Some(expression) = annotation["target"]["expr"].as_str() {
            let figure = expression.strip_suffix(" > 0").unwrap_or(expression);
            found.push((format!("annotation {}", annotation["name"]), figure.to_owned()));
        }
    }
    for (_, expression) in &mut found {
        for (variable, value) in VARIABLES {
            *expression = expression.replace(variable, value);
        }
        ensure!(!expression.contains('$'), "a variable that the test does not know: {expression}");
    }
    Ok(found)
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() -> Result<()> {
    let dashboard = read()?;
    for panel in panels(&dashboard) {
        let title = text(&panel["title"]);
        let description = text(&panel["description"]);
        ensure!(!title.is_empty() && description.ends_with('.'), "panel {title:?}: {description:?}");
        ensure!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "panel {title:?} has no unit");
        ensure!(
            panel["fieldConfig"]["defaults"]["thresholds"].is_object(),
            "panel {title:?} has no thresholds"
        );
        for target in panel["targets"].as_array().context("no targets")? {
            let expression = text(&target["expr"]);
            ensure!(
                text(&target["datasource"]["uid"]) == "${datasource}",
                "panel {title:?}: a fixed data source"
            );
            let selectors = selector::selectors(expression);
            ensure!(!selectors.is_empty(), "panel {title:?}: {expression}");
            for selector in selectors {
                ensure!(
                    selector.braces.contains(SELECTED),
                    "panel {title:?}: {} of all daemons",
                    selector.name
                );
            }
        }
    }
    Ok(())
}

#[test]
fn panels_lie_side_by_side() -> Result<()> {
    let dashboard = read()?;
    let (mut ids, mut taken) = (HashSet::new(), HashSet::new());
    for panel in dashboard["panels"].as_array().context("no panels")? {
        ensure!(ids.insert(panel["id"].as_u64()), "two panels have the id {}", panel["id"]);
        let at = |field: &str| panel["gridPos"][field].as_u64().context("no place");
        let (x, y, width, height) = (at("x")?, at("y")?, at("w")?, at("h")?);
        ensure!(x + width <= COLUMNS, "{} sticks out", panel["title"]);
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            ensure!(taken.insert(cell), "{} lies on another panel", panel["title"]);
        }
    }
    Ok(())
}

#[test]
fn variables_choose_the_data_source_and_the_daemons() -> Result<()> {
    let dashboard = read()?;
    let variables = list(&dashboard, "templating");
    let names: Vec<_> = variables.iter().map(|variable| text(&variable["name"])).collect();
    assert_eq!(names, ["datasource", "job", "instance"]);
    assert_eq!(variables[0]["query"], "prometheus");
    for variable in &variables[1..] {
        let query = text(&variable["query"]["query"]);
        ensure!(query.starts_with("label_values(rollcall_build_info"), "{query}");
    }
    Ok(())
}

fn read() -> Result<Value> {
    let file = packaged("grafana/rollcall.json");
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} as JSON", file.display()))
}

/// All but the rows that part them.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().into_iter().flatten().filter(|panel| panel["type"] != "row")
}

fn list<'a>(dashboard: &'a Value, part: &str) -> &'a [Value] {
    dashboard[part]["list"].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
