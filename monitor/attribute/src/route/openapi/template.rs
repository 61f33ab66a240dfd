//! The parameters in a path.

use super::error::{Reason, excerpt};

/// The most parameters of a path. Public documents have up to 9 in one.
pub(super) const MAX_PARAMETERS: usize = 64;

/// The names in the braces of `path`, in order.
pub(super) fn parameters(path: &str) -> Result<Vec<&str>, Reason> {
    if !path.starts_with('/') {
        return Err(Reason::Relative(excerpt(path)));
    }
    let mut names = Vec::new();
    let mut rest = path;
    while let Some(at) = rest.find(['{', '}']) {
        let unbalanced = || Reason::UnbalancedBraces(excerpt(path));
        let inside = rest[at..].strip_prefix('{').ok_or_else(unbalanced)?;
        let end = inside.find(['{', '}', '/']).ok_or_else(unbalanced)?;
        let name = &inside[..end];
        rest = inside[end..].strip_prefix('}').ok_or_else(unbalanced)?;
        if name.trim().is_empty() {
            return Err(Reason::EmptyBraces(excerpt(path)));
        }
        if names.contains(&name) {
            return Err(Reason::DuplicateParameter { path: excerpt(path), name: excerpt(name) });
        }
        if names.len() == MAX_PARAMETERS {
            return Err(Reason::TooManyParameters(excerpt(path)));
        }
        names.push(name);
    }
    Ok(names)
}
