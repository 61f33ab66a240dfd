//! The commands of a page: what a reader may paste into a shell.
//!
//! A block that is indented, or fenced as `sh`, holds commands. If it has lines that begin with `$ `, those are the
//! commands, and the others what they print. Everything else is fenced and says what it is: `text`, `json`, `yaml` ….

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::page::{Block, Page, Piece};

/// What a session shows before a command.
const PROMPT: &str = "$ ";

/// What the shell says of a command that goes on: an open bracket, quote or here-document.
const UNFINISHED: [&str; 3] = ["unexpected end of file", "unexpected EOF", "delimited by end-of-file"];

/// The commands of a page, in order. Each is complete: it may hold several lines.
pub fn commands(page: &Page) -> Result<Vec<Piece>> {
    let mut found = Vec::new();
    for block in page.blocks.iter().filter(|block| is_commands(block)) {
        found.extend(split(&block.piece).with_context(|| format!("{}:{}", page.name, block.piece.line))?);
    }
    Ok(found)
}

/// Whether a block holds commands.
pub fn is_commands(block: &Block) -> bool {
    block.language.as_deref().is_none_or(|language| language == "sh")
}

/// The first of these lines, and those behind it until the shell takes them for a whole.
fn split(block: &Piece) -> Result<Vec<Piece>> {
    let is_session = block.text.lines().any(|line| line.starts_with(PROMPT));
    let mut found = Vec::new();
    let mut open: Option<Piece> = None;
    for (line, text) in (block.line..).zip(block.text.lines()) {
        let text = match (&open, text.strip_prefix(PROMPT)) {
            (None, Some(command)) => command,
            (None, None) if is_session => continue,
            _ => text,
        };
        let mut piece = open.take().unwrap_or(Piece { line, text: String::new() });
        piece.text.push_str(text);
        if piece.text.trim().is_empty() || piece.text.starts_with('#') {
            continue;
        }
        if is_whole(&piece.text)? {
            found.push(piece);
        } else {
            piece.text.push('\n');
            open = Some(piece);
        }
    }
    ensure!(open.is_none(), "a command without an end: {open:?}");
    Ok(found)
}

/// Whether the shell would run it rather than ask for more.
fn is_whole(text: &str) -> Result<bool> {
    if text.ends_with('\\') {
        return Ok(false);
    }
    let output = Command::new("bash").args(["-n", "-c", text]).stdin(Stdio::null()).output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    Ok(!UNFINISHED.iter().any(|words| complaint.contains(words)))
}

/// The words of a command's first line as the shell would part them, without variables set before it, `sudo`, and
/// whatever stands behind a comment sign or a pipe.
pub fn words(command: &str) -> Vec<&str> {
    let mut words = command.split_whitespace().peekable();
    while words.next_if(|word| *word == "sudo" || is_assignment(word)).is_some() {}
    words.take_while(|word| !["#", "|", "||", "&&", ";"].contains(word)).collect()
}

/// A command with what its `names` stand for, wherever they are words of their own.
pub fn spelt_out(command: &str, names: &[(&str, String)]) -> String {
    let mut out = String::new();
    let mut rest = command;
    while !rest.is_empty() {
        let is_part = |c: char| c.is_alphanumeric() || "_-$".contains(c);
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let meaning = names.iter().find(|(name, _)| *name == word);
        out.push_str(meaning.map_or(word, |(_, meaning)| meaning));
        let between = behind.chars().next().map_or(0, char::len_utf8);
        out.push_str(&behind[..between]);
        rest = &behind[between..];
    }
    out
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    })
}

#[test]
fn blocks_are_split_into_what_a_shell_runs() {
    let block = |text: &str| Piece { line: 7, text: text.to_owned() };
    let texts = |text: &str| -> Vec<(usize, String)> {
        split(&block(text)).unwrap().into_iter().map(|piece| (piece.line, piece.text)).collect()
    };
    let owned = |line, text: &str| (line, text.to_owned());
    assert_eq!(texts("a\n\n# why\nb \\\n  c\n"), [owned(7, "a"), owned(10, "b \\\n  c")]);
    assert_eq!(texts("$ a 'x\ny'\nout\n$ b\n"), [owned(7, "a 'x\ny'"), owned(10, "b")]);
    assert_eq!(texts("cat <<E\nx\nE\nls\n"), [owned(7, "cat <<E\nx\nE"), owned(10, "ls")]);
    assert_eq!(texts("for x in *; do\n  echo $x\ndone\n").len(), 1);
    let names = [("ALERT", "4c51".to_owned())];
    assert_eq!(spelt_out("x 'ALERT' $ALERT --ALERTS <ALERT>", &names), "x '4c51' $ALERT --ALERTS <4c51>");
    assert_eq!(words("A=1 sudo rollcall run --port 1 | tee x"), ["rollcall", "run", "--port", "1"]);
}
