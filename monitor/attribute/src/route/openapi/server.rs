//! The base path of a server: the path part of its URL.

use std::collections::HashSet;

use super::{
    error::{Reason, Refusal, excerpt},
    tree::Node,
};

/// The base paths in `servers`, a sequence of Server Objects. One without servers has one: that of `/`.
pub(super) fn bases(servers: Option<&Node>) -> Result<Vec<String>, Refusal> {
    let mut bases = Vec::new();
    let mut known = HashSet::new();
    for server in servers.map(Node::items).unwrap_or_default() {
        let base = base(server)?;
        if known.insert(base.clone()) {
            bases.push(base);
        }
    }
    if bases.is_empty() {
        bases.push(String::new());
    }
    Ok(bases)
}

fn base(server: &Node) -> Result<String, Refusal> {
    let Some(node) = server.get("url") else { return Ok(String::new()) };
    let url = node.text().unwrap_or_default();
    let filled = fill(url, server.get("variables"));
    let path = path_of(&filled).trim_end_matches('/');
    if let Some((_, tail)) = path.split_once(['{', '}']) {
        let name = tail.split('}').next().unwrap_or_default();
        return Err(Reason::OpenVariable { url: excerpt(url), name: excerpt(name) }.at(node.line));
    }
    if path.is_empty() || path.starts_with('/') { Ok(path.to_owned()) } else { Ok(format!("/{path}")) }
}

/// `url` with its variables replaced by their defaults, where they have one. Once: a default is no template.
fn fill(url: &str, variables: Option<&Node>) -> String {
    let mut filled = String::new();
    let mut rest = url;
    while let Some((before, tail)) = rest.split_once('{') {
        filled.push_str(before);
        let default = tail
            .split_once('}')
            .and_then(|(name, tail)| Some((variables?.get(name)?.get("default")?.text()?, tail)));
        match default {
            Some((default, tail)) => {
                filled.push_str(default);
                rest = tail;
            }
            None => {
                filled.push('{');
                rest = tail;
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// The path part of `url`, which may be relative to where the document lies: `/v1`, `v1` and `./v1`.
fn path_of(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let authority = match url.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || scheme.ends_with(':') => Some(rest),
        _ if starts_with_host(url) => Some(url),
        _ => None,
    };
    match authority {
        Some(rest) => rest.find('/').map_or("", |at| &rest[at..]),
        None => {
            let mut path = url;
            while let Some(rest) = path.strip_prefix("./").or_else(|| path.strip_prefix("../")) {
                path = rest;
            }
            if matches!(path, "." | "..") { "" } else { path }
        }
    }
}

/// Whether `url`, which has no scheme, starts with a host all the same (`api.example.com/v1`,
/// `localhost:8080`). By the letter that is a relative path, but nobody means it.
fn starts_with_host(url: &str) -> bool {
    let first = url.split('/').next().unwrap_or_default();
    let (host, port) = first.split_once(':').unwrap_or((first, ""));
    let domain = host.rsplit_once('.').map(|(_, domain)| domain).unwrap_or_default();
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        || domain.len() > 1 && domain.bytes().all(|byte| byte.is_ascii_alphabetic())
}
