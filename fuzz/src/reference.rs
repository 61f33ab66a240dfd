//! A reference server: hyper's, in process, without a runtime. The same octets give the same answers.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use hyper::{
    Request, Response, StatusCode, Uri,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    header::{CONTENT_TYPE, UPGRADE},
    rt::{Read, ReadBufCursor, Write},
    server::conn::http1,
    service::service_fn,
};

/// The field that numbers the answers that a handler gave.
const NUMBER: &str = "x-served";

/// Statuses of answers, in turn: neighbours differ, and some are without body.
const STATUSES: [u16; 11] = [200, 201, 404, 202, 304, 403, 203, 204, 500, 206, 401];

/// How the server is set up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The handler reads the body before it answers.
    pub reads_body: bool,
    /// Answers are longer than what is captured of a segment, and of unknown length now and then.
    pub long: bool,
    /// Fields that are none are passed over rather than refused.
    pub lenient: bool,
}

/// A request that a handler has answered.
#[derive(Clone, Debug)]
pub struct Served {
    pub method: String,
    pub uri: Uri,
    pub status: u16,
}

/// What the server sent as answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `None` if the server answered without asking the handler: it has refused what it read.
    pub served: Option<Served>,
    pub status: u16,
}

/// What the server, its handler and the network share.
#[derive(Debug, Default)]
struct State {
    arrived: Vec<u8>,
    sent: Vec<u8>,
    finished: bool,
    closed: bool,
    served: Vec<Served>,
}

#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Shared {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if state.arrived.is_empty() {
            return if state.finished { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        let length = state.arrived.len().min(buffer.remaining());
        buffer.put_slice(&state.arrived[..length]);
        state.arrived.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl Write for Shared {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.lock().sent.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().closed = true;
        Poll::Ready(Ok(()))
    }
}

/// A body in one piece, whose length is told in advance or not.
struct Text {
    text: Option<Bytes>,
    told: bool,
}

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.text.take().map(|text| Ok(Frame::data(text))))
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.text.as_ref().map_or(0, |text| text.len() as u64);
        if self.told { SizeHint::with_exact(length) } else { SizeHint::default() }
    }
}

/// Whether something has asked to be polled again.
#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One connection of the server.
pub struct Server {
    shared: Shared,
    connection: Option<Pin<Box<dyn Future<Output = ()>>>>,
    woken: Arc<Woken>,
    /// All that was sent.
    sent: Vec<u8>,
}

impl Server {
    pub fn new(options: Options) -> Server {
        let shared = Shared::default();
        let handler = shared.clone();
        let service = service_fn(move |request| answer(request, handler.clone(), options));
        let connection = http1::Builder::new()
            .auto_date_header(false)
            .header_read_timeout(None::<Duration>)
            .ignore_invalid_headers(options.lenient)
            .serve_connection(shared.clone(), service)
            .with_upgrades();
        let connection: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move { drop(connection.await) });
        Server { shared, connection: Some(connection), woken: Arc::default(), sent: Vec::new() }
    }

    /// Octets arrive, and wait for the server to be run.
    pub fn receive(&mut self, data: &[u8]) {
        self.shared.lock().arrived.extend_from_slice(data);
    }

    /// The client has sent its last octet.
    pub fn finish(&mut self) {
        self.shared.lock().finished = true;
    }

    /// Lets the server do what it can, and returns what it sends.
    pub fn run(&mut self) -> Vec<u8> {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut context = Context::from_waker(&waker);
        while let Some(connection) = &mut self.connection {
            self.woken.0.store(false, Ordering::Relaxed);
            if connection.as_mut().poll(&mut context).is_ready() {
                self.connection = None;
                self.shared.lock().closed = true;
            } else if !self.woken.0.load(Ordering::Relaxed) {
                break;
            }
        }
        let sent = std::mem::take(&mut self.shared.lock().sent);
        self.sent.extend_from_slice(&sent);
        sent
    }

    /// The server reads no more.
    pub fn is_closed(&self) -> bool {
        self.shared.lock().closed
    }

    /// What has been answered so far, in order.
    pub fn answers(&self) -> Vec<Answer> {
        let mut answers = Vec::new();
        for (number, served) in self.shared.lock().served.iter().enumerate() {
            // A handler's answer need not have left.
            let field = format!("{NUMBER}: {number}\r\n");
            if find(&self.sent, field.as_bytes()).is_some() {
                answers.push(Answer { status: served.status, served: Some(served.clone()) });
            }
        }
        // A refusal is the last that a server says, and has no body.
        let last = self.sent.windows(7).rposition(|octets| octets == b"HTTP/1.").map(|at| &self.sent[at..]);
        if let Some(last) = last
            && last.ends_with(b"\r\n\r\n")
            && find(last, NUMBER.as_bytes()).is_none()
            && let Some(status) =
                last.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
            && status >= 200
        {
            answers.push(Answer { served: None, status });
        }
        answers
    }
}

fn find(octets: &[u8], part: &[u8]) -> Option<usize> {
    octets.windows(part.len()).position(|octets| octets == part)
}

async fn answer(
    request: Request<Incoming>,
    shared: Shared,
    options: Options,
) -> Result<Response<Text>, Infallible> {
    let (method, uri) = (request.method().to_string(), request.uri().clone());
    let upgrades = request.headers().contains_key(UPGRADE) && uri.path().ends_with("upgrade");
    if options.reads_body {
        let mut body = pin!(request.into_body());
        while let Some(Ok(_)) = poll_fn(|context| body.as_mut().poll_frame(context)).await {}
    }
    let number = shared.lock().served.len();
    let status = if upgrades { 101 } else { STATUSES[number % STATUSES.len()] };
    let mut text = format!("{method} {uri} is number {number}.");
    if options.long {
        text.extend(std::iter::repeat_n(" HTTP/1.1 is what this server speaks.", 12));
    }
    let told = !options.long || number % 3 != 1;
    shared.lock().served.push(Served { method, uri, status });
    let code = StatusCode::from_u16(status).unwrap_or_default();
    let has_body = !matches!(status, 101 | 204 | 304);
    let text = Text { text: has_body.then(|| text.into()), told: told || !has_body };
    let response = Response::builder().status(code).header(NUMBER, number).header(CONTENT_TYPE, "text/plain");
    Ok(response.body(text).unwrap_or_else(|_| Response::new(Text { text: None, told: true })))
}
