//! The service's settings: a file of variables for systemd's `EnvironmentFile=`, in which nothing is set.

use std::collections::BTreeMap;

use clap::{Arg, Command};

/// Columns of a comment.
const WIDTH: usize = 100;

const HEADER: &str = "\
# Settings of rollcall.service: a variable for each flag of `rollcall run`, with its default.
# rollcall-run(1) says more. Remove the # before what you change, then: systemctl restart rollcall
#
# Where a flag may be repeated, the variable is a list with commas. Values with spaces stand in quotes:
# ROLLCALL_ROUTE=\"GET /v1/customers/{account}/**,GET /v1/orders/{order}\"
";

/// The settings that `run` takes, under the headings that its help has.
pub(super) fn file(run: &Command) -> String {
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    for arg in run.get_arguments() {
        if let Some(setting) = setting(arg) {
            sections.entry(arg.get_help_heading().unwrap_or_default()).or_default().push_str(&setting);
        }
    }
    let mut file = HEADER.to_owned();
    for (heading, settings) in sections {
        if !heading.is_empty() {
            file.push_str(&format!("\n\n# {heading}\n# {}\n", "-".repeat(heading.len())));
        }
        file.push_str(&settings);
    }
    file
}

/// What the flag does, and its variable; nothing for a flag that has none.
fn setting(arg: &Arg) -> Option<String> {
    let name = arg.get_env()?.to_str()?;
    let mut help =
        arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    // clap takes the last full stop away.
    if !help.ends_with(['.', ']']) {
        help.push('.');
    }
    let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let default = default.join(",");
    let quote = if default.contains(' ') { "\"" } else { "" };
    Some(format!("\n{}#{name}={quote}{default}{quote}\n", comment(&help)))
}

/// `text` in lines that begin with `# `.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH && line.len() > 1 {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::command;

    #[test]
    fn every_variable_is_there_and_none_is_set() {
        let command = command();
        let run = command.find_subcommand("run").unwrap();
        let file = file(run);
        let variables: BTreeSet<_> = run.get_arguments().filter_map(|arg| arg.get_env()?.to_str()).collect();
        let written: BTreeSet<_> = file
            .lines()
            .filter_map(|line| line.strip_prefix('#')?.split_once('='))
            .map(|(name, _)| name)
            .filter(|name| name.starts_with("ROLLCALL_"))
            .collect();
        assert_eq!(written, variables);
        assert!(file.lines().all(|line| line.is_empty() || line.starts_with('#')), "{file}");
    }

    #[test]
    fn a_setting_shows_its_help_and_its_default() {
        let arg = Arg::new("x").env("ROLLCALL_X").help("Does this.").default_value("a b");
        assert_eq!(setting(&arg).unwrap(), "\n# Does this.\n#ROLLCALL_X=\"a b\"\n");
        assert_eq!(setting(&Arg::new("y").help("No variable.")), None);
    }

    #[test]
    fn comments_are_wrapped() {
        let long = comment(&"word ".repeat(40));
        assert_eq!(long.lines().count(), 3);
        assert!(long.lines().all(|line| line.len() <= WIDTH && line.starts_with("# word")), "{long}");
    }
}
