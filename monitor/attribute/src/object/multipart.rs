//! The fields of a form (`multipart/form-data`, RFC 7578), from a body that an attacker wrote and that is cut
//! off at a cap.
//!
//! Libraries want a whole body. This one gives every field that is whole: ended by the next boundary, which is the one that
//! it is told, or the first line that can be one. Files are passed over. It borrows from the body, allocates nothing and
//! takes linear time. Like servers, it takes LF for CRLF.

use memchr::{memchr, memchr2, memmem};
use rollcall_model::json::Text;

/// One field of a form that is not a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name as it is written, without quotes.
    pub name: &'a [u8],
    /// Its content.
    pub value: &'a [u8],
}

/// Forms that a body may be: one for each different line that can be a boundary. The first such line, and others if a part
/// begins behind them that says what it is.
#[derive(Clone, Debug)]
pub struct Delimiters<'a> {
    rest: &'a [u8],
    found: [&'a [u8]; Delimiters::MOST],
    count: usize,
}

impl<'a> Delimiters<'a> {
    /// A form has one; those who want to hide what it is have more.
    const MOST: usize = 4;

    /// Those in `body`.
    pub fn new(body: &'a [u8]) -> Delimiters<'a> {
        Delimiters { rest: body, found: [&[]; Delimiters::MOST], count: 0 }
    }

    /// Whether there are more than were given.
    pub fn has_more(&mut self) -> bool {
        self.count == Delimiters::MOST && self.find().is_some()
    }

    /// The next delimiter, and what is behind it.
    fn find(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        while let Some(end) = memchr(b'\n', self.rest) {
            let (line, behind) = (self.rest[..end].trim_ascii_end(), &self.rest[end..]);
            self.rest = &behind[1..];
            let begins_part = |behind: &[u8]| {
                const FIELD: &[u8] = b"content-";
                behind.get(1..=FIELD.len()).is_some_and(|field| field.eq_ignore_ascii_case(FIELD))
            };
            if line.starts_with(b"--")
                && line.len() > 2
                && (self.count == 0 || begins_part(behind))
                && !self.found[..self.count].contains(&line)
            {
                return Some((line, behind));
            }
        }
        None
    }
}

impl<'a> Iterator for Delimiters<'a> {
    type Item = Fields<'a>;

    fn next(&mut self) -> Option<Fields<'a>> {
        if self.count == Delimiters::MOST {
            return None;
        }
        let (line, behind) = self.find()?;
        self.found[self.count] = line;
        self.count += 1;
        Some(Fields::with(line, behind))
    }
}

/// Gives the fields of a form.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    /// Finds two hyphens and the boundary. Made once: that costs more than to find a near one.
    delimiter: memmem::Finder<'a>,
    /// What follows a delimiter, beginning with the end of its line.
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of `body` by the `boundary` that its `Content-Type` has.
    pub fn of(body: &'a [u8], boundary: &[u8]) -> Fields<'a> {
        for at in memmem::Finder::new(boundary).find_iter(body) {
            let behind = at + boundary.len();
            let starts = at >= 2 && body[at - 2..].starts_with(b"--") && (at == 2 || body[at - 3] == b'\n');
            if starts
                && let Some(line) = memchr(b'\n', &body[behind..])
                && body[behind..behind + line].trim_ascii().is_empty()
            {
                return Fields::with(&body[at - 2..behind], &body[behind + line..]);
            }
        }
        Fields::with(&[], &[])
    }

    /// The fields of `body` by the first line that can be a boundary.
    pub fn new(body: &'a [u8]) -> Fields<'a> {
        Delimiters::new(body).next().unwrap_or(Fields::with(&[], &[]))
    }

    fn with(delimiter: &'a [u8], rest: &'a [u8]) -> Fields<'a> {
        Fields { delimiter: memmem::Finder::new(delimiter), rest }
    }

    /// Two hyphens and the boundary; empty if there is none.
    pub fn delimiter(&self) -> &[u8] {
        self.delimiter.needle()
    }

    /// What is left once there is no further field: one that nothing ends.
    pub fn last(self) -> Option<Field<'a>> {
        let field = field(self.rest.strip_prefix(b"\n").filter(|_| !self.delimiter().is_empty())?)?;
        Some(Field { value: field.value.trim_ascii_end(), ..field })
    }

    /// Takes a part with the delimiter behind it.
    fn part(&mut self) -> Option<&'a [u8]> {
        if self.delimiter().is_empty() {
            return None;
        }
        let mut behind = 0;
        loop {
            let at = behind + self.delimiter.find(&self.rest[behind..])?;
            behind = at + self.delimiter().len();
            let Some(part) = self.rest[..at].strip_suffix(b"\n") else { continue };
            let tail = &self.rest[behind..];
            let blanks = tail.iter().take_while(|byte| b" \t".contains(byte)).count();
            self.rest = match &tail[blanks..] {
                [b'\r', b'\n', ..] => &tail[blanks + 1..],
                [b'\n', ..] => &tail[blanks..],
                _ if tail.starts_with(b"--") => &[],
                // Content that begins like a delimiter.
                _ => continue,
            };
            // The end of the line in front of the part; with nothing in the part, it is the one behind it too.
            let part = part.strip_prefix(b"\n").unwrap_or_default();
            return Some(part.strip_suffix(b"\r").unwrap_or(part));
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            if let Some(field) = field(self.part()?) {
                return Some(field);
            }
        }
    }
}

