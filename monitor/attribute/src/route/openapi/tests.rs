use std::{error::Error as _, fmt::Write as _, fs};

use proptest::{collection::vec, prelude::*, sample::select};
use tempfile::TempDir;

use super::*;

const YAML: &str = "\
openapi: 3.0.3
info: {title: Customers, version: '1'}
servers:
  - url: https://{region}.example.com/{version}/
    variables:
      region: {default: eu, enum: [eu, us]}
      version: {default: v1}
paths:
  x-owner: [somebody]
  /customers/{customerId}:
    summary: One customer
    parameters:
      - {name: customerId, in: path, required: true, schema: {type: string}}
    get: {responses: {'200': {description: the customer}}}
    x-delete: {}
    delete:
  /customers/{customerId}/{part}:
    get:
      parameters:
        - $ref: '#/components/parameters/part'
        - {name: customerId, in: query, schema: {type: boolean}}
components:
  parameters:
    part: {name: part, in: path, required: true, schema: {$ref: '#/components/schemas/Part'}}
  schemas:
    Part: {type: string, enum: [address, orders]}
";

const JSON: &str = r##"{
	"openapi": "3.1.0",
	"paths": {
		"/orders/{orderId}": {"$ref": "#/components/pathItems/Order"},
		"/flags/{name}/{on}": {
			"put": {"parameters": [
				{"name": "on", "in": "path", "schema": {"type": ["boolean", "null"]}},
				{"name": "name", "in": "path", "schema": {"const": "\ud83d\ude00"}}
			]}
		}
	},
	"components": {"pathItems": {"Order": {"get": {"description": "by its number, not by name"}, "patch": {}}}}
}
"##;

fn document(text: &str) -> Document {
    parse(text.as_bytes()).unwrap()
}

/// Methods, templates, lines and choices, one operation a line.
fn operations(text: &str) -> Vec<String> {
    let line = |operation: &Operation| {
        let Operation { method, template, line, not_objects } = operation;
        let mut text = format!("{line} {method} {template}");
        for name in not_objects {
            write!(text, " -{name}").unwrap();
        }
        text
    };
    document(text).operations.iter().map(line).collect()
}

/// A document with `rest` from line 2 on.
fn yaml(rest: &str) -> String {
    format!("openapi: 3.1.0\n{rest}")
}

/// The line and reason why `text` is refused.
fn refused(text: impl AsRef<[u8]>) -> (usize, String) {
    let refusal = parse(text.as_ref()).unwrap_err();
    (refusal.line, refusal.reason.to_string())
}

fn assert_refused(text: impl AsRef<[u8]>, line: usize, reason: &str) {
    assert_eq!(refused(text), (line, reason.to_owned()));
}

#[test]
fn yaml_is_read() {
    assert_eq!(document(YAML).version, "3.0.3");
    assert_eq!(
        operations(YAML),
        [
            "10 GET /v1/customers/{customerId}",
            "10 DELETE /v1/customers/{customerId}",
            "17 GET /v1/customers/{customerId}/{part} -part",
        ]
    );
}

#[test]
fn json_is_read() {
    assert_eq!(document(JSON).version, "3.1.0");
    assert_eq!(
        operations(JSON),
        ["4 GET /orders/{orderId}", "4 PATCH /orders/{orderId}", "5 PUT /flags/{name}/{on} -on -name",]
    );
}

#[test]
fn json_on_one_line_is_read_alike() {
    let line = JSON.replace(['\n', '\t'], "");
    let templates = |text: &str| -> Vec<_> {
        document(text).operations.into_iter().map(|operation| operation.template).collect()
    };
    assert_eq!(templates(&line), templates(JSON));
}

#[test]
fn a_byte_order_mark_and_line_ends_of_any_kind_are_read() {
    let text = format!("\u{feff}{}", YAML.replace('\n', "\r\n"));
    assert_eq!(operations(&text), operations(YAML));
}

#[test]
fn characters_that_only_json_allows_are_read() {
    let text = "{\"openapi\": \"3.0.0\", \"info\": {\"title\": \"\u{7f}\u{80}\u{9f}\"}, \"paths\": {\"/a\": {\"get\": {}}}}";
    assert_eq!(operations(text), ["1 GET /a"]);
}

#[test]
fn methods_of_openapi_3_2_are_read() {
    let text = "openapi: 3.2.0\npaths:\n  /a:\n    query: {}\n    additionalOperations: {COPY: {}}\n";
    assert_eq!(operations(text), ["3 QUERY /a", "3 COPY /a"]);
}

