//! A page of the documentation: what of its Markdown can be checked.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A Markdown file of the repository.
#[derive(Debug)]
pub struct Page {
    /// Its path from the repository's root.
    pub name: String,
    /// Code that stands by itself.
    pub blocks: Vec<Block>,
    /// Code within text.
    pub spans: Vec<Piece>,
    /// Where its links and pictures point.
    pub links: Vec<Piece>,
    /// What links to its headings end in.
    pub anchors: Vec<String>,
}

/// A piece of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The line that it begins in, from 1.
    pub line: usize,
    /// The piece.
    pub text: String,
}

/// A block of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its lines; the first of them stands in `piece.line`.
    pub piece: Piece,
    /// What it is; `None` if it is indented.
    pub language: Option<String>,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// README.md, CONTRIBUTING.md and all that lies in docs/.
pub fn all() -> Result<Vec<Page>> {
    let mut names = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).context("list docs/")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            names.push(format!("docs/{name}"));
        }
    }
    names.sort();
    let page = |name: String| {
        let text = fs::read_to_string(root().join(&name)).with_context(|| format!("read {name}"))?;
        Ok(Page::parse(name, &text))
    };
    names.into_iter().map(page).collect()
}

impl Page {
    fn parse(name: String, text: &str) -> Page {
        let (mut blocks, mut spans, mut links) = (Vec::new(), Vec::new(), Vec::new());
        let mut anchors = Anchors::default();
        let mut heading = None::<String>;
        let mut block = None::<Block>;
        let line = |offset: usize| text[..offset].matches('\n').count() + 1;
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            let piece = |text: &str| Piece { line: line(range.start), text: text.to_owned() };
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => anchors.push(&heading.take().unwrap_or_default()),
                Event::Start(Tag::CodeBlock(kind)) => {
                    let language = match kind {
                        CodeBlockKind::Indented => None,
                        CodeBlockKind::Fenced(language) => Some(language.to_string()),
                    };
                    let first = usize::from(language.is_some());
                    let piece = Piece { line: line(range.start) + first, text: String::new() };
                    block = Some(Block { piece, language });
                }
                Event::End(TagEnd::CodeBlock) => blocks.extend(block.take()),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    links.push(piece(&dest_url));
                }
                Event::Code(code) => {
                    spans.push(piece(&code));
                    heading.iter_mut().for_each(|heading| heading.push_str(&code));
                }
                Event::Text(words) => {
                    block.iter_mut().for_each(|block| block.piece.text.push_str(&words));
                    heading.iter_mut().for_each(|heading| heading.push_str(&words));
                }
                _ => {}
            }
        }
        Page { name, blocks, spans, links, anchors: anchors.found }
    }
}

/// Anchors as they are made of headings: in lower case, with hyphens for blanks and without punctuation; one that is
/// taken gets a number.
#[derive(Default)]
struct Anchors {
    found: Vec<String>,
    times: HashMap<String, usize>,
}

impl Anchors {
    fn push(&mut self, heading: &str) {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        let anchor: String =
            kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect();
        let times = self.times.entry(anchor.clone()).or_default();
        self.found.push(if *times == 0 { anchor } else { format!("{anchor}-{times}") });
        *times += 1;
    }
}

#[test]
fn a_page_is_taken_apart() {
    let text = "# One: `two`, three\n\n    a command\n    another\n\nSee [it](docs/x.md#y) and `--flag`.\n\n# One: `two`, three\n\n```json\n{}\n```\n";
    let page = Page::parse("x".to_owned(), text);
    assert_eq!(page.anchors, ["one-two-three", "one-two-three-1"]);
    let piece = |line, text: &str| Piece { line, text: text.to_owned() };
    assert_eq!(
        page.blocks,
        [
            Block { piece: piece(3, "a command\nanother\n"), language: None },
            Block { piece: piece(11, "{}\n"), language: Some("json".to_owned()) },
        ]
    );
    assert_eq!(page.links, [piece(6, "docs/x.md#y")]);
    assert!(page.spans.contains(&piece(6, "--flag")));
}
