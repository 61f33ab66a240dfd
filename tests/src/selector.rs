//! Metrics as they are named in text: in expressions, in prose, anywhere.

use std::collections::BTreeSet;

/// What the names of Rollcall's metrics begin with.
const PREFIXES: [&str; 2] = ["rollcall_", "process_"];

/// A metric, and the labels that it is asked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector<'a> {
    /// The metric.
    pub name: &'a str,
    /// What stands in braces behind it; empty without any.
    pub braces: &'a str,
}

/// All that `text` holds, in order.
pub fn selectors(text: &str) -> Vec<Selector<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, from)) = next(rest) {
        let end = from.find(|c: char| !is_part(c)).unwrap_or(from.len());
        let (name, behind) = from.split_at(end);
        let braces =
            behind.strip_prefix('{').and_then(|labels| Some(labels.split_once('}')?.0)).unwrap_or("");
        if !before.ends_with(is_part) && is_name(name) {
            found.push(Selector { name, braces });
        }
        rest = behind;
    }
    found
}

/// The names among them.
pub fn named(text: &str) -> BTreeSet<&str> {
    selectors(text).into_iter().map(|selector| selector.name).collect()
}

/// What stands before the next prefix, and what begins with it.
fn next(text: &str) -> Option<(&str, &str)> {
    let at = PREFIXES.iter().filter_map(|prefix| text.find(prefix)).min()?;
    Some(text.split_at(at))
}

/// `rollcall_(a|b)` is a pattern, and `rollcall_0.1.0` a package.
fn is_name(text: &str) -> bool {
    let behind = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or_default();
    behind.starts_with(|c: char| c.is_ascii_lowercase()) && !text.ends_with('_')
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_wherever_they_stand() {
        let text = "sum(rate(rollcall_a_total{x=\"1\", y=~\"2|3\"}[5m])) / process_b > my_rollcall_c or `rollcall_d` rollcall_(e) rollcall_0.1";
        let found = selectors(text);
        assert_eq!(found[0], Selector { name: "rollcall_a_total", braces: "x=\"1\", y=~\"2|3\"" });
        assert_eq!(
            found[1..].iter().map(|selector| selector.name).collect::<Vec<_>>(),
            ["process_b", "rollcall_d"]
        );
        assert_eq!(named("rollcall_a rollcall_a").len(), 1);
    }
}
