//! What was found in one call, and the objects that it makes.
//!
//! All that was found counts: an object is the identifiers of the path in order, then the values of parameters by
//! name, joined by `/`, so that a walk over any one of them shows whatever the others do. Of a parameter that is there
//! several times, or holds a list, each value makes an object of its own.

use std::{fmt, hash::Hasher as _};

use rollcall_model::percent;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
};
use siphasher::sip::SipHasher13;

use super::{spelling, value};

/// Parameters of one call that are brought in order. Far above real use; more are left as they came, each an object of
/// its own, so that nobody makes us sort thousands, nor hides one behind others.
const MAX_SORTED: usize = 64;

/// Objects that are told apart in one call: far more than any limit. The rest of them is one object, that differs when any of
/// them does, so that nothing hides there and no call costs more.
const MAX_VALUES: usize = 512;

/// Objects of one call that are read back: more than are made.
const MOST: usize = 2 * MAX_VALUES;

/// Bytes that the elements of lists may repeat of what they have in common: a thousand elements and two UUIDs beside
/// them. Past it, that is an object of its own beside theirs, or a request of 16 KiB would make objects of 32 MiB.
const MAX_REPEATED: usize = 64 * 1024;

/// A part of [`Parameters::text`].
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    start: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug)]
struct Parameter {
    name: Part,
    value: Part,
    /// Stands in the path, where place tells and not the name.
    in_path: bool,
}

/// What was found in one call. Filled again for each: nothing is allocated once the buffers have grown.
#[derive(Debug, Default)]
pub struct Parameters {
    text: String,
    found: Vec<Parameter>,
    pages: Vec<Parameter>,
    /// What came when there was no room for more.
    rest: Option<SipHasher13>,
    in_path: usize,
}

/// The objects of one call, in canonical form. Filled again for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    text: String,
    ends: Vec<u32>,
}

impl Parameters {
    /// Forgets what was found.
    pub fn clear(&mut self) {
        self.text.clear();
        self.found.clear();
        self.pages.clear();
        (self.rest, self.in_path) = (None, 0);
    }

    /// Takes `octets` into the rest, whatever is in them.
    pub(super) fn rest(&mut self, octets: &[u8]) {
        self.rest.get_or_insert_with(SipHasher13::new).write(octets);
    }

    /// An identifier in the path, canonical already but for its [form](value). Lists are parted.
    pub fn path(&mut self, identifier: &str) {
        self.in_path += 1;
        if self.in_path > MAX_SORTED {
            return self.rest(identifier.as_bytes());
        }
        if memchr::memchr(b',', identifier.as_bytes()).is_none() {
            let start = self.text.len();
            value::push_form(&mut self.text, identifier);
            let value = self.part(start);
            return self.found.push(Parameter { name: Part::default(), value, in_path: true });
        }
        // One list counts as a list; several identifiers are one object.
        for one in identifier.split(',').filter(|one| !one.is_empty()) {
            if self.found.len() >= MAX_VALUES {
                self.rest(one.as_bytes());
                continue;
            }
            let start = self.text.len();
            value::push_form(&mut self.text, one);
            let value = self.part(start);
            self.found.push(Parameter { name: Part::default(), value, in_path: false });
        }
    }

    /// A value of a parameter that holds objects: decoded octets. Lists are parted.
    pub(super) fn object(&mut self, name: &[u8], octets: &[u8]) {
        if self.found.len() >= MAX_VALUES {
            return self.rest(octets);
        }
        let name = self.name(name);
        if octets.iter().all(|&octet| percent::is_plain(octet)) {
            return self.one(name, octets);
        }
        value::with_plain(octets, |plain| {
            for element in spelling::elements(plain) {
                if self.found.len() >= MAX_VALUES {
                    let behind = element.as_ptr().addr() - plain.as_ptr().addr();
                    return self.rest(&plain[behind..]);
                }
                self.one(name, element);
            }
        });
    }

    fn one(&mut self, name: Part, octets: &[u8]) {
        let start = self.text.len();
        value::push(&mut self.text, octets.trim_ascii());
        let value = self.part(start);
        if value.start < value.end {
            self.found.push(Parameter { name, value, in_path: false });
        }
    }

