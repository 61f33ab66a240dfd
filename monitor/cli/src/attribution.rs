//! The flags that say how calls are attributed: to whom, to which route, and whose account it was.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::anyhow;
use clap::Args;
use ipnet::IpNet;
use rollcall_attribute::{
    client::{self, ForwardedHeader, Source, SourceError, Sources, TrustedProxies},
    object::{Names, ObjectParam},
    route::{self, NeverMatches, Served, Template, TemplateError, full_name, openapi, service},
};

use super::{
    exit::{Exit, Failure},
    values::{self, Prefixes},
};

#[derive(Clone, Debug, Args)]
pub(crate) struct AttributionArgs {
    /// Host name under which an API of its own is served, where a port serves several, such as shop.example.com:8080;
    /// repeatable, or a list. Name first the one that the server takes unknown names for: calls under any other name count as
    /// that one's. Without names, a port is one service.
    #[arg(
        long = "service",
        env = "ROLLCALL_SERVICE",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        help_heading = "Attribution"
    )]
    services: Vec<Served>,

    /// Route to tell calls by, such as 'GET /v1/customers/{account}/**'; repeatable, or a list. What is in braces is
    /// the object, * is any segment and ** any number of them. Behind a service, as in ':8001 GET /v1/{account}', it is
    /// one of that service alone. @FILE reads one from each line of a file. Other routes are learned.
    #[arg(
        long = "route",
        env = "ROLLCALL_ROUTE",
        value_name = "TEMPLATE",
        value_delimiter = ',',
        help_heading = "Attribution"
    )]
    routes: Vec<String>,

    /// OpenAPI document (3.0 or 3.1, JSON or YAML) that describes the API, of each service or, as in :8001=FILE, of one;
    /// repeatable, or a list.
    #[arg(
        long = "openapi",
        env = "ROLLCALL_OPENAPI",
        value_name = "[SERVICE=]FILE",
        value_delimiter = ',',
        help_heading = "Attribution"
    )]
    documents: Vec<PathBuf>,

    /// Route whose answers are data about accounts, such as 'GET /v1/avatars/{id}', whatever they look like; repeatable, or a
    /// list. Written as --route is; what it is by itself, `rollcall routes` says.
    #[arg(
        long = "accounts",
        env = "ROLLCALL_ACCOUNTS",
        value_name = "TEMPLATE",
        value_delimiter = ',',
        help_heading = "Attribution"
    )]
    accounts: Vec<Template>,

    /// Route whose answers are content, such as pictures or maps, and no accounts; repeatable, or a list.
    #[arg(
        long = "content",
        env = "ROLLCALL_CONTENT",
        value_name = "TEMPLATE",
        value_delimiter = ',',
        help_heading = "Attribution"
    )]
    content: Vec<Template>,

    /// Parameter of query, form, JSON or GraphQL that holds an object, besides those with usual names such as
    /// customer_id; !NAME is one that doesn't. Repeatable, or a list.
    #[arg(
        long = "object-param",
        env = "ROLLCALL_OBJECT_PARAM",
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Attribution"
    )]
    object_params: Vec<ObjectParam>,

    /// Where credentials are: authorization, api-key, session, jwt:CLAIM, header:NAME, query:NAME or cookie:NAME;
    /// repeatable, or a list. Replaces the default.
    #[arg(
        long = "client-from",
        env = "ROLLCALL_CLIENT_FROM",
        value_name = "SOURCE",
        value_delimiter = ',',
        default_value = "authorization,api-key,session,jwt:sub",
        help_heading = "Attribution"
    )]
    sources: Vec<Source>,

    /// Network whose word on forwarded addresses is believed; repeatable, or a list. Replaces the default.
    #[arg(
        long = "trusted-proxy",
        env = "ROLLCALL_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = TrustedProxies::parse,
        default_value = "127.0.0.0/8,::1",
        help_heading = "Attribution"
    )]
    trusted_proxies: Vec<IpNet>,

    /// Header that trusted proxies forward addresses in; repeatable, or a list. Name just those that yours write.
    #[arg(
        long = "forwarded-header",
        env = "ROLLCALL_FORWARDED_HEADER",
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "x-forwarded-for,forwarded,x-real-ip",
        help_heading = "Attribution"
    )]
    forwarded_headers: Vec<ForwardedHeader>,

    /// Bits of an IPv4 and of an IPv6 address that make the caller's network.
    #[arg(
        long = "client-prefix",
        env = "ROLLCALL_CLIENT_PREFIX",
        value_name = "BITS,BITS",
        value_parser = values::prefixes,
        default_value = "24,64",
        help_heading = "Attribution"
    )]
    prefixes: Prefixes,

    /// Routes that are learned at most, 16 to 100,000, of all services together; each has room for one in 64 of them in
    /// any case. Calls to others count as ~other.
    #[arg(
        long = "max-routes",
        env = "ROLLCALL_MAX_ROUTES",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(16..=100_000),
        default_value_t = 10_000,
        help_heading = "Attribution"
    )]
    most: u32,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("read routes {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("routes {path}:{line}")]
    Line {
        path: PathBuf,
        line: usize,
        #[source]
        source: TemplateError,
    },
    #[error("openapi document {path}:{line}")]
    Operation {
        path: PathBuf,
        line: usize,
        #[source]
        source: TemplateError,
    },
}

