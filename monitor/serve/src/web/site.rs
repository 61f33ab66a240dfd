//! What stands where: paths, and what they answer.

use std::{sync::Arc, time::Duration};

use hyper::{
    Method, StatusCode, Uri,
    header::{ALLOW, HeaderValue},
};
use rollcall_metrics::{Metrics, TEXT_FORMAT};
use rollcall_model::time::Timestamp;
use serde::Serialize;
use tokio::time;

use super::{
    page,
    response::{Answer, json, plain, typed},
};
use crate::{
    api::{Board, Inquiries, Inquiry, Pulse, Routes, Status},
    health::{Health, STALL},
};

/// The engine comes round once a second at least, and answers once a second at most.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The paths beside that of the metrics.
const PATHS: [&str; 7] =
    ["/", "/healthz", "/readyz", "/api/v1/status", "/api/v1/alerts", "/api/v1/clients", "/api/v1/routes"];

/// What the answers come from.
pub struct Site {
    /// The path of the metrics, usually `/metrics`.
    pub telemetry_path: String,
    pub metrics: Metrics,
    pub health: Arc<Health>,
    pub inquiries: Arc<Inquiries>,
    pub pulse: Arc<Pulse>,
    pub board: Arc<Board>,
}

impl Site {
    pub(super) async fn answer(&self, method: &Method, uri: &Uri) -> Answer {
        let path = uri.path();
        let is_metrics = path == self.telemetry_path;
        if !is_metrics && !PATHS.contains(&path) {
            return plain(StatusCode::NOT_FOUND, "not found\n");
        }
        if method != Method::GET && method != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            _ if is_metrics => self.metrics(),
            "/healthz" => self.healthz(),
            "/readyz" => self.readyz(),
            "/api/v1/status" => json(&Status::new(Timestamp::now(), &self.pulse, &self.health, &self.board)),
            "/api/v1/alerts" => json(&self.board.alerts(Timestamp::now())),
            "/api/v1/clients" => asked(&self.inquiries.clients, json).await,
            "/api/v1/routes" => {
                let top = top(uri.query().unwrap_or_default());
                let shown = |routes: &Routes| match top {
                    Some(most) => json(&routes.top(most)),
                    None => json(routes),
                };
                asked(&self.inquiries.routes, shown).await
            }
            _ => page::answer(),
        }
    }

    fn metrics(&self) -> Answer {
        match self.metrics.text() {
            Ok(text) => typed(StatusCode::OK, HeaderValue::from_static(TEXT_FORMAT), text.into()),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("metrics: {error}\n")),
        }
    }

    fn healthz(&self) -> Answer {
        let silence = self.health.silence();
        if silence < STALL {
            plain(StatusCode::OK, "ok\n")
        } else {
            let text = format!("the capture loop has not come round for {} s\n", silence.as_secs());
            plain(StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }

    fn readyz(&self) -> Answer {
        if self.health.is_attached() {
            plain(StatusCode::OK, "ok\n")
        } else {
            plain(StatusCode::SERVICE_UNAVAILABLE, "not attached to the kernel\n")
        }
    }
}

/// What the engine says to a question.
async fn asked<T: Serialize>(inquiry: &Inquiry<T>, shown: impl Fn(&T) -> Answer) -> Answer {
    match time::timeout(ANSWER_TIMEOUT, inquiry.ask()).await {
        Ok(Ok(answer)) => shown(&answer),
        _ => plain(StatusCode::SERVICE_UNAVAILABLE, "the engine does not answer\n"),
    }
}

/// The number in `top=10`, if the query has it.
fn top(query: &str) -> Option<usize> {
    query.split('&').find_map(|pair| pair.strip_prefix("top=")?.parse().ok())
}
