//! OpenAPI documents: what is read makes templates that match, and nothing takes more work than it may.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rollcall_attribute::route::{Router, Settings, Template, TemplateError, openapi};
use rollcall_fuzz::{calls, seeds};
use rollcall_model::hash::HashKey;

const SEEDS: [&str; 5] = [
    "openapi: 3.0.3\nservers:\n- url: https://{host}/v1\n  variables: {host: {default: x}}\npaths:\n  /customers/{id}:\n    \
     parameters:\n    - {name: id, in: path, schema: {type: string}}\n    get: {}\n    post: {}\n  /{lang}/x:\n    get:\n      \
     parameters:\n      - $ref: '#/components/parameters/lang'\ncomponents:\n  parameters:\n    lang: {name: lang, in: path, \
     schema: {enum: [de, fr]}}\n",
    r##"{"openapi":"3.1.0","paths":{"/a":{"$ref":"#/components/pathItems/a"},"/b/{x}":{"put":{"parameters":[{"name":"x","in":"path","schema":{"$ref":"#/components/schemas/x"}}]}}},"components":{"pathItems":{"a":{"get":{}}},"schemas":{"x":{"anyOf":[{"type":"boolean"},{"const":1}]}}}}"##,
    "openapi: 3.2.0\npaths:\n  &a /x/{y}: &b\n    additionalOperations: {PURGE: {}}\n    query: {}\n  /z: *b\n",
    "swagger: '2.0'\npaths: {}\n",
    "%YAML 1.2\n---\nopenapi: \"3.0\"\npaths: {/?a=b: {get: {}}, '/x#y': {get: {}}}\n...\n",
];
const WORDS: [&str; 34] = [
    "openapi: 3.0.0\n",
    "paths:\n",
    "\"paths\":{",
    "/{id}",
    "get:",
    "\"get\":{}",
    "parameters:\n",
    "$ref: ",
    "'#/",
    "#/components/",
    "pathItems",
    "schemas",
    "~1",
    "~0",
    "%7B",
    "servers:\n",
    "- url: ",
    "variables",
    "default",
    "enum",
    "const",
    "allOf",
    "anyOf",
    "oneOf",
    "&a ",
    "*a",
    "<<: *a",
    "|\n",
    ">-\n",
    "? ",
    "!!str ",
    "---\n",
    "additionalOperations",
    "in: path",
];

fuzz_target!(init: seeds::offer(&SEEDS, &WORDS), |data: &[u8]| {
    let Ok(document) = openapi::read_from(Path::new("x"), data) else { return };
    let mut templates = Vec::new();
    for operation in &document.operations {
        assert!(operation.template.starts_with('/') && operation.line >= 1);
        let text = format!("{} {}", operation.method, operation.path());
        match Template::parse(&text, |name| !operation.not_objects.iter().any(|not| not == name)) {
            Ok(template) => templates.push(template),
            Err(TemplateError::Touching(..) | TemplateError::TooLong(_) | TemplateError::Star(..)) => {}
            Err(TemplateError::Method(..) | TemplateError::OpenAmid(_) | TemplateError::Braces(..)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let settings = Settings { document: Some(templates), ..Settings::default() };
    let (mut router, _) = Router::new(settings, HashKey::new([1; 16]));
    for operation in document.operations.iter().take(8) {
        let target = operation.template.replace(['{', '}'], "");
        let request = calls::request(operation.method.as_bytes(), target.as_bytes(), &[], b"");
        calls::attribute(&mut router, &request);
    }
});
