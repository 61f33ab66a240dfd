//! The system's own apt sources: where Debian's archive is fetched from on this machine, and by which keys it is
//! trusted. Whatever mirror the administrator chose is the one used; this program knows none.
//!
//! Both styles are read: one-line (`*.list`) and deb822 (`*.sources`), see sources.list(5).

use std::{fs, path::Path};

/// Names that Debian's main archive goes by besides the release's code name.
const RELEASES: [&str; 6] = ["stable", "oldstable", "oldoldstable", "testing", "unstable", "sid"];

/// deb822 fields that decide how a source is reached and trusted, and so are taken over with its address.
const CARRIED: [&str; 4] = ["Signed-By", "Trusted", "Check-Valid-Until", "Allow-Insecure"];

/// One source of binary packages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Source {
    pub(crate) uris: String,
    suites: Vec<String>,
    components: Vec<String>,
    /// Fields of [`CARRIED`], verbatim: an embedded key spans lines.
    carried: Vec<(String, String)>,
}

impl Source {
    /// The stanza of a `.sources` file that asks the same archive for another suite.
    pub(crate) fn stanza(&self, suite: &str) -> String {
        let mut stanza = format!(
            "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\nTargets: Packages\n",
            self.uris
        );
        for (name, value) in &self.carried {
            stanza.push_str(&format!("{name}: {value}\n"));
        }
        stanza
    }

    /// Whether this serves the releases of Debian themselves: not their security updates, which are an archive of
    /// their own, nor a third party's packages.
    fn is_main_archive(&self, codename: &str) -> bool {
        self.components.iter().any(|component| component == "main")
            && self.suites.iter().any(|suite| suite == codename || RELEASES.contains(&suite.as_str()))
            && !self.uris.starts_with("cdrom:")
    }
}

/// The sources of Debian's main archive that apt is configured with under `etc` (`/etc/apt`); those that name the
/// running release come first, as a third party may call its own suite `stable`.
pub(crate) fn main_archives(etc: &Path, codename: &str) -> Vec<Source> {
    let mut files = vec![etc.join("sources.list")];
    if let Ok(parts) = fs::read_dir(etc.join("sources.list.d")) {
        files.extend(parts.flatten().map(|part| part.path()));
    }
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => sources.extend(text.lines().filter_map(one_line)),
            Some("sources") => sources.extend(text.split("\n\n").filter_map(deb822)),
            _ => {}
        }
    }
    sources.retain(|source| source.is_main_archive(codename));
    sources.sort_by_key(|source| !source.suites.iter().any(|suite| suite == codename));
    sources
}

/// `deb [signed-by=… arch=…] uri suite component…`
fn one_line(line: &str) -> Option<Source> {
    let mut rest = line.split('#').next()?.trim().strip_prefix("deb")?;
    if !rest.starts_with(char::is_whitespace) {
        return None;
    }
    rest = rest.trim_start();
    let mut source = Source::default();
    if let Some(inside) = rest.strip_prefix('[') {
        let (options, after) = inside.split_once(']')?;
        rest = after;
        for (name, value) in options.split_whitespace().filter_map(|option| option.split_once('=')) {
            source.carry(name, value.replace(',', " "));
        }
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    source.uris = words.next()?;
    source.suites = vec![words.next()?];
    source.components = words.collect();
    Some(source)
}

/// One stanza of a deb822 file.
fn deb822(stanza: &str) -> Option<Source> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    for line in stanza.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with([' ', '\t']) {
            let (_, value) = fields.last_mut()?;
            value.push('\n');
            value.push_str(line);
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name, value.trim().to_owned()));
        }
    }
    let field = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.as_str())
    };
    let words =
        |wanted| field(wanted).unwrap_or("").split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    if !words("Types").iter().any(|kind| kind == "deb") || field("Enabled").is_some_and(|on| on == "no") {
        return None;
    }
    let mut source = Source {
        uris: words("URIs").join(" "),
        suites: words("Suites"),
        components: words("Components"),
        carried: Vec::new(),
    };
    for (name, value) in &fields {
        source.carry(name, value.clone());
    }
    (!source.uris.is_empty()).then_some(source)
}

impl Source {
    fn carry(&mut self, name: &str, value: String) {
        if let Some(field) = CARRIED.iter().find(|field| field.eq_ignore_ascii_case(name)) {
            self.carried.push(((*field).to_owned(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_styles_say_the_same() {
        let line =
            one_line("deb [arch=amd64 signed-by=/keys/a.gpg] http://mirror/debian trixie main contrib # x");
        let stanza = deb822(
            "# a comment\nTypes: deb deb-src\nURIs: http://mirror/debian\nSuites: trixie\n\
             Components: main contrib\nSigned-By: /keys/a.gpg",
        );
        assert_eq!(line, stanza);
        let asked = line.unwrap().stanza("sid");
        assert!(asked.contains("URIs: http://mirror/debian\nSuites: sid\n"), "{asked}");
        assert!(asked.ends_with("Signed-By: /keys/a.gpg\n"), "{asked}");
    }

    #[test]
    fn an_embedded_key_is_carried_whole() {
        let key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----";
        let source = deb822(&format!("Types: deb\nURIs: http://m/\nSuites: sid\nSigned-By:{key}")).unwrap();
        assert!(source.stanza("sid").contains(&format!("Signed-By: {key}\n")));
    }

    #[test]
    fn what_is_off_or_source_code_is_no_source() {
        assert_eq!(one_line("# deb http://m/ sid main"), None);
        assert_eq!(one_line("deb-src http://m/ sid main"), None);
        assert_eq!(one_line("deb http://m/"), None);
        assert_eq!(deb822("Types: deb-src\nURIs: http://m/\nSuites: sid\nComponents: main"), None);
        assert_eq!(deb822("Enabled: no\nTypes: deb\nURIs: http://m/\nSuites: sid\nComponents: main"), None);
    }

    #[test]
    fn only_the_main_archive_counts_and_the_running_release_comes_first() {
        let etc = tempfile::tempdir().unwrap();
        fs::create_dir(etc.path().join("sources.list.d")).unwrap();
        fs::write(etc.path().join("sources.list"), "deb http://third/ stable main\n").unwrap();
        fs::write(
            etc.path().join("sources.list.d/debian.sources"),
            "Types: deb\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n\
             Types: deb\nURIs: http://m/security\nSuites: bookworm-security\nComponents: main\n",
        )
        .unwrap();
        fs::write(etc.path().join("sources.list.d/node.list"), "deb http://node/ nodistro main\n").unwrap();
        let uris: Vec<_> =
            main_archives(etc.path(), "bookworm").into_iter().map(|source| source.uris).collect();
        assert_eq!(uris, ["http://m/debian", "http://third/"]);
    }
}