    /// A value of a parameter that says which part of a list is asked for.
    pub(super) fn page(&mut self, name: &[u8], octets: &[u8]) {
        if !octets.is_empty() && self.pages.len() <= MAX_SORTED {
            let name = self.name(name);
            let start = self.text.len();
            value::push(&mut self.text, octets);
            let value = self.part(start);
            self.pages.push(Parameter { name, value, in_path: false });
        }
    }

    /// Whether anything but places in lists was found.
    pub(super) fn has_object(&self) -> bool {
        !self.found.is_empty()
    }

    /// Makes `objects` of what was found. Places in a list count only `with_pages`.
    pub fn objects(&mut self, with_pages: bool, objects: &mut Objects) {
        self.told_apart(with_pages, objects);
        if let Some(rest) = &self.rest {
            objects.push(&format!("~rest:{:016x}", rest.finish()));
        }
    }

    fn told_apart(&mut self, with_pages: bool, objects: &mut Objects) {
        objects.clear();
        let Parameters { text, found, pages, .. } = self;
        if found.len() <= 1 && pages.is_empty() {
            // Most calls name one object or none.
            if let Some(Parameter { value, .. }) = found.first() {
                objects.push(&text[value.start as usize..value.end as usize]);
            }
            return;
        }
        let part = |part: Part| &text[part.start as usize..part.end as usize];
        let push = |text: &mut String, value: &str| {
            if !text.is_empty() {
                text.push('/');
            }
            text.push_str(value);
        };
        let base = &mut objects.text;
        let sorted = found.len() <= MAX_SORTED;
        match found.len() {
            0 | 1 => {}
            2..=MAX_SORTED => {
                found.sort_by(|a, b| b.in_path.cmp(&a.in_path).then_with(|| part(a.name).cmp(part(b.name))))
            }
            _ => found.sort_by_key(|parameter| !parameter.in_path),
        }
        let in_path = found.partition_point(|parameter| parameter.in_path);
        let named = &found[in_path..];
        let groups = || named.chunk_by(|a, b| sorted && part(a.name) == part(b.name));
        let is_scalar = |group: &[Parameter]| sorted && group.len() == 1;
        found[..in_path].iter().for_each(|parameter| push(base, part(parameter.value)));
        groups().filter(|group| is_scalar(group)).for_each(|group| push(base, part(group[0].value)));
        if with_pages && pages.len() <= MAX_SORTED {
            pages.sort_by(|a, b| part(a.name).cmp(part(b.name)));
            for page in pages.iter() {
                push(base, part(page.name));
                base.push('=');
                base.push_str(part(page.value));
            }
        }
        let lists = groups().filter(|group| !is_scalar(group)).flatten();
        let mut base_length = base.len();
        let mut any = false;
        if base_length * named.len() > MAX_REPEATED {
            objects.ends.push(base_length as u32);
            (base_length, any) = (0, true);
        }
        for parameter in lists {
            any = true;
            let start = objects.ends.last().map_or(0, |&end| end as usize);
            if start > 0 {
                objects.text.extend_from_within(..base_length);
            }
            if base_length > 0 {
                objects.text.push('/');
            }
            objects.text.push_str(part(parameter.value));
            objects.ends.push(objects.text.len() as u32);
        }
        if !any && base_length > 0 {
            objects.ends.push(base_length as u32);
        }
    }

    /// The same name in the form that values are grouped by, and that places in lists show.
    fn name(&mut self, name: &[u8]) -> Part {
        let start = self.text.len();
        for &byte in name {
            percent::push(&mut self.text, byte.to_ascii_lowercase(), value::RESERVED);
        }
        self.part(start)
    }

    fn part(&self, start: usize) -> Part {
        // Heads and bodies are capped far below 4 GiB.
        Part { start: start as u32, end: self.text.len() as u32 }
    }
}

impl Objects {
    /// Forgets them.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Adds one.
    pub fn push(&mut self, object: &str) {
        self.text.push_str(object);
        self.ends.push(self.text.len() as u32);
    }

