//! `$ref`: JSON pointers (RFC 6901) in URI fragments.

use rollcall_model::percent;

use super::node::{Node, Value};

/// How many references may lead on from one to the next.
pub(super) const MAX_HOPS: usize = 16;

/// Whether `reference` is to something in the same document.
pub(super) fn is_local(reference: &str) -> bool {
    reference.starts_with('#')
}

/// What `reference` points to in the document of `root`, unless it isn't there or isn't kept.
pub(super) fn resolve<'a>(root: &'a Node, reference: &str) -> Option<&'a Node> {
    let pointer = decode(reference.strip_prefix('#')?)?;
    let Some(tokens) = pointer.strip_prefix('/') else { return pointer.is_empty().then_some(root) };
    tokens.split('/').try_fold(root, |node, token| match &node.value {
        Value::Mapping(_) => node.get(&token.replace("~1", "/").replace("~0", "~")),
        Value::Sequence(items) => items.get(token.parse::<usize>().ok()?).map(|item| &**item),
        Value::Scalar(_) => None,
    })
}

fn decode(fragment: &str) -> Option<String> {
    let mut rest = fragment.as_bytes();
    let octets = std::iter::from_fn(|| percent::next(&mut rest)).map(|(octet, _)| octet).collect();
    String::from_utf8(octets).ok()
}
