//! What an answer tells: data about the objects that were asked for, content such as pictures, or that something was written.
//!
//! Only data about objects are read by who collects accounts. What an answer is, its `Content-Type` says, which is the server's
//! and not the client's to choose. Where that is not known, as in most access logs, it is what the route has answered
//! before, then the method, and at last words in the route's own path. Each kind is told by what the operator says first.

use std::str;

use serde::{Deserialize, Serialize};

use rollcall_http::exchange::Exchange;

use super::{Template, outcome};

/// What a call read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Read {
    /// Data about its objects.
    #[default]
    Data,
    /// Little more than that they are there: HEAD, 304, the short answer to a POST.
    Little,
    /// Content: pictures, video, styles, scripts.
    Content,
    /// Nothing: it wrote, or let somebody know.
    Nothing,
}

/// What a route is, by what its answers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// It answers with data about objects.
    Accounts,
    /// It answers with content.
    Content,
    /// What it is called for is to write, or to let it know something.
    Writes,
    /// It answers with pages, or with data that are about no object.
    Pages,
}

/// By what the class of a route is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// `--accounts` or `--content`
    Declared,
    /// The media type of its answers.
    Type,
    /// The suffix of a static file.
    Suffix,
    /// A word in its path.
    Path,
    /// Its method.
    Method,
    /// How short its answers are.
    Size,
    /// There are no objects in its calls.
    Objects,
}

/// Classes that the operator declared, by the names of routes.
#[derive(Clone, Debug, Default)]
pub(super) struct Classes(Vec<(Template, Class)>);

/// Calls of a route that touched something, by what they read, and what told so.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Answers {
    data: u32,
    /// Of these, pages.
    pages: u32,
    little: u32,
    /// Content, by type and otherwise.
    content: [u32; 2],
    nothing: u32,
}

/// An answer to a POST that is shorter than this tells little; to what writes, nothing.
const LEAST: u64 = 17;

/// And one to a batch that is shorter than this for each object.
const LEAST_EACH: u64 = 12;

/// Words for content, where they stand beside an identifier or at the end of a path.
const CONTENT: [&str; 43] = [
    "artwork",
    "artworks",
    "audio",
    "avatar",
    "avatars",
    "backdrop",
    "backdrops",
    "banner",
    "banners",
    "cover",
    "covers",
    "dash",
    "emoji",
    "favicon",
    "favicons",
    "flags",
    "gravatar",
    "hls",
    "icon",
    "icons",
    "image",
    "images",
    "img",
    "logo",
    "logos",
    "picture",
    "pictures",
    "poster",
    "posters",
    "preview",
    "previews",
    "screenshot",
    "screenshots",
    "sprite",
    "sprites",
    "storyboard",
    "thumb",
    "thumbnail",
    "thumbnails",
    "thumbs",
    "tile",
    "tiles",
    "waveform",
];

/// Those of them that are content also where one word is between them and an identifier: `/tiles/streets/{id}/{id}/{id}`.
const FAR: [&str; 13] = [
    "avatar",
    "avatars",
    "emoji",
    "favicon",
    "gravatar",
    "icon",
    "icons",
    "sprites",
    "thumb",
    "thumbnail",
    "thumbnails",
    "thumbs",
    "tiles",
];

/// What the last word of a path ends in that answers with a picture of what its parameters name: `/secure/useravatar?id=17`.
const LAST: [&str; 4] = ["avatar", "favicon", "thumb", "thumbnail"];

/// Words for calls that let somebody know something, whatever their method.
const NOTICES: [&str; 14] = [
    "beacon",
    "checkin",
    "health",
    "healthz",
    "heartbeat",
    "heartbeats",
    "keepalive",
    "livez",
    "ping",
    "pings",
    "pixel",
    "push",
    "readyz",
    "webhook",
];

impl Classes {
    /// As `accounts` and `content` declare.
    pub(super) fn new(accounts: &[Template], content: &[Template]) -> Classes {
        let accounts = accounts.iter().map(|template| (template.clone(), Class::Accounts));
        let content = content.iter().map(|template| (template.clone(), Class::Content));
        Classes(accounts.chain(content).collect())
    }

    /// The class of the route of this name, if it is declared.
    pub(super) fn of(&self, name: &str) -> Option<Class> {
        self.0.iter().find(|(template, _)| template.has_route(name)).map(|&(_, class)| class)
    }
}