    /// Whether the call touches none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many there are, repeats included.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Memory that they take, beside the value itself.
    pub fn memory(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    /// Bytes that all of them take.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The one at a place.
    pub fn get(&self, at: usize) -> Option<&str> {
        let start = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        self.text.get(start as usize..*self.ends.get(at)? as usize)
    }

    /// Each, as often as it was named.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.text[start as usize..end as usize])
    }
}

impl<'a> FromIterator<&'a str> for Objects {
    fn from_iter<I: IntoIterator<Item = &'a str>>(all: I) -> Objects {
        let mut objects = Objects::default();
        all.into_iter().for_each(|object| objects.push(object));
        objects
    }
}

/// As a list of texts.
impl Serialize for Objects {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Objects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Objects, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Objects;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MOST} objects of a call")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Objects, A::Error> {
                let mut objects = Objects::default();
                while let Some(object) = list.next_element::<std::borrow::Cow<'de, str>>()? {
                    let fits = u32::try_from(objects.text.len() + object.len()).is_ok();
                    if objects.len() == MOST || !fits {
                        return Err(A::Error::custom("more objects than a call has"));
                    }
                    objects.push(&object);
                }
                Ok(objects)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(path: &[&str], named: &[(&str, &str)], pages: &[(&str, &str)]) -> Vec<String> {
        let mut parameters = Parameters::default();
        path.iter().for_each(|identifier| parameters.path(identifier));
        named.iter().for_each(|(name, value)| parameters.object(name.as_bytes(), value.as_bytes()));
        pages.iter().for_each(|(name, value)| parameters.page(name.as_bytes(), value.as_bytes()));
        let mut objects = Objects::default();
        objects.push("left over");
        parameters.objects(true, &mut objects);
        objects.iter().map(str::to_owned).collect()
    }

    #[test]
    fn everything_in_a_call_is_one_object_but_for_lists() {
        assert_eq!(objects(&[], &[], &[]), [""; 0]);
        assert_eq!(objects(&["17", "4"], &[], &[]), ["17/4"]);
        assert_eq!(objects(&["3"], &[("b", "2"), ("a", "1")], &[]), ["3/1/2"]);
        assert_eq!(objects(&[], &[("id", "7"), ("id", "8")], &[]), ["7", "8"]);
        assert_eq!(objects(&[], &[("ids", "1,2, 3,")], &[]), ["1", "2", "3"]);
        assert_eq!(objects(&["3"], &[("ids", "1,2"), ("shop", "x")], &[]), ["3/x/1", "3/x/2"]);
        assert_eq!(objects(&["1,2,3"], &[], &[]), ["1", "2", "3"]);
        assert_eq!(objects(&["9", "1,2"], &[], &[]), ["9/1", "9/2"]);
        assert_eq!(objects(&[], &[], &[("page", "02")]), ["page=2"]);
        assert_eq!(objects(&["3"], &[], &[("page", "2")]), ["3/page=2"]);
        assert_eq!(objects(&[], &[], &[("a/b,\u{1b}\u{e9}[Page]", "2")]), ["a%2Fb%2C%1B%C3%A9[page]=2"]);
    }

    #[test]
    fn lists_do_not_multiply_what_is_long() {
        let long = "x".repeat(8_000);
        let list = "1,".repeat(4_000) + "2";
        let all = objects(&[&long], &[("ids", &list)], &[]);
        assert_eq!((all.len(), all[0] == long, &*all[1], &*all[511]), (513, true, "1", "1"));
        let all = objects(&[&long], &[("ids", "1,2")], &[]);
        assert_eq!(all, [format!("{long}/1"), format!("{long}/2")]);
    }

    #[test]
    fn nothing_hides_behind_many_others() {
        let many: Vec<(String, &str)> = (0..1000).map(|n| (format!("n{n}_id"), "1")).collect();
        let of = |last: &str| {
            let mut named: Vec<(&str, &str)> =
                many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            named.push(("id", last));
            objects(&["3"], &named, &[])
        };
        let (seven, eight) = (of("7"), of("8"));
        assert_eq!((seven.len(), &*seven[0]), (512, "3/1"));
        assert!(seven[511].starts_with("~rest:") && seven[511] != eight[511], "who walks there is counted");
        assert_eq!(seven, of("7"));
    }
}
