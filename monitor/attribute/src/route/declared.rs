//! Routes that somebody declared: rules of the operator, and the operations of an OpenAPI document.
//!
//! A path is matched as routers do it: segment by segment, the most specific first. A literal comes before a pattern,
//! a pattern before `*`, and `**` last; a way that leads nowhere is left for the next.

use std::ops::Range;

use super::{
    path::CanonicalPath,
    routes::{Origin, RouteId, Routes},
    template::{self, Piece, Segment, Template},
};

/// Declared routes, by their segments.
#[derive(Debug)]
pub struct Declared {
    origin: Origin,
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    literals: Vec<(Box<str>, usize)>,
    /// The most specific first.
    patterns: Vec<(Vec<Piece>, usize)>,
    any: Option<usize>,
    ends: Vec<End>,
    open: Vec<End>,
}

/// A template ends here.
#[derive(Clone, Debug)]
struct End {
    /// `None` for every method.
    method: Option<String>,
    /// One for each method that has been seen, if it is for every method.
    routes: Vec<(String, RouteId)>,
    path: String,
    has_object: bool,
    is_list: bool,
}

/// What a path matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) route: RouteId,
    pub(super) has_object: bool,
    pub(super) is_list: bool,
}

/// A rule that can never match, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeverMatches {
    pub template: String,
    pub reason: String,
}

impl Declared {
    /// No routes yet; they will be of this origin.
    pub(super) fn new(origin: Origin) -> Declared {
        Declared { origin, nodes: vec![Node::default()] }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.len() == 1 && self.nodes[0].ends.is_empty() && self.nodes[0].open.is_empty()
    }

    /// Adds a template, or says why it can never match.
    pub(super) fn add(&mut self, template: &Template, routes: &mut Routes) -> Result<(), NeverMatches> {
        let never = |reason: String| NeverMatches { template: template.to_string(), reason };
        if let Some(reason) = template.never() {
            return Err(never(reason.to_owned()));
        }
        let mut node = 0;
        for segment in &template.segments {
            node = self.child(node, segment);
        }
        let ends = if template.open { &mut self.nodes[node].open } else { &mut self.nodes[node].ends };
        if let Some(other) = ends.iter().find(|end| end.method == template.method) {
            let other = match &other.method {
                Some(method) => format!("{method} {}", other.path),
                None => other.path.clone(),
            };
            return Err(never(format!("{other:?} takes the same paths and comes before it")));
        }
        let mut end = End {
            method: template.method.clone(),
            routes: Vec::new(),
            path: template.path.clone(),
            has_object: template.has_object(),
            is_list: template.is_list(),
        };
        if let Some(method) = &template.method {
            end.routes.push((method.clone(), routes.declare(method, &template.path, self.origin)));
        }
        // Those for one method come before those for every method.
        let at = if end.method.is_some() { 0 } else { ends.len() };
        ends.insert(at, end);
        Ok(())
    }

    /// The route of `path`, and where in it the parts of the object stand: segment and range, appended to `objects`.
    pub(super) fn find(
        &mut self,
        method: &str,
        path: &CanonicalPath,
        objects: &mut Vec<(usize, Range<usize>)>,
        routes: &mut Routes,
    ) -> Option<Hit> {
        if path.len() > template::LONGEST * 2 {
            return None;
        }
        let (node, end, open) = self.walk(0, 0, method, path, objects)?;
        let ends = if open { &mut self.nodes[node].open } else { &mut self.nodes[node].ends };
        let End { method: of, routes: known, path, has_object, is_list } = &mut ends[end];
        // Methods are the client's to choose: those without a name share a route.
        let method = of.as_deref().unwrap_or_else(|| super::label(method.as_bytes()));
        let route = match known.iter().find(|(known, _)| known == method) {
            Some(&(_, route)) => route,
            None => {
                let route = routes.declare(method, path, self.origin);
                known.push((method.to_owned(), route));
                route
            }
        };
        Some(Hit { route, has_object: *has_object, is_list: *is_list })
    }

