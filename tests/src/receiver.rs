//! A receiver of webhooks that keeps what it is sent, and answers as it is told.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::deadline;

/// One POST.
#[derive(Clone, Debug)]
pub struct Post {
    /// What it was answered with.
    pub status: u16,
    /// The path, with its query.
    pub target: String,
    /// Header fields by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Post {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// A running receiver, stopped when dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    posts: Mutex<Vec<Post>>,
    status: AtomicU16,
    stopped: AtomicBool,
}

impl Receiver {
    /// Listens on `port` of 127.0.0.1, and answers with `status`.
    pub fn start(port: u16, status: u16) -> Result<Receiver> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("listen on {port}"))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { status: status.into(), ..Shared::default() });
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming().flatten() {
                    if shared.stopped.load(Ordering::Acquire) {
                        return;
                    }
                    if let Err(error) = shared.receive(stream) {
                        eprintln!("the receiver of webhooks: {error:#}");
                    }
                }
            }
        });
        Ok(Receiver { address, shared, thread: Some(thread) })
    }

    /// A URL of it.
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// Answers with `status` from now on.
    pub fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::Release);
    }

    /// What it was sent so far and answered with `status`.
    pub fn posts(&self, status: u16) -> Vec<Post> {
        lock(&self.shared.posts).iter().filter(|post| post.status == status).cloned().collect()
    }

    /// Waits until it has answered `count` posts with `status`, and returns them.
    pub fn wait_for(&self, count: usize, status: u16) -> Result<Vec<Post>> {
        deadline::until(&format!("{count} posts answered with {status}"), || {
            Ok(Some(self.posts(status)).filter(|posts| posts.len() >= count))
        })
        .with_context(|| format!("received: {:?}", lock(&self.shared.posts)))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        // It waits for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            // A panic has been printed.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn receive(&self, stream: TcpStream) -> Result<()> {
        stream.set_read_timeout(Some(deadline::patience()))?;
        let mut reader = BufReader::new(&stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut post =
            Post { status: 0, target: target.to_owned(), headers: BTreeMap::new(), body: Vec::new() };
        if method != "POST" {
            bail!("not a POST: {line:?}");
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            post.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = post.headers.get("content-length").context("no content-length")?.parse()?;
        post.body.resize(length, 0);
        reader.read_exact(&mut post.body)?;
        post.status = self.status.load(Ordering::Acquire);
        let status = post.status;
        lock(&self.posts).push(post);
        write!(&stream, "HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        Ok(())
    }
}

fn lock(posts: &Mutex<Vec<Post>>) -> MutexGuard<'_, Vec<Post>> {
    posts.lock().unwrap_or_else(PoisonError::into_inner)
}