/// The field in `part`; `None` for a file and for what has no name.
fn field(part: &[u8]) -> Option<Field<'_>> {
    let mut rest = part;
    let mut disposition = None;
    loop {
        if let [b'\r', b'\n', value @ ..] | [b'\n', value @ ..] = rest {
            return Some(Field { name: name(disposition?)?, value });
        }
        let header = take_header(&mut rest)?;
        let colon = memchr(b':', header).unwrap_or(header.len());
        let (key, value) = header.split_at(colon);
        if disposition.is_none() && key.trim_ascii().eq_ignore_ascii_case(b"content-disposition") {
            disposition = Some(value);
        }
    }
}

/// Takes a line and those that continue it, which begin with a blank (RFC 5322, section 2.2.3).
fn take_header<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut end = 0;
    loop {
        end += memchr(b'\n', &rest[end..])? + 1;
        if !matches!(rest.get(end), Some(b' ' | b'\t')) {
            let (header, tail) = rest.split_at(end);
            *rest = tail;
            return Some(header);
        }
    }
}

/// The last `name` in a `Content-Disposition`; `None` if there is a name of a file, too. An empty one does not
/// make a file: Go's and Ruby's servers take such a part for a field.
fn name(disposition: &[u8]) -> Option<&[u8]> {
    let mut rest = disposition;
    let mut name = None;
    while let Some(semicolon) = memchr(b';', rest) {
        rest = &rest[semicolon + 1..];
        let Some(end) = memchr2(b'=', b';', rest) else { break };
        let (key, tail) = rest.split_at(end);
        rest = tail;
        let Some(text) = rest.strip_prefix(b"=") else { continue };
        let text = text.trim_ascii_start();
        let value;
        (value, rest) = match text.strip_prefix(b"\"") {
            Some(quoted) => Text::take(quoted).map_or((quoted, &[][..]), |(text, rest)| (text.raw(), rest)),
            None => text.split_at(memchr(b';', text).unwrap_or(text.len())),
        };
        match key.trim_ascii() {
            key if key.eq_ignore_ascii_case(b"name") => name = Some(value.trim_ascii_end()),
            // With its characters' set and language in front (RFC 8187).
            key if key.eq_ignore_ascii_case(b"name*") => {
                let start = memchr::memrchr(b'\'', value).map_or(0, |quote| quote + 1);
                name = Some(value[start..].trim_ascii_end());
            }
            key if key.eq_ignore_ascii_case(b"filename") && value.trim_ascii().is_empty() => {}
            // Not `filename*`, which PHP does not know: it takes such a part for a field.
            key if key.eq_ignore_ascii_case(b"filename") => return None,
            _ => {}
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// The fields of `body`, one word each.
    fn fields(body: &[u8]) -> Vec<String> {
        Fields::new(body)
            .map(|field| format!("{}={}", field.name.escape_ascii(), field.value.escape_ascii()))
            .collect()
    }

    /// A part with this disposition and content.
    fn part(disposition: &str, content: &str) -> String {
        format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
    }

    fn form() -> String {
        let parts = [
            part("name=\"id\"", "7"),
            part(
                "name=\"photo\"; filename=\"id.png\"\r\nContent-Type: image/png",
                "\0\r\n--bb\r\n\r\n--\r\n",
            ),
            part("name=\"note\"", "two\r\nlines --b\r\n--box\r\n"),
            part("name=\"empty\"", ""),
        ];
        format!("{}--b--\r\n", parts.concat())
    }

    #[test]
    fn fields_are_given_and_files_are_not() {
        let expected = ["id=7", r"note=two\r\nlines --b\r\n--box\r\n", "empty="];
        assert_eq!(fields(form().as_bytes()), expected);
        assert_eq!(fields(format!("preamble\r\n\r\n{}", form()).as_bytes()), expected);
        assert_eq!(fields(format!("{0}{0}", form()).as_bytes()), expected, "nothing behind the end");
        let expected = ["id=7", r"note=two\nlines --b\n--box\n", "empty="];
        assert_eq!(fields(form().replace("\r\n", "\n").as_bytes()), expected);
    }

    #[test]
    fn the_name_is_found_in_every_spelling() {
        for (disposition, expected) in [
            ("name=\"id\"", "id=7"),
            ("name=id", "id=7"),
            ("NAME = \"id\" ; x=y", "id=7"),
            ("x;y=\"name=z; name=z\";name=id", "id=7"),
            ("name=\"a;b\\\"c\"", "a;b\\\\\\\"c=7"),
            ("name=\"id", "id=7"),
            ("name=\"id\"\r\nContent-Type: text/plain", "id=7"),
            ("x=y;\r\n name=\"id\"", "id=7"),
            ("name=x; name=id", "id=7"),
            ("name=id; filename=\"\"", "id=7"),
            ("name=id\r\nContent-Disposition: form-data; name=x", "id=7"),
            ("name=\"\"", "=7"),
            ("name=id; FileName*=UTF-8''x", "id=7"),
        ] {
            let form = format!("{}--b--", part(disposition, "7"));
            assert_eq!(fields(form.as_bytes()), [expected], "{disposition}");
        }
        for disposition in ["", "x=y", "filename=x; name=id", "name", "xname=id"] {
            let form = format!("{}--b--", part(disposition, "7"));
            assert!(fields(form.as_bytes()).is_empty(), "{disposition}");
        }
        let folded = "--b\ncontent-disposition\t:form-data;name=id\n\n 7\n--b \t\n--b\n\n--b\nx: y\n--b--";
        assert_eq!(fields(folded.as_bytes()), ["id= 7"]);
    }

    #[test]
    fn the_boundary_can_be_told() {
        let body = format!("--false\r\n--b x\r\n x--b\r\n{}--b--", part("name=id", "7"));
        let fields: Vec<_> = Fields::of(body.as_bytes(), b"b").collect();
        assert_eq!(fields, [Field { name: b"id", value: b"7" }]);
        assert_eq!(Fields::of(body.as_bytes(), b"c").count(), 0);
    }

    #[test]
    fn a_field_that_nothing_ends_is_the_last() {
        let body = format!("{}{}", part("name=a", "1"), part("name=id", "7"));
        let mut fields = Fields::new(body.as_bytes());
        assert_eq!(fields.by_ref().count(), 1);
        assert_eq!(fields.last(), Some(Field { name: b"id", value: b"7" }));
        let form = form();
        let mut fields = Fields::new(form.as_bytes());
        assert_eq!((fields.by_ref().count(), fields.last()), (3, None));
    }

    #[test]
    fn what_is_no_form_has_no_fields() {
        for body in [
            "",
            "id=7",
            "--",
            "--\r\n",
            "--b",
            "--b\r\n",
            "--b--\r\n",
            "{\"id\":\r\n7}",
            "--b\n--b\n--b\n--b--",
        ] {
            assert!(fields(body.as_bytes()).is_empty(), "{body}");
        }
    }

    #[test]
    fn a_cut_gives_the_first_fields() {
        let form = form();
        let whole = fields(form.as_bytes());
        let mut given = 0;
        for cut in 0..=form.len() {
            let part = fields(&form.as_bytes()[..cut]);
            assert!(whole.starts_with(&part), "{}", form[..cut].escape_debug());
            assert!(part.len() >= given, "{}", form[..cut].escape_debug());
            given = part.len();
        }
        assert_eq!(given, whole.len());
    }

    /// A scanner that goes back over what it has read would not come to its end here.
    #[test]
    fn repetition_takes_linear_time() {
        for piece in ["-", "\n", "\n--b\n", "--b ", ";", "=", "\"", "\\", "\n "] {
            let text = piece.repeat((1 << 20) / piece.len());
            let named = part("name=", &text);
            let disposed = part(&text, "7");
            let long = format!("--{text}\r\n{text}");
            for body in [
                &text,
                &format!("--b\r\n{text}"),
                &format!("{named}--b--"),
                &format!("{disposed}--b--"),
                &long,
            ] {
                let _ = fields(body.as_bytes());
            }
        }
    }

    /// Text out of what forms are made of, most of it malformed.
    fn rubbish() -> impl Strategy<Value = Vec<u8>> {
        let pieces = [
            "--b",
            "--b",
            "--b--",
            "--",
            "\r\n",
            "\r\n",
            "\n",
            "\r",
            "Content-Disposition: form-data; name=x\r\n\r\n",
            "Content-Disposition:",
            ";",
            "name",
            "filename",
            "=",
            "\"",
            "\\",
            " ",
            "7",
        ];
        vec(select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn no_input_panics_and_a_cut_gives_the_first_fields(
            body in prop_oneof![vec(any::<u8>(), 0..100), rubbish(), rubbish().prop_map(|rest| [b"--b\n", &rest[..]].concat())],
        ) {
            let whole = fields(&body);
            for cut in 0..body.len() {
                prop_assert!(whole.starts_with(&fields(&body[..cut])), "{}", body[..cut].escape_ascii());
            }
        }
    }
}