    /// Depth first, the most specific way first. Each node is looked at once at most.
    fn walk(
        &self,
        node: usize,
        at: usize,
        method: &str,
        path: &CanonicalPath,
        objects: &mut Vec<(usize, Range<usize>)>,
    ) -> Option<(usize, usize, bool)> {
        let Node { literals, patterns, any, ends, open } = &self.nodes[node];
        // Servers answer HEAD where they answer GET, and descriptions leave it out.
        let serves = |end: &End| {
            end.method.as_deref().is_none_or(|known| known == method || (method == "HEAD" && known == "GET"))
        };
        if at == path.len() {
            if let Some(end) = ends.iter().position(serves) {
                return Some((node, end, false));
            }
        } else {
            let folded = path.segment(at).folded;
            if let Ok(found) = literals.binary_search_by(|(literal, _)| (**literal).cmp(folded))
                && let found @ Some(_) = self.walk(literals[found].1, at + 1, method, path, objects)
            {
                return found;
            }
            for (pieces, child) in patterns {
                let start = objects.len();
                if template::matches(pieces, folded, |range| objects.push((at, range)))
                    && let found @ Some(_) = self.walk(*child, at + 1, method, path, objects)
                {
                    return found;
                }
                objects.truncate(start);
            }
            if let Some(child) = any
                && let found @ Some(_) = self.walk(*child, at + 1, method, path, objects)
            {
                return found;
            }
        }
        open.iter().position(serves).map(|end| (node, end, true))
    }

    fn child(&mut self, node: usize, segment: &Segment) -> usize {
        let next = self.nodes.len();
        let Node { literals, patterns, any, .. } = &mut self.nodes[node];
        let child = match segment {
            Segment::Literal(literal) => match literals.binary_search_by(|(known, _)| known.cmp(literal)) {
                Ok(at) => literals[at].1,
                Err(at) => {
                    literals.insert(at, (literal.clone(), next));
                    next
                }
            },
            Segment::Pattern(pieces) => {
                // Names and what counts don't tell paths apart.
                match patterns.iter().find(|(known, _)| shape(known).eq(shape(pieces))) {
                    Some(&(_, child)) => child,
                    None => {
                        let at = patterns.partition_point(|(known, _)| weight(known) >= weight(pieces));
                        patterns.insert(at, (pieces.clone(), next));
                        next
                    }
                }
            }
            // `*` beside `{x}` takes what that leaves, which is nothing: they share a way.
            Segment::Any => *any.get_or_insert(next),
        };
        if child == next {
            self.nodes.push(Node::default());
        }
        child
    }
}

fn shape(pieces: &[Piece]) -> impl Iterator<Item = Option<&str>> {
    pieces.iter().map(|piece| match piece {
        Piece::Text(text) => Some(&**text),
        Piece::Parameter { .. } => None,
    })
}