impl Answers {
    /// What a call of the route `name` read that named so many objects. `is_static` tells that it is one of static files.
    pub(super) fn read(
        &self,
        exchange: &Exchange<'_>,
        name: &str,
        is_static: bool,
        declared: Option<Class>,
        objects: usize,
    ) -> Read {
        let method = exchange.request.method();
        let is_touch = outcome::is_touch(exchange.status);
        let content = match (declared, exchange.response_type) {
            (Some(class), _) => class == Class::Content,
            _ if is_static => true,
            (None, Some(kind)) if is_touch => match media(kind) {
                Media::Content => true,
                Media::Any => has_content_word(name),
                Media::Data | Media::Page => false,
            },
            // A refusal has a type of its own.
            _ => match self.typed() {
                Some(usual) => usual,
                None => has_content_word(name),
            },
        };
        if content {
            return Read::Content;
        }
        let length = exchange.response_length;
        let shorter = |than: u64| length.is_some_and(|length| length < than);
        let is_short = || matches!(exchange.status, Some(201 | 202 | 204 | 205 | 304));
        match method {
            // Some servers answer any method as they do GET.
            b"OPTIONS" | b"TRACE" | b"PUT" | b"PATCH" | b"DELETE" | b"MOVE" | b"COPY" | b"LOCK"
            | b"UNLOCK" | b"MKCOL" | b"PROPPATCH" | b"PURGE" => {
                let answers = exchange.response_type.is_some() && !is_short() && !shorter(LEAST);
                // Refused, it tells whether there is such an object.
                if answers || !is_touch { Read::Little } else { Read::Nothing }
            }
            _ if declared.is_none() && has_word(name, &NOTICES) && exchange.response_type.is_none() => {
                Read::Nothing
            }
            b"HEAD" => Read::Little,
            b"POST" if is_short() || shorter(LEAST.max(LEAST_EACH * objects as u64)) => Read::Little,
            _ if matches!(exchange.status, Some(204 | 205 | 304)) => Read::Little,
            _ => Read::Data,
        }
    }

    /// Takes down a call that touched something.
    pub(super) fn add(&mut self, read: Read, exchange: &Exchange<'_>) {
        let count = match read {
            Read::Data => {
                let is_page = exchange.response_type.is_some_and(|kind| media(kind) == Media::Page);
                self.pages = self.pages.saturating_add(u32::from(is_page));
                &mut self.data
            }
            Read::Little => &mut self.little,
            Read::Content => &mut self.content[usize::from(exchange.response_type.is_none())],
            Read::Nothing => &mut self.nothing,
        };
        *count = count.saturating_add(1);
    }

    /// Takes in those of a route that is the same after all.
    pub(super) fn merge(&mut self, other: &Answers) {
        let Answers { data, pages, little, content: [typed, untyped], nothing } = self;
        let of = [other.data, other.pages, other.little, other.content[0], other.content[1], other.nothing];
        for (count, of) in [data, pages, little, typed, untyped, nothing].into_iter().zip(of) {
            *count = count.saturating_add(of);
        }
    }

    /// The class of the route `name`, and by what it is told. `has_objects` tells that its calls name objects.
    pub(super) fn class(
        &self,
        name: &str,
        is_static: bool,
        declared: Option<Class>,
        has_objects: bool,
    ) -> (Class, Why) {
        if let Some(class) = declared {
            return (class, Why::Declared);
        }
        if is_static {
            return (Class::Content, Why::Suffix);
        }
        let content = self.content[0].saturating_add(self.content[1]);
        let told = self.data.saturating_add(self.little);
        if content > told.max(self.nothing) {
            let why = if self.content[0] > 0 { Why::Type } else { Why::Path };
            return (Class::Content, why);
        }
        if self.nothing > told {
            let why = if has_word(name, &NOTICES) { Why::Path } else { Why::Method };
            return (Class::Writes, why);
        }
        let method = name.split(' ').next().unwrap_or_default();
        if self.little > self.data && matches!(method, "POST" | "PUT" | "PATCH" | "DELETE") {
            return (Class::Writes, Why::Size);
        }
        if !has_objects {
            return (Class::Pages, Why::Objects);
        }
        if self.pages > self.data / 2 { (Class::Pages, Why::Type) } else { (Class::Accounts, Why::Objects) }
    }

    /// Whether most answers have been content, of those that a type told of; `None` if none did.
    fn typed(&self) -> Option<bool> {
        let content = self.content[0];
        (content > 0).then_some(content > self.data)
    }
}

/// What a media type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Content,
    Data,
    Page,
    /// It may be either.
    Any,
}

/// What the media type in `kind` is, parameters aside (RFC 9110, section 8.3.1).
fn media(kind: &[u8]) -> Media {
    let essence = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let mut lower = [0; 64];
    let Some(lower) = lower.get_mut(..essence.len()) else { return Media::Data };
    lower.copy_from_slice(essence);
    lower.make_ascii_lowercase();
    let Ok(text) = str::from_utf8(lower) else { return Media::Data };
    let (top, sub) = text.split_once('/').unwrap_or((text, ""));
    match (top, sub) {
        ("image" | "video" | "audio" | "font" | "model", _) | ("text", "css" | "vtt") => Media::Content,
        (
            "application",
            "wasm"
            | "vnd.apple.mpegurl"
            | "x-mpegurl"
            | "dash+xml"
            | "vnd.ms-fontobject"
            | "font-woff"
            | "vnd.mapbox-vector-tile"
            | "x-font-ttf"
            | "x-shockwave-flash",
        ) => Media::Content,
        ("text", "html") | ("application", "xhtml+xml") => Media::Page,
        // Packages, and layers of images of containers.
        (
            "application",
            "java-archive"
            | "vnd.android.package-archive"
            | "vnd.debian.binary-package"
            | "x-debian-package"
            | "x-rpm",
        ) => Media::Content,
        ("application", sub) if sub.starts_with("vnd.oci.") || sub.starts_with("vnd.docker.") => {
            Media::Content
        }
        // JSON with padding is a script, too.
        (_, "javascript" | "x-javascript" | "ecmascript")
        | ("application", "octet-stream" | "x-protobuf" | "protobuf" | "binary")
        | ("binary", _) => Media::Any,
        _ => Media::Data,
    }
}

