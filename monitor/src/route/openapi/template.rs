//! The parameters in a path.

use super::error::Reason;

/// The most parameters of a path. Public documents have up to 9 in one.
pub(super) const MAX_PARAMETERS: usize = 64;

/// The names in the braces of `path`, in order.
pub(super) fn parameters(path: &str) -> Result<Vec<&str>, Reason> {
    if !path.starts_with('/') {
        return Err(Reason::Relative(path.to_owned()));
    }
    let mut names = Vec::new();
    let mut rest = path;
    while let Some(at) = rest.find(['{', '}']) {
        let unbalanced = || Reason::UnbalancedBraces(path.to_owned());
        let inside = rest[at..].strip_prefix('{').ok_or_else(unbalanced)?;
        let end = inside.find(['{', '}', '/']).ok_or_else(unbalanced)?;
        let name = &inside[..end];
        rest = inside[end..].strip_prefix('}').ok_or_else(unbalanced)?;
        if name.trim().is_empty() {
            return Err(Reason::EmptyBraces(path.to_owned()));
        }
        if names.contains(&name) {
            return Err(Reason::DuplicateParameter { path: path.to_owned(), name: name.to_owned() });
        }
        if names.len() == MAX_PARAMETERS {
            return Err(Reason::TooManyParameters(path.to_owned()));
        }
        names.push(name);
    }
    Ok(names)
}
