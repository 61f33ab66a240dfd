//! The operations of an OpenAPI document, with what their parameters' values look like.

use std::{collections::HashSet, fs, path::Path};

use anyhow::{Context as _, Result};
use rollcall_attribute::route::{Template, openapi};
use serde_json::Value;

use super::form::{Form, Ids};

/// An API as its document describes it.
pub(super) struct Spec {
    pub(super) version: String,
    pub(super) operations: Vec<Operation>,
    /// As `--openapi` reads them.
    pub(super) templates: Vec<Template>,
}

/// One operation.
pub(super) struct Operation {
    pub(super) method: String,
    /// The path in pieces: text, and parameters.
    pub(super) pieces: Vec<Piece>,
}

pub(super) enum Piece {
    Text(String),
    Parameter { name: String, form: Form, is_object: bool },
}

/// Reads the document in the file at `path`.
pub(super) fn read(path: &Path, ids: Ids) -> Result<Spec> {
    let document = openapi::read(path)?;
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let json: Value = serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
    let mut spec = Spec { version: document.version, operations: Vec::new(), templates: Vec::new() };
    let mut seen = HashSet::new();
    for operation in &document.operations {
        let path = operation.template.split(['?', '#']).next().unwrap_or_default();
        let is_object = |name: &str| !operation.not_objects.iter().any(|not| not == name);
        // What the daemon leaves out with a warning isn't called here either.
        let Ok(template) = Template::parse(&format!("{} {path}", operation.method), is_object) else {
            continue;
        };
        // Some documents have several operations of one method and path, which a call doesn't tell apart.
        if !seen.insert((operation.method.clone(), without_names(path))) {
            continue;
        }
        spec.templates.push(template);
        let parameters = parameters(&json, &operation.template, &operation.method);
        let form = |name: &str| {
            let parameter = parameters.iter().find(|parameter| parameter["name"] == name);
            let parameter = parameter.copied().unwrap_or(&Value::Null);
            let schema = follow(&json, &parameter["schema"]);
            let example = [&parameter["example"], &schema["example"]].into_iter().find_map(Value::as_str);
            Form::of(name, schema, example, ids)
        };
        spec.operations
            .push(Operation { method: operation.method.clone(), pieces: pieces(path, is_object, form) });
    }
    Ok(spec)
}

/// `/a/{b}.json` is a text, a parameter and a text.
fn pieces(path: &str, is_object: impl Fn(&str) -> bool, form: impl Fn(&str) -> Form) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (at, part) in path.split('{').enumerate() {
        let text = match part.split_once('}').filter(|_| at > 0) {
            Some((name, text)) => {
                let (form, is_object) = (form(name), is_object(name));
                pieces.push(Piece::Parameter { name: name.to_owned(), form, is_object });
                text
            }
            None => part,
        };
        pieces.push(Piece::Text(text.to_owned()));
    }
    pieces
}

/// `/a/{b}.json` is `/a/{}.json`.
fn without_names(path: &str) -> String {
    let texts = path.split('{').map(|part| part.split_once('}').map_or(part, |(_, text)| text));
    texts.collect::<Vec<_>>().join("{}")
}

/// The parameters of an operation, its own before those of its path.
fn parameters<'a>(json: &'a Value, template: &str, method: &str) -> Vec<&'a Value> {
    let paths = json["paths"].as_object().into_iter().flatten();
    // The server's base path stands before it.
    let item = paths.filter(|(path, _)| template.ends_with(path.as_str())).max_by_key(|(path, _)| path.len());
    let Some((_, item)) = item else { return Vec::new() };
    let item = follow(json, item);
    let of = |value: &'a Value| value["parameters"].as_array().into_iter().flatten();
    of(&item[method.to_ascii_lowercase()]).chain(of(item)).map(|parameter| follow(json, parameter)).collect()
}

/// What a reference leads to; anything else is itself.
fn follow<'a>(json: &'a Value, mut value: &'a Value) -> &'a Value {
    for _ in 0..8 {
        let target = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        match target.and_then(|pointer| json.pointer(pointer)) {
            Some(target) => value = target,
            None => break,
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_knows_the_form_of_its_values() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(
            file.path(),
            r##"{"openapi": "3.0.0", "servers": [{"url": "https://api.example.com/v1"}], "paths": {"/a/{x}.json": {
                "parameters": [{"$ref": "#/components/parameters/x"}],
                "get": {"parameters": []}}},
              "components": {"parameters": {"x": {"name": "x", "in": "path", "schema": {"type": "integer"}}}}}"##,
        )
        .unwrap();
        let spec = read(file.path(), Ids::Opaque).unwrap();
        assert_eq!(spec.templates[0].to_string(), "GET /v1/a/{x}.json");
        let [Piece::Text(before), Piece::Parameter { name, form, is_object }, Piece::Text(after)] =
            &spec.operations[0].pieces[..]
        else {
            panic!("three pieces")
        };
        assert_eq!((before.as_str(), name.as_str(), after.as_str()), ("/v1/a/", "x", ".json"));
        assert_eq!((form, *is_object), (&Form::Integer, true));
    }
}