#[test]
fn the_nearest_servers_win() {
    let text = yaml(
        "\
servers: [{url: 'https://example.com/a'}, {url: 'https://example.org/a/'}, {url: /b}]
paths:
  /1: {get: {}}
  /2: {servers: [{url: //example.com/c?x=/y}], get: {}, put: {servers: [{url: 'd'}], parameters: []}}
  /3: {servers: [], get: {servers: [{url: 'https://example.com'}]}}
",
    );
    assert_eq!(operations(&text), ["4 GET /a/1", "4 GET /b/1", "5 GET /c/2", "5 PUT /d/2", "6 GET /3"]);
}

#[test]
fn only_the_path_of_a_server_counts() {
    for (url, base) in [
        ("", ""),
        ("/", ""),
        (".", ""),
        ("./v1/", "/v1"),
        ("../v1", "/v1"),
        ("./.well-known", "/.well-known"),
        ("v1.0", "/v1.0"),
        ("https://example.com", ""),
        ("https://example.com/v1//", "/v1"),
        ("https://{tenant}.example.com/v1", "/v1"),
        ("api.example.com/v1", "/v1"),
        ("localhost:8080/v1", "/v1"),
        ("{scheme}://example.com:{port}/v1", "/v1"),
    ] {
        let text = yaml(&format!("servers: [{{url: '{url}'}}]\npaths: {{/a: {{get: {{}}}}}}\n"));
        assert_eq!(document(&text).operations[0].template, format!("{base}/a"), "{url}");
    }
}

#[test]
fn choices_are_found_through_references_and_combinations() {
    let schemas = "
components:
  schemas:
    Loop: {$ref: '#/components/schemas/Loop'}
    Choice: {enum: [a, b]}
    Text: {type: string}
    Holder: {properties: {description: {enum: [a, b]}}}
";
    for (schema, is_choice) in [
        ("{type: boolean}", true),
        ("{type: [string, boolean]}", false),
        ("{const: a}", true),
        ("{enum: []}", false),
        ("{$ref: '#/components/schemas/Choice'}", true),
        ("{$ref: '#/components/schemas/Text'}", false),
        ("{$ref: '#/components/schemas/Loop'}", false),
        ("{$ref: '#/components/schemas/Nothing'}", false),
        ("{$ref: 'other.yaml#/Choice'}", false),
        ("{$ref: '#/components/schemas/Holder/properties/description'}", true),
        ("{$ref: '#/paths/~1a~1%7Bx%7D/get/parameters/0/schema/allOf/1', allOf: [{}, {enum: [a]}]}", true),
        ("{allOf: [{type: string}, {$ref: '#/components/schemas/Choice'}]}", true),
        ("{anyOf: [{type: boolean}, {type: integer}]}", false),
        ("{oneOf: [{const: a}, {const: b}]}", true),
        ("true", false),
        ("null", false),
    ] {
        let path = format!(
            "paths: {{'/a/{{x}}': {{get: {{parameters: [{{name: x, in: path, schema: {schema}}}]}}}}}}"
        );
        let choices = &document(&yaml(&format!("{path}{schemas}"))).operations[0].not_objects;
        assert_eq!(choices.as_slice() == ["x"], is_choice, "{schema}");
    }
}

#[test]
fn a_parameter_of_the_operation_overrides_that_of_the_path() {
    let text = yaml(
        "\
paths:
  /a/{x}:
    parameters: [{name: x, in: path, schema: {enum: [a]}}]
    get: {}
    put: {parameters: [{name: x, in: path, schema: {type: string}}]}
",
    );
    assert_eq!(operations(&text), ["3 GET /a/{x} -x", "3 PUT /a/{x}"]);
}

#[test]
fn aliases_and_merge_keys_are_followed() {
    let text = yaml(
        "\
x-common: &common
  get: {parameters: &parameters [{name: x, in: path, schema: {type: boolean}}]}
  put: {}
paths:
  /a/{x}:
    <<: *common
    put: {parameters: *parameters}
  /b/{x}: *common
  /c/{x}:
    <<: [*common, {delete: {}, get: {}}]
",
    );
    assert_eq!(
        operations(&text),
        [
            "6 PUT /a/{x} -x",
            "6 GET /a/{x} -x",
            "9 GET /b/{x} -x",
            "9 PUT /b/{x}",
            "10 GET /c/{x} -x",
            "10 PUT /c/{x}",
            "10 DELETE /c/{x}",
        ]
    );
}

#[test]
fn whatever_is_wrong_elsewhere_is_ignored() {
    let text = yaml(
        "\
info: 7
servers: none
security: {}
paths:
  /a/{x}:
    description: [1, {a: b}]
    parameters: {x: y}
    get: {parameters: [null, 1, {name: x}, {$ref: '#/nowhere'}], responses: none, tags: {}}
  /b:
components: []
",
    );
    assert_eq!(operations(&text), ["6 GET /a/{x}"]);
}

#[test]
fn what_is_no_openapi_3_is_refused() {
    assert_refused("", 1, "the document is empty");
    assert_refused("# nothing\n---\n", 1, "the document is empty");
    assert_refused("\n- a\n", 2, "the document is not a mapping");
    assert_refused("<html><p>404</p></html>", 1, "the document is not a mapping");
    assert_refused("a: b", 1, "no `openapi` version; is this an OpenAPI document?");
    assert_refused("# old\nswagger: '2.0'\n", 2, "is Swagger 2.0; convert it to OpenAPI 3");
    assert_refused("openapi: 4.0.0", 1, "is OpenAPI \"4.0.0\"; versions 3.0, 3.1 and 3.2 can be read");
    assert_refused("openapi: 3.01", 1, "is OpenAPI \"3.01\"; versions 3.0, 3.1 and 3.2 can be read");
    assert_refused(yaml("webhooks: {}"), 1, "no `paths`, hence no operations to watch");
    assert_refused(yaml("paths: []"), 2, "`paths` is not a mapping");
    assert_refused(yaml("paths: {}\n---\na: b\n"), 3, "a second YAML document starts here; keep one a file");
}

#[test]
fn a_method_that_is_no_word_is_ignored() {
    let text = yaml("paths:\n  /a: {additionalOperations: {\"M X\": {}, \"\": {}, PURGE: {}}}\n");
    assert_eq!(operations(&text), ["3 PURGE /a"]);
}

#[test]
fn the_path_of_an_operation_ends_before_its_query() {
    for (written, path) in [
        ("/items", "/items"),
        ("/?Action=Get", "/"),
        ("/items{?page,limit}", "/items"),
        ("/i/{id}#a", "/i/{id}"),
    ] {
        let text = yaml(&format!("paths:\n  \"{written}\": {{get: {{}}}}\n"));
        assert_eq!(document(&text).operations[0].path(), path, "{written}");
    }
}

#[test]
fn bad_syntax_is_refused_with_its_line() {
    for (text, line) in [
        ("{\n\"openapi\": \"3.0.0\",\n\"paths\": {\n", 3),
        ("{\"openapi\": \"3.0.0\",\n\"paths\": {\"/a\": {}}}\n}", 3),
        ("{\"openapi\": \"3.0.0\"\n\"paths\": {\"/a\": {}}}", 2),
        ("openapi: 3.0.0\npaths:\n  /a: {}\n /b: {}\n", 4),
        ("openapi: 3.0.0\npaths:\n\t/a: {}\n", 3),
        ("openapi: 3.0.0\npaths: *nothing\n", 2),
    ] {
        let (refused_on, reason) = refused(text);
        assert_eq!(refused_on, line, "{text} {reason}");
        assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}");
    }
    assert_refused(b"openapi: 3.0.0\ninfo: \xff\n", 2, "not UTF-8 text");
    assert_refused(b"\xff\xfeo\0p\0", 1, "not UTF-8 text");
}

#[test]
fn bad_paths_are_refused_with_their_lines() {
    for (path, reason) in [
        ("v1/x", "path \"v1/x\" does not start with /"),
        ("", "path \"\" does not start with /"),
        ("/a/{id", "path \"/a/{id\" has unbalanced braces"),
        ("/a/{id/b}", "path \"/a/{id/b}\" has unbalanced braces"),
        ("/a/id}", "path \"/a/id}\" has unbalanced braces"),
        ("/a/{{id}}", "path \"/a/{{id}}\" has unbalanced braces"),
        ("/a/{}", "path \"/a/{}\" has a parameter without a name"),
        ("/a/{id}/b/{id}", "path \"/a/{id}/b/{id}\" has parameter \"id\" twice"),
    ] {
        assert_refused(yaml(&format!("paths:\n  /: {{}}\n  '{path}': {{}}\n")), 4, reason);
    }
    let long = "a".repeat(100_000);
    let reason = format!("path \"{}…\" does not start with /", &long[..200]);
    assert_refused(yaml(&format!("paths:\n  ? {long}\n  : {{}}\n")), 3, &reason);
    let twice = "paths:\n  /a: {get: {}}\n  /a: {put: {}}\n";
    assert_refused(yaml(twice), 4, "path \"/a\" stands twice, first on line 3");
}

#[test]
fn bad_references_and_servers_are_refused_with_their_lines() {
    let path = |reference: &str| {
        yaml(&format!("paths:\n  /a:\n    $ref: '{reference}'\n  /b: {{$ref: '#/paths/~1b'}}\n"))
    };
    let outside = "leads out of the document; bundle it into one file first";
    assert_refused(path("a.yaml#/a"), 4, &format!("$ref \"a.yaml#/a\" {outside}"));
    assert_refused(path("#/components/pathItems/A"), 4, "$ref \"#/components/pathItems/A\" leads nowhere");
    let circle = "$ref \"#/paths/~1b\" leads back to itself, or through too many others";
    assert_refused(path("#/components").replace("get", "put") + "components: {}", 5, circle);
    let server = "servers:\n  - url: https://example.com/{tenant}/v1\npaths: {}\n";
    let open = "server \"https://example.com/{tenant}/v1\" leaves \"tenant\" in its path open; write its value there";
    assert_refused(yaml(server), 3, open);
}

#[test]
fn nesting_has_a_limit() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let bomb = yaml(&format!("x: {}{}\n", open.repeat(100_000), close.repeat(100_000)));
        assert_eq!(refused(bomb).0, 2);
    }
    let mut blocks = String::new();
    for level in 0..2000 {
        writeln!(blocks, "{}a:", " ".repeat(level)).unwrap();
    }
    assert!(parse(blocks.as_bytes()).is_err());
}

