//! Locale slugs: `/de-DE/customers/17` is the route of `/fr/customers/17`, or a client would have a count for each
//! language.

/// Codes of ISO 639-1, without those that APIs have as words: `id`, `is`, `my`, `no`, `to`, `so`, `as`, `or`, `io`,
/// `am`, `ie`. Norwegian stays as `nb` and `nn`.
const LANGUAGES: &str = "aa ab ae af ak an ar av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de \
    dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia ig ii ik it iu ja \
    jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt na nb nd ne \
    ng nl nn nr nv ny oc oj om os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn sq sr ss st su sv sw \
    ta te tg th ti tk tl tn tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

/// Whether `folded`, a segment in lower case, is a locale: `de`, `de-at`, `zh_hant_tw`.
pub(super) fn is_locale(folded: &str) -> bool {
    let bytes = folded.as_bytes();
    let [a, b, rest @ ..] = bytes else { return false };
    if !is_language(*a, *b) {
        return false;
    }
    match rest {
        [] => true,
        [b'-' | b'_', subtags @ ..] => subtags.split(|byte| b"-_".contains(byte)).all(is_subtag),
        _ => false,
    }
}

/// Whether `text` is a language with its region in the case that these are written in: `de-DE`, `pt_BR`, `zh-Hant-TW`.
pub(super) fn is_whole(text: &str) -> bool {
    let Some((_, subtags)) = text.split_at_checked(2) else { return false };
    let mut parts = subtags.split(['-', '_']).skip(1);
    let is_subtag = |part: &str| match part.len() {
        2 => part.bytes().all(|byte| byte.is_ascii_uppercase()),
        4 => {
            part.as_bytes()[0].is_ascii_uppercase() && part[1..].bytes().all(|byte| byte.is_ascii_lowercase())
        }
        _ => false,
    };
    let first = parts.next().is_some_and(is_subtag);
    first && parts.all(is_subtag) && is_locale(&text.to_ascii_lowercase())
}

/// A region (`at`, `419`) or a script (`hant`).
fn is_subtag(subtag: &[u8]) -> bool {
    match subtag.len() {
        2 | 4 => subtag.iter().all(u8::is_ascii_alphabetic),
        3 => subtag.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// A bit for each second letter, by the first.
const TABLE: [u32; 26] = {
    let mut table = [0; 26];
    let text = LANGUAGES.as_bytes();
    let mut at = 0;
    while at + 1 < text.len() {
        if text[at] == b' ' {
            at += 1;
            continue;
        }
        table[(text[at] - b'a') as usize] |= 1 << (text[at + 1] - b'a');
        at += 2;
    }
    table
};

fn is_language(a: u8, b: u8) -> bool {
    a.is_ascii_lowercase() && b.is_ascii_lowercase() && TABLE[usize::from(a - b'a')] & 1 << (b - b'a') != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_are_told_from_words() {
        for locale in ["de", "en-us", "pt_br", "zh-hant-tw", "es-419", "nb"] {
            assert!(is_locale(locale), "{locale}");
        }
        for (text, expected) in [
            ("de-DE", true),
            ("zh-Hant-TW", true),
            ("pt_BR", true),
            ("de", false),
            ("de-de", false),
            ("co-op", false),
        ] {
            assert_eq!(is_whole(text), expected, "{text}");
        }
        for word in
            ["", "d", "v1", "my", "id", "me", "api", "den", "de-", "de-x", "en-us-", "deutsch", "qq", "é"]
        {
            assert!(!is_locale(word), "{word}");
        }
    }
}
