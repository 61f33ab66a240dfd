//! Suffixes of static files, which are the client's to choose: many servers answer `/v1/customers/17.png` like
//! `/v1/customers/17`. What is static is decided by the answer.

use rollcall_http::exchange::Exchange;

use super::{class, outcome};

/// What is known of a path with a suffix of static files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suffix<'a> {
    /// The last segment without it.
    pub(super) stem: &'a str,
    /// The stem has the form of an identifier.
    pub(super) is_identifier: bool,
    /// It is one of video, sound and packages, which no API answers in place of accounts.
    pub(super) is_media: bool,
    /// Without the suffix it is a route that answers with objects.
    pub(super) is_known: bool,
}

/// Names of directories that hold the parts of pages, in lower case: pictures and scripts are numbered, too.
const DIRECTORIES: [&str; 42] = [
    "_next",
    "asset",
    "assets",
    "audio",
    "avatars",
    "build",
    "bundles",
    "cdn",
    "chunks",
    "content",
    "covers",
    "css",
    "dist",
    "download",
    "downloads",
    "emoji",
    "files",
    "flags",
    "fonts",
    "gallery",
    "icons",
    "image",
    "images",
    "img",
    "js",
    "lib",
    "media",
    "photos",
    "pics",
    "pictures",
    "posters",
    "public",
    "scripts",
    "skins",
    "static",
    "styles",
    "themes",
    "thumbnails",
    "thumbs",
    "tiles",
    "uploads",
    "videos",
];

impl Suffix<'_> {
    /// Whether the answer is that to the path without the suffix, and not a static file. `above` are the directories, in
    /// lower case.
    pub(super) fn is_void<'a>(&self, exchange: &Exchange<'_>, above: impl Iterator<Item = &'a str>) -> bool {
        match exchange.response_type {
            // A refusal has a type of its own, whatever there was to refuse.
            Some(_) if !outcome::is_touch(exchange.status) => self.is_known,
            Some(kind) if is_data(kind) => true,
            Some(kind) => self.is_identifier && is_page(kind),
            None => {
                self.is_known || self.is_identifier && !self.is_media && !is_part_of_page(self.stem, above)
            }
        }
    }
}

/// Suffixes of video, sound, tiles of maps, and packages.
const MEDIA: [&str; 34] = [
    "aac", "apk", "bz2", "cmfa", "cmfv", "deb", "dmg", "flac", "flv", "gz", "iso", "jar", "m3u8", "m4a",
    "m4s", "m4v", "mkv", "mov", "mp3", "mp4", "mpd", "mpg", "mvt", "ogg", "ogv", "opus", "pbf", "rpm", "tar",
    "tgz", "ts", "vtt", "whl", "xz",
];

/// Whether an extension, with its point, is one of [`MEDIA`].
pub(super) fn is_media(extension: &str) -> bool {
    extension.strip_prefix('.').is_some_and(|extension| MEDIA.binary_search(&extension).is_ok())
}

/// Data, as no static file but a source map is.
fn is_data(kind: &[u8]) -> bool {
    let has = |word: &[u8]| kind.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    let is_picture = kind.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"image/"));
    !is_picture && (has(b"json") || has(b"xml") || has(b"csv") || has(b"protobuf") || has(b"msgpack"))
}

/// Pages, which may be about an account.
fn is_page(kind: &[u8]) -> bool {
    kind.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"text/html"))
        || kind.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"text/plain"))
}

/// As long as nobody knows the type of the answer: whether a name is that of a part of pages rather than of an account.
fn is_part_of_page<'a>(stem: &str, above: impl Iterator<Item = &'a str>) -> bool {
    let mut any = false;
    let mut numbers = 0;
    for directory in above {
        if DIRECTORIES.binary_search(&directory).is_ok() || class::is_content(directory) {
            return true;
        }
        any = true;
        numbers = if directory.bytes().all(|byte| byte.is_ascii_digit()) { numbers + 1 } else { 0 };
    }
    // Tiles of a map: zoom, column and row.
    if numbers > 1 {
        return true;
    }
    // What builds name by its content, and what stands beside the page itself.
    let is_digest = (8..=20).contains(&stem.len())
        && stem.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !stem.bytes().all(|byte| byte.is_ascii_digit());
    !any || is_digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_in_order() {
        assert!(DIRECTORIES.is_sorted() && MEDIA.is_sorted());
    }
}
