//! Documents in sections, of which some can be made anew. A section begins with its title, a line `## Title`, and ends
//! where the next one begins.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

/// Writes what was found: all of `document`, or just the sections that there are in `found`.
pub(crate) fn write(document: &Path, found: &str, all: bool) -> Result<()> {
    let text = if all {
        found.to_owned()
    } else {
        let known = fs::read_to_string(document).with_context(|| format!("read {}", document.display()))?;
        splice(&known, found)
    };
    fs::write(document, text).with_context(|| format!("write {}", document.display()))?;
    eprintln!("xtask: {} is written", document.display());
    Ok(())
}

/// `document` with each section that `fresh` has in the place of its own section of that title, or at the end if it has
/// none. What stands before the first section stays.
fn splice(document: &str, fresh: &str) -> String {
    let (head, mut sections) = split(document);
    for section in split(fresh).1 {
        match sections.iter_mut().find(|known| title(known) == title(section)) {
            Some(known) => *known = section,
            None => sections.push(section),
        }
    }
    let parts = std::iter::once(head).chain(sections);
    parts.map(|part| format!("{}\n", part.trim_end())).collect::<Vec<_>>().join("\n")
}

/// What stands before the first section, and the sections.
fn split(document: &str) -> (&str, Vec<&str>) {
    let starts = document.match_indices("## ").map(|(at, _)| at);
    let starts: Vec<usize> = starts.filter(|&at| at == 0 || document[..at].ends_with('\n')).collect();
    let ends = starts.iter().skip(1).copied().chain([document.len()]);
    let sections = starts.iter().zip(ends).map(|(&start, end)| &document[start..end]).collect();
    (&document[..starts.first().copied().unwrap_or(document.len())], sections)
}

fn title(section: &str) -> &str {
    section.lines().next().unwrap_or_default().trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# Title\n\nHead.\n\n## A\n\nOld ## A.\n### Below\n\n## B\n\nOld B.\n";

    #[test]
    fn sections_are_replaced_by_their_titles_and_others_stay() {
        assert_eq!(
            splice(DOCUMENT, "# Other\n\nOther head.\n\n## B\n\nNew B.\n"),
            "# Title\n\nHead.\n\n## A\n\nOld ## A.\n### Below\n\n## B\n\nNew B.\n"
        );
        assert_eq!(
            splice(DOCUMENT, "## A\nNew A.\n\n\n## C\n\nNew C.\n"),
            "# Title\n\nHead.\n\n## A\nNew A.\n\n## B\n\nOld B.\n\n## C\n\nNew C.\n"
        );
    }

    #[test]
    fn nothing_new_changes_nothing() {
        assert_eq!(splice(DOCUMENT, ""), DOCUMENT);
        assert_eq!(splice(DOCUMENT, "# Head only\n"), DOCUMENT);
        assert_eq!(splice(DOCUMENT, DOCUMENT), DOCUMENT);
        assert_eq!(splice("# Head\n", "## A\n\na\n"), "# Head\n\n## A\n\na\n");
    }
}
