//! Routes that operators write: what is read matches the paths that it describes, or says that it never will.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcall_attribute::route::{Router, Settings, Template};
use rollcall_fuzz::{calls, seeds};
use rollcall_model::hash::HashKey;

const SEEDS: [&str; 8] = [
    "GET /v1/customers/{account}/**",
    "/a/{from}-{to}.json",
    "POST /v1/*/search",
    "/a%2Fb/{x}",
    "/caf\u{e9}/{id}:activate",
    "/x/{a}.{b}.{c}\n/x/*\nGET /x/{y}.json",
    " get   /x ",
    "/**",
];
const WORDS: [&str; 14] =
    ["GET ", "/", "{id}", "{x}", "**", "/*", "..", ".", ";", "%41", "%2f", "-", "}{", "CONNECT "];

fuzz_target!(init: seeds::offer(&SEEDS, &WORDS), |data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut rules = Vec::new();
    for line in text.lines() {
        if let Ok(template) = line.parse::<Template>() {
            let shown = template.to_string();
            assert_eq!(shown.parse::<Template>().as_ref().map(Template::to_string), Ok(shown));
            rules.push(template);
        }
    }
    for template in &rules {
        let settings = Settings { rules: vec![template.clone()], ..Settings::default() };
        let (mut router, never) = Router::new(settings, HashKey::new([1; 16]));
        let shown = template.to_string();
        let (method, path) = match shown.split_once(' ') {
            Some((method, path)) if !method.starts_with('/') => (method, path),
            _ => ("GET", &shown[..]),
        };
        let request = calls::request(method.as_bytes(), filled(path).as_bytes(), &[], b"");
        let (route, objects) = calls::attribute(&mut router, &request);
        // What is filled in may make an escape of a `%` before it.
        let ends_in_escape = |part: &str| part.bytes().rev().take(2).any(|byte| byte == b'%');
        let clear = !path.split('{').any(ends_in_escape);
        if never.is_empty() && clear && path.len() < 2000 {
            assert_eq!(route, format!("{method} {path}"), "{path} {}", filled(path));
            assert_eq!(objects.is_empty(), !path.contains('{'), "{path} {}", filled(path));
        }
    }
    // All together, in whatever way they stand in each other's way.
    let settings = Settings { rules: rules.clone(), document: Some(rules.clone()), ..Settings::default() };
    let (mut router, never) = Router::new(settings, HashKey::new([1; 16]));
    assert!(never.len() <= rules.len());
    for template in rules.iter().take(16) {
        let shown = template.to_string();
        let path = &shown[shown.find('/').unwrap_or(0)..];
        let request = calls::request(b"GET", filled(path).as_bytes(), &[], b"");
        calls::attribute(&mut router, &request);
    }
});

/// A path that `template` describes: `17` for each parameter.
fn filled(template: &str) -> String {
    let mut path = String::new();
    let mut depth = 0;
    for segment in template.split('/').skip(1) {
        path.push('/');
        match segment {
            "*" => path.push_str("any"),
            "**" => path.push_str("any/more"),
            segment => {
                for char in segment.chars() {
                    match char {
                        '{' => {
                            depth += 1;
                            path.push_str("17");
                        }
                        '}' => depth -= 1,
                        char if depth == 0 => path.push(char),
                        _ => {}
                    }
                }
            }
        }
    }
    path
}