impl AttributionArgs {
    /// How calls are attributed to clients.
    pub(crate) fn clients(&self) -> Result<client::Settings, Failure> {
        Ok(client::Settings {
            trusted_proxies: TrustedProxies::new(self.trusted_proxies.clone()),
            forwarded_headers: self.forwarded_headers.clone(),
            prefix_v4: self.prefixes.v4,
            prefix_v6: self.prefixes.v6,
            credentials: Sources::new(self.sources.clone())
                .map_err(|error: SourceError| usage(error, "see --client-from in --help"))?,
        })
    }

    /// How calls are attributed to routes and objects.
    pub(crate) fn routes(&self) -> Result<route::Settings, Failure> {
        let mut rules = Vec::new();
        for text in &self.routes {
            match text.trim().strip_prefix('@') {
                Some("") => return Err(usage(anyhow!("--route @ names no file"), "write it behind the @")),
                Some(path) => rules.extend(read_rules(Path::new(path)).map_err(config)?),
                None => rules.push(
                    text.parse().map_err(|error: TemplateError| usage(error, "see --route in --help"))?,
                ),
            }
        }
        let mut document: Option<Vec<Template>> = None;
        for path in &self.documents {
            let templates = document.get_or_insert_default();
            match path.to_str().and_then(|text| text.split_once('=')) {
                Some((service, path)) if full_name::is_name(service) => {
                    let of_service = |template: Template| template.of_service(service);
                    templates.extend(read_document(Path::new(path))?.into_iter().map(of_service));
                }
                _ => templates.extend(read_document(path)?),
            }
        }
        if self.services.len() > service::MOST_SERVED {
            let most = service::MOST_SERVED;
            return Err(usage(
                anyhow!("{} services by name are too many: at most {most}", self.services.len()),
                "see --service in --help",
            ));
        }
        let settings = route::Settings {
            services: self.services.clone(),
            rules,
            document,
            accounts: self.accounts.clone(),
            content: self.content.clone(),
            names: Names::new(self.object_params.clone()),
            most: self.most as usize,
        };
        for service in settings.declared_services() {
            expect_service(&settings, service)?;
        }
        Ok(settings)
    }
}

/// Fails if no call can ever be one of `service`.
pub(crate) fn expect_service(settings: &route::Settings, service: &str) -> Result<(), Failure> {
    if settings.has_service(service) {
        return Ok(());
    }
    let served: Vec<String> = settings.services.iter().map(ToString::to_string).collect();
    let error = match &served[..] {
        [] => anyhow!("there is no service {service:?}: services with a name have to be told of"),
        _ => anyhow!("there is no service {service:?} among {}", served.join(", ")),
    };
    Err(usage(error, "see --service in --help"))
}

/// Says which of the operator's rules are in vain.
pub(crate) fn warn_of(never: &[NeverMatches]) {
    for NeverMatches { template, reason } in never {
        tracing::warn!(route = template, "this route can never match: {reason}");
    }
}

/// One template a line; blank lines and those that begin with `#` are left out.
fn read_rules(path: &Path) -> Result<Vec<Template>, Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let lines = text.lines().map(str::trim).enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(at, line)| {
            line.parse().map_err(|source| Error::Line { path: path.to_owned(), line: at + 1, source })
        })
        .collect()
}

fn read_document(path: &Path) -> Result<Vec<Template>, Failure> {
    let document = openapi::read(path).map_err(config)?;
    if document.operations.is_empty() {
        tracing::warn!(document = %path.display(), "this document describes no operation");
    }
    let mut templates = Vec::with_capacity(document.operations.len());
    for operation in &document.operations {
        let text = format!("{} {}", operation.method, operation.path());
        match Template::parse(&text, |name| !operation.not_objects.iter().any(|not| not == name)) {
            Ok(template) => templates.push(template),
            // Nothing is wrong with the document: Rollcall learns such a route from traffic.
            Err(
                error @ (TemplateError::Touching(..)
                | TemplateError::TooLong(_)
                | TemplateError::Star(..)
                | TemplateError::OpenAmid(_)
                | TemplateError::Method(..)
                | TemplateError::Braces(..)),
            ) => {
                tracing::warn!(document = %path.display(), line = operation.line, "left out: {error}");
            }
            Err(source) => {
                let (path, line) = (path.to_owned(), operation.line);
                return Err(config(Error::Operation { path, line, source }));
            }
        }
    }
    Ok(templates)
}

fn usage(error: impl Into<anyhow::Error>, advice: &str) -> Failure {
    Failure::new(Exit::Usage, error).advise(advice)
}

fn config(error: impl Into<anyhow::Error>) -> Failure {
    Failure::new(Exit::Config, error).advise("correct the file, or leave it out")
}