/// Whether a word of a path, in lower case, is one for content.
pub(super) fn is_content(word: &str) -> bool {
    CONTENT.binary_search(&word).is_ok()
}

/// Whether the path in a route's name has a word for content where it tells of a value.
fn has_content_word(name: &str) -> bool {
    if has_word(name, &CONTENT) {
        return true;
    }
    let path = name.split(' ').nth(1).unwrap_or_default();
    let is_value = |segment: &str| segment.starts_with('{');
    let is_far = |word: &str| FAR.binary_search(&word).is_ok();
    let (mut second, mut first) = ("", "");
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let is_word_between = !is_value(first);
        if is_word_between && (is_value(segment) && is_far(second) || is_value(second) && is_far(segment)) {
            return true;
        }
        (second, first) = (first, segment);
    }
    let stem = first.split('.').next().unwrap_or(first);
    !is_value(first) && LAST.iter().any(|word| stem.ends_with(word))
}

/// Whether the path in a route's name has one of `words` before or behind a value.
fn has_word(name: &str, words: &[&str]) -> bool {
    let path = name.split(' ').nth(1).unwrap_or_default();
    let mut before = "";
    let mut found = false;
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let is_value = segment.starts_with('{') || segment.starts_with("*.");
        let is_word = |word: &str| words.binary_search(&word).is_ok();
        // `/cover/{id}`, `/{id}/cover`, `/{id}/images/primary`, `/tiles/{id}/{id}/{id}`.
        found |= is_value && is_word(before) || before.starts_with('{') && is_word(segment);
        if !(is_value && is_word(before)) {
            before = segment;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_order() {
        assert!(CONTENT.is_sorted() && NOTICES.is_sorted() && FAR.is_sorted());
    }

    #[test]
    fn words_count_beside_a_value() {
        for name in [
            "GET /cover/{id}",
            "GET /api/assets/{id}/thumbnail",
            "GET /items/{id}/images/primary",
            "GET /api/v4/users/{id}/image",
            "GET /index.php/apps/photos/api/v1/preview/{id}",
            "GET /tiles/{id}/{id}/{id}",
        ] {
            assert!(has_word(name, &CONTENT), "{name}");
        }
        for name in
            ["GET /v1/customers/{id}", "GET /images", "GET /icons/search", "GET /{id}", "GET /", "~other"]
        {
            assert!(!has_word(name, &CONTENT), "{name}");
        }
        for name in [
            "GET /tiles/streets/{id}/{id}/{id}",
            "GET /media/v3/thumbnail/example.org/{id}",
            "GET /pluginfile.php/{id}/user/icon/boost/f2",
            "GET /secure/useravatar",
            "GET /avatar.php",
        ] {
            assert!(!has_word(name, &CONTENT) && has_content_word(name), "{name}");
        }
        for name in [
            "GET /v1/images/of/customers/{id}",
            "GET /images/search",
            "GET /icons/search",
            "GET /customers/{id}/documents/images",
            "GET /",
            "~other",
        ] {
            assert!(!has_content_word(name), "{name}");
        }
        assert!(has_word("GET /ping/{id}", &NOTICES) && has_word("POST /agents/{id}/heartbeat", &NOTICES));
    }

    #[test]
    fn a_type_is_told_by_its_essence() {
        for (kind, expected) in [
            ("image/png", Media::Content),
            ("IMAGE/svg+xml; charset=utf-8", Media::Content),
            ("video/mp2t", Media::Content),
            ("application/vnd.oci.image.manifest.v1+json", Media::Content),
            ("application/vnd.api+json", Media::Data),
            ("text/css", Media::Content),
            ("application/json", Media::Data),
            ("application/problem+json", Media::Data),
            ("application/pdf", Media::Data),
            ("text/html;charset=utf-8", Media::Page),
            ("text/plain", Media::Data),
            ("application/javascript", Media::Any),
            ("application/octet-stream", Media::Any),
            ("", Media::Data),
            ("image", Media::Content),
        ] {
            assert_eq!(media(kind.as_bytes()), expected, "{kind}");
        }
        assert_eq!(media(&[b'x'; 100]), Media::Data);
        assert_eq!(media(b"\xff/\xff"), Media::Data);
    }
}