#[test]
fn aliases_that_nest_have_a_limit() {
    let mut bomb = yaml("a0: &a0 []\n");
    for level in 1..100_000 {
        writeln!(bomb, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
    }
    assert_refused(bomb, 258, "nested deeper than 256 levels");
    assert_refused(yaml("paths: &a {/a: *a}"), 2, "an alias stands inside what it refers to");
}

#[test]
fn an_alias_bomb_is_harmless_or_refused() {
    let mut bomb = yaml("a0: &a0 {enum: []}\n");
    for level in 1..100 {
        let all = vec![format!("*a{}", level - 1); 50].join(", ");
        writeln!(bomb, "a{level}: &a{level} {{allOf: [{all}]}}").unwrap();
    }
    assert_eq!(operations(&format!("{bomb}paths: {{/a: {{get: {{}}}}}}\n")), ["102 GET /a"]);
    let used = "paths: {'/a/{x}': {get: {parameters: [{name: x, in: path, schema: *a99}]}}}\n";
    let reason = Reason::TooMuch.to_string();
    assert_refused(format!("{bomb}{used}"), 102, &reason);

    let mut merges = yaml("a0: &a0 {a: b}\n");
    for level in 1..40 {
        let all = vec![format!("*a{}", level - 1); 40].join(", ");
        writeln!(merges, "a{level}: &a{level} {{<<: [{all}], k{level}: v}}").unwrap();
    }
    assert_eq!(operations(&format!("{merges}paths: {{/a: {{get: *a39}}}}\n")), ["42 GET /a"]);
}

#[test]
fn operations_have_a_limit() {
    let servers: String = (0..2000).map(|at| format!("  - url: /{at}\n")).collect();
    let paths: String = (0..100).map(|at| format!("  /{at}: {{get: {{}}}}\n")).collect();
    assert_refused(yaml(&format!("servers:\n{servers}paths:\n{paths}")), 2054, "more than 100000 operations");
}

#[test]
fn errors_name_the_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("api.yaml");
    fs::write(&path, yaml("paths:\n  v1/x: {}\n")).unwrap();
    let error = read(&path).unwrap_err();
    let expected = format!("openapi document {}:3: path \"v1/x\" does not start with /", path.display());
    assert_eq!(error.to_string(), expected);

    for unreadable in [folder.path(), &folder.path().join("none.yaml")] {
        let error = read(unreadable).unwrap_err();
        assert_eq!(error.to_string(), format!("read openapi document {}", unreadable.display()));
        assert!(error.source().is_some());
    }

    let large = File::create(&path).unwrap();
    large.set_len(MAX_BYTES + 1).unwrap();
    let expected = format!("openapi document {}: larger than 64 MiB", path.display());
    assert_eq!(read(&path).unwrap_err().to_string(), expected);
}

/// Pieces of documents, which put together are often close to one.
const PIECES: [&str; 32] = [
    "openapi: 3.0.0\n",
    "paths:\n",
    "  /a/{x}:\n",
    "    get:\n",
    "      parameters:\n",
    "  ",
    "\n",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ": ",
    ", ",
    "&a ",
    "*a",
    "<<: ",
    "$ref: ",
    "'#/paths/~1a~1{x}'",
    "\"",
    "'",
    "x",
    "schema: ",
    "enum: [a]",
    "servers: [{url: /{x}}]\n",
    "variables: ",
    "components:\n",
    "? ",
    "| \n",
    "!!str ",
    "---\n",
    "\t",
];

proptest! {
    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..512)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = parse(text.as_bytes());
    }

    #[test]
    fn no_pieces_panic(pieces in vec(select(&PIECES), 0..64)) {
        let _ = parse(pieces.concat().as_bytes());
        let _ = parse(format!("{YAML}{}", pieces.concat()).as_bytes());
    }

    #[test]
    fn no_cut_panics(at in 0..YAML.len()) {
        let _ = parse(&YAML.as_bytes()[..at]);
        let _ = parse(&JSON.as_bytes()[..at.min(JSON.len())]);
    }
}
