//! Links between pages, and from what Rollcall brings to its pages.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{
    at,
    page::{self, Page},
};

/// Files that name pages in passing: `docs/x.md`, with an anchor or without.
const MENTIONS: [&str; 2] =
    ["xtask/packaging/prometheus/rollcall.rules.yml", "xtask/packaging/grafana/rollcall.json"];

/// Where readers begin.
const START: &str = "README.md";

/// What leads nowhere, and what nothing leads to.
pub fn broken(pages: &[Page]) -> Result<Vec<String>> {
    let anchors: HashMap<&str, &[String]> =
        pages.iter().map(|page| (page.name.as_str(), page.anchors.as_slice())).collect();
    let mut failures = Vec::new();
    for page in pages {
        for link in &page.links {
            if let Err(why) = follow(&page.name, &link.text, &anchors) {
                failures.push(at(page, link, &format!("{}: {why}", link.text)));
            }
        }
    }
    for file in MENTIONS {
        let text = fs::read_to_string(page::root().join(file)).with_context(|| format!("read {file}"))?;
        for mention in mentions(&text) {
            if let Err(why) = follow("", mention, &anchors) {
                failures.push(format!("{file}: {mention}: {why}"));
            }
        }
    }
    let reached = reached(pages);
    let lost = pages.iter().filter(|page| !reached.contains(page.name.as_str()));
    failures.extend(lost.map(|page| format!("{}: no page that one gets to links here", page.name)));
    Ok(failures)
}

fn follow(from: &str, link: &str, anchors: &HashMap<&str, &[String]>) -> Result<(), &'static str> {
    if link.contains("://") {
        return Ok(());
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = target(from, path);
    if !page::root().join(&target).exists() {
        return Err("there is no such file");
    }
    if anchor.is_empty() {
        return Ok(());
    }
    let known = anchors.get(target.as_str()).ok_or("an anchor in what is no page")?;
    if known.iter().any(|known| known == anchor) { Ok(()) } else { Err("there is no such heading") }
}

/// What a link on the page `from` points to, from the repository's root.
fn target(from: &str, path: &str) -> String {
    if path.is_empty() {
        return from.to_owned();
    }
    let mut target = PathBuf::new();
    for part in Path::new(from).parent().unwrap_or(Path::new("")).join(path).components() {
        match part {
            Component::ParentDir => drop(target.pop()),
            part => target.push(part),
        }
    }
    target.to_string_lossy().into_owned()
}

/// Pages that one gets to from the first.
fn reached(pages: &[Page]) -> BTreeSet<&str> {
    let mut reached = BTreeSet::from([START]);
    let mut ahead = vec![START];
    while let Some(name) = ahead.pop() {
        for link in pages.iter().filter(|page| page.name == name).flat_map(|page| &page.links) {
            let target = target(name, link.text.split('#').next().unwrap_or_default());
            if let Some(page) = pages.iter().find(|page| page.name == target)
                && reached.insert(&page.name)
            {
                ahead.push(&page.name);
            }
        }
    }
    reached
}

/// Each `docs/x.md`, with its anchor.
fn mentions(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("docs/").map(|(start, _)| {
        let rest = &text[start..];
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "/._-#".contains(c))).unwrap_or(rest.len());
        rest[..end].trim_end_matches('.')
    })
}
