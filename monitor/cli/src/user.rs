//! Who says something, and what.

use nix::unistd::{User, getuid};

/// Who runs this: with sudo, who asked for it.
pub(super) fn name() -> String {
    let asked = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    let name = || User::from_uid(getuid()).ok().flatten().map(|user| user.name);
    asked.or_else(name).unwrap_or_else(|| getuid().to_string())
}

/// Something short to say.
pub(super) fn text(text: &str) -> Result<String, String> {
    const MOST: usize = 1_000;
    let text = text.trim();
    match text.chars().count() {
        0 => Err("must not be empty".to_owned()),
        1..=MOST => Ok(text.to_owned()),
        _ => Err(format!("must have {MOST} characters at most")),
    }
}