/// How much of a pattern is text: the more, the more specific.
fn weight(pieces: &[Piece]) -> usize {
    shape(pieces).flatten().map(str::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        declared: Declared,
        routes: Routes,
    }

    impl Scene {
        fn new(templates: &[&str]) -> Scene {
            let mut scene = Scene { declared: Declared::new(Origin::Rule), routes: Routes::default() };
            for template in templates {
                scene.declared.add(&template.parse().unwrap(), &mut scene.routes).unwrap();
            }
            scene
        }

        fn find(&mut self, method: &str, target: &str) -> Option<(String, String)> {
            let mut path = CanonicalPath::default();
            path.parse(target.as_bytes());
            let mut objects = Vec::new();
            let hit = self.declared.find(method, &path, &mut objects, &mut self.routes)?;
            let objects: Vec<&str> =
                objects.into_iter().map(|(at, range)| &path.segment(at).text[range]).collect();
            Some((self.routes.name(hit.route).to_string(), objects.join("/")))
        }
    }

    #[test]
    fn the_most_specific_route_is_found() {
        let mut scene = Scene::new(&[
            "GET /v1/customers/{account}",
            "GET /v1/customers/{account}/**",
            "GET /v1/customers/{account}/orders/{order}",
            "GET /v1/customers/me",
            "/v1/customers/{account}.json",
            "POST /v1/*/search",
            "/v1/customers/{account}/notes",
            "/caf\u{e9}/{id}%61",
            "/\u{e9}t\u{e9}-{id}",
            "/**",
        ]);
        for (method, target, expected) in [
            ("GET", "/v1/customers/17", Some(("GET /v1/customers/{account}", "17"))),
            ("HEAD", "/v1/customers/17", Some(("GET /v1/customers/{account}", "17"))),
            ("GET", "/V1/Customers/Ada", Some(("GET /v1/customers/{account}", "Ada"))),
            ("GET", "/v1/customers/me", Some(("GET /v1/customers/me", ""))),
            ("GET", "/v1/customers/me/x", Some(("GET /v1/customers/{account}/**", "me"))),
            ("GET", "/v1/customers/17.json", Some(("GET /v1/customers/{account}.json", "17"))),
            ("PUT", "/v1/customers/17.json", Some(("PUT /v1/customers/{account}.json", "17"))),
            ("GET", "/v1/customers/17/a/b", Some(("GET /v1/customers/{account}/**", "17"))),
            (
                "GET",
                "/v1/customers/17/orders/4",
                Some(("GET /v1/customers/{account}/orders/{order}", "17/4")),
            ),
            ("GET", "/v1/customers/17/orders", Some(("GET /v1/customers/{account}/**", "17"))),
            ("POST", "/v1/cards/search", Some(("POST /v1/*/search", ""))),
            ("DELETE", "/v1/customers/17/notes", Some(("DELETE /v1/customers/{account}/notes", "17"))),
            ("DELETE", "/v1/customers/17", Some(("DELETE /**", ""))),
            ("GET", "/", Some(("GET /**", ""))),
            ("MADEUP1", "/", Some(("~OTHER /**", ""))),
            ("MADEUP2", "/", Some(("~OTHER /**", ""))),
            ("GET", "/caf%c3%a9/17a", Some(("GET /caf\u{e9}/{id}%61", "17"))),
            ("GET", "/\u{e9}t\u{e9}-17", Some(("GET /\u{e9}t\u{e9}-{id}", "17"))),
        ] {
            let expected = expected.map(|(route, object)| (route.to_owned(), object.to_owned()));
            assert_eq!(scene.find(method, target), expected, "{method} {target}");
        }
    }

    #[test]
    fn a_method_that_is_not_declared_is_not_found() {
        let mut scene = Scene::new(&["GET /v1/customers/{account}"]);
        assert_eq!(scene.find("POST", "/v1/customers/17"), None);
        assert_eq!(scene.find("GET", "/v1/customers"), None);
        assert_eq!(scene.find("GET", &"/a".repeat(5000)), None);
    }

    #[test]
    fn what_can_never_match_is_told() {
        for (templates, reason) in [
            (&["/a/{x}", "/a/{y}"][..], "\"/a/{x}\" takes the same paths and comes before it"),
            (&["GET /a", "get /A/"], "\"GET /a\" takes the same paths and comes before it"),
            (&["/a/../b"], "paths are looked at without dot segments, ;parameters and encoded slashes"),
            (&["/a%2Fb"], "paths are looked at without dot segments, ;parameters and encoded slashes"),
            (&["/a/%2e%2E/b"], "paths are looked at without dot segments, ;parameters and encoded slashes"),
            (&["/a/..%2Fb"], "paths are looked at without dot segments, ;parameters and encoded slashes"),
            (&["/.%2f"], "paths are looked at without dot segments, ;parameters and encoded slashes"),
            (&["/{id};b"], "paths are looked at without dot segments, ;parameters and encoded slashes"),
            (&["/a%2f{id}"], "paths are looked at without dot segments, ;parameters and encoded slashes"),
            (
                &["/{x}.json\0"],
                "paths are looked at decoded, with plain digits, and without blanks around a segment",
            ),
            (
                &["/%20{x}"],
                "paths are looked at decoded, with plain digits, and without blanks around a segment",
            ),
            (
                &["/{x}\u{ff11}"],
                "paths are looked at decoded, with plain digits, and without blanks around a segment",
            ),
            (
                &["/{x}-%2541"],
                "paths are looked at decoded, with plain digits, and without blanks around a segment",
            ),
            (&["CONNECT /a"], "the target of CONNECT is no path"),
        ] {
            let (last, others) = templates.split_last().unwrap();
            let mut scene = Scene::new(others);
            let never = scene.declared.add(&last.parse().unwrap(), &mut scene.routes).unwrap_err();
            assert_eq!(never.reason, reason, "{templates:?}");
        }
        Scene::new(&["GET /a/{x}", "/a/{x}", "POST /a/{x}", "/a/*"]);
    }
}
