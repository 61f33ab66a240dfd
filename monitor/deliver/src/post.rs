//! Posting to a web server, within bounds: of time, of what is read of its answer, and of what is taken for a success.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use rollcall_model::error::with_causes;
use tokio::{runtime::Runtime, time};

use super::{Client, ClientError, Closing, Endpoint, OwnCalls, Trust, client};

/// The answer is there by then.
const WHOLE: Duration = Duration::from_secs(10);

/// Names that are looked up at once, each on a thread: one that takes long may still be there when the next is due.
const LOOKUPS: usize = 2;

/// What is read of an answer, for its reason.
const ANSWER: usize = 4 << 10;

/// What is told of it.
const REASON: usize = 200;

/// What the server made of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Taken,
    /// It may take it later, and may have said when.
    NotNow {
        why: String,
        asked: Option<Duration>,
    },
    /// It will not take it.
    Refused {
        why: String,
    },
}

/// Posts to one server.
pub struct Poster {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
    client: Client,
    /// Bodies of refusals are told.
    reasons: bool,
    closing: Closing,
}

impl Poster {
    /// A client of `endpoint`, whose connections are noted in `own`. When `closing` has a deadline, requests end by then.
    pub fn new(endpoint: Endpoint, own: Arc<OwnCalls>, closing: Closing) -> Result<Poster, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(LOOKUPS)
            .enable_all()
            .build()
            .map_err(|source| ClientError::Runtime { endpoint: endpoint.to_string(), source })?;
        let client = Client::new(endpoint, &Trust::System, own)?;
        Ok(Poster { runtime: Some(runtime), client, reasons: false, closing })
    }

    /// Tells the reasons that answers give. Not for URLs with a secret: some servers repeat them.
    pub(super) fn with_reasons(mut self) -> Poster {
        self.reasons = true;
        self
    }

    /// Posts JSON, and waits for the answer.
    pub(super) fn post(&mut self, headers: HeaderMap, body: Vec<u8>) -> Answer {
        let Some(runtime) = &self.runtime else { return not_now("the runtime is gone") };
        let request = match self.request(headers, body) {
            Ok(request) => request,
            Err(error) => return Answer::Refused { why: format!("make the request: {error}") },
        };
        let mut closing = self.closing.clone();
        let endpoint = self.client.endpoint();
        runtime.block_on(async {
            tokio::select! {
                answer = time::timeout(WHOLE, self.send(request)) => match answer {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(error)) => not_now(format!("{endpoint}: {}", with_causes(&*error))),
                    Err(_) => not_now(format!("{endpoint}: no answer within {WHOLE:?}")),
                },
                () = deadline(&mut closing) => not_now(format!("{endpoint}: no answer before the stop")),
            }
        })
    }

    fn request(&self, headers: HeaderMap, body: Vec<u8>) -> hyper::http::Result<Request<Full<Bytes>>> {
        let mut request = Request::post(self.client.endpoint().target())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))?;
        request.headers_mut().extend(headers);
        Ok(request)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, client::Failed> {
        let client::Answer { status, headers, body } = self.client.send(request, ANSWER).await?;
        if status.is_success() {
            return Ok(Answer::Taken);
        }
        let reason = body.filter(|_| self.reasons).map(|body| reason(&body)).unwrap_or_default();
        Ok(failure(status, &headers, &reason))
    }
}

impl Drop for Poster {
    fn drop(&mut self) {
        // A name that is still being looked up must not hold up the end.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a status that is no success means.
fn failure(status: StatusCode, headers: &HeaderMap, reason: &str) -> Answer {
    let why = format!("it answers {status}{reason}");
    let is_for_now = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    if status.is_client_error() && !is_for_now.contains(&status) {
        return Answer::Refused { why };
    }
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Answer::NotNow { why, asked: asked.map(Duration::from_secs) }
}

/// The beginning of the answer's body, fit to be logged.
fn reason(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body).trim().chars().take(REASON).collect::<String>();
    if text.is_empty() { text } else { format!(" ({})", text.escape_debug()) }
}

fn not_now(why: impl Into<String>) -> Answer {
    Answer::NotNow { why: why.into(), asked: None }
}

/// Until the time is up, once the daemon stops.
async fn deadline(closing: &mut Closing) {
    let deadline = match closing.wait_for(Option::is_some).await {
        Ok(deadline) => *deadline,
        // Nobody is left to stop it.
        Err(_) => None,
    };
    match deadline {
        Some(deadline) => time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "30".parse().unwrap());
        let asked = Some(Duration::from_secs(30));
        for status in [301, 302, 408, 425, 429, 500, 502, 503, 504] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(
                matches!(failure(status, &headers, ""), Answer::NotNow { asked: a, .. } if a == asked),
                "{status}"
            );
        }
        for status in [400, 401, 403, 404, 405, 410, 413, 422, 451] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(matches!(failure(status, &headers, ""), Answer::Refused { .. }), "{status}");
        }
        headers.insert(RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT".parse().unwrap());
        let answer = failure(StatusCode::SERVICE_UNAVAILABLE, &headers, " (\"later\")");
        let why = "it answers 503 Service Unavailable (\"later\")".to_owned();
        assert_eq!(answer, Answer::NotNow { why, asked: None });
    }
}
