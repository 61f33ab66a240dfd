//! Who may ask: the web configuration in force, and the checks that it calls for.
//!
//! Its files are looked at for changes when somebody connects, once a second at most. What is new and in order holds from the
//! next connection on; what is not is told in the log once, and the old goes on.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hyper::{
    Request, StatusCode,
    header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use rollcall_model::error::with_causes;
use tokio::task;

use super::{
    bucket::Bucket,
    config::{self, Config, Error, Sources},
    hosts::Hosts,
    passwords::{Passwords, Verdict},
    response::{Answer, plain},
};

/// Files are looked at this often at most.
const LOOK: Duration = Duration::from_secs(1);

/// The web configuration in force, and what it takes to hold requests to it.
pub struct Access {
    hosts: Hosts,
    path: Option<PathBuf>,
    inner: Mutex<Inner>,
    passwords: Passwords,
    bucket: Mutex<Bucket>,
}

struct Inner {
    config: Arc<Config>,
    sources: Arc<Sources>,
    looked: Instant,
}

impl Access {
    /// Access as the file says; for everybody, without TLS, if there is none. Only by the names of `hosts`, and of a certificate.
    pub fn open(path: Option<&Path>, hosts: Hosts) -> Result<Access, Error> {
        let (config, sources) = match path {
            Some(path) => config::read(path),
            None => (Ok(Config::default()), Sources::default()),
        };
        let inner = Inner { config: Arc::new(config?), sources: Arc::new(sources), looked: Instant::now() };
        Ok(Access {
            hosts,
            path: path.map(Path::to_owned),
            inner: Mutex::new(inner),
            passwords: Passwords::new(),
            bucket: Mutex::default(),
        })
    }

    /// Whether connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.current().tls.is_some()
    }

    /// What holds for a connection that begins now.
    pub(super) async fn config(self: &Arc<Self>) -> Arc<Config> {
        if self.path.is_some() && self.is_due() {
            let access = Arc::clone(self);
            // A disk may be slow, and this thread has others to answer.
            if let Err(error) = task::spawn_blocking(move || access.look()).await {
                tracing::error!(%error, "look at the web configuration");
            }
        }
        self.current()
    }

    /// Says no, where there is a reason.
    pub(super) async fn admit<B>(
        &self,
        config: &Config,
        request: &Request<B>,
        from: IpAddr,
    ) -> Result<(), Answer> {
        if let Some(refusal) = self.hosts.refusal(request, config.tls.as_ref()) {
            return Err(refusal);
        }
        if let Some(rate) = config.rate
            && !self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(rate, Instant::now())
        {
            return Err(later(StatusCode::TOO_MANY_REQUESTS));
        }
        if config.users.is_empty() {
            return Ok(());
        }
        match self.passwords.check(&config.users, request.headers().get(AUTHORIZATION), from).await {
            Verdict::Right => Ok(()),
            Verdict::Wrong => {
                let mut answer = plain(StatusCode::UNAUTHORIZED, "user and password are needed\n");
                let basic = HeaderValue::from_static("Basic realm=\"rollcall\", charset=\"UTF-8\"");
                answer.headers_mut().insert(WWW_AUTHENTICATE, basic);
                Err(answer)
            }
            Verdict::TooMany => Err(later(StatusCode::TOO_MANY_REQUESTS)),
            Verdict::Busy => Err(later(StatusCode::SERVICE_UNAVAILABLE)),
        }
    }

    fn current(&self) -> Arc<Config> {
        Arc::clone(&self.inner.lock().unwrap_or_else(PoisonError::into_inner).config)
    }

    /// Whether it is time for a look, which is the caller's then.
    fn is_due(&self) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let due = inner.looked.elapsed() >= LOOK;
        if due {
            inner.looked = Instant::now();
        }
        due
    }

    /// Reads everything anew if some of it has changed.
    fn look(&self) {
        let Some(path) = &self.path else { return };
        let (config, sources) = {
            let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            (Arc::clone(&inner.config), Arc::clone(&inner.sources))
        };
        if !sources.have_changed() {
            return;
        }
        let (read, sources) = config::read(path);
        let accepted = match read {
            Ok(new) if new.tls.is_some() != config.tls.is_some() => {
                tracing::warn!(
                    "TLS is turned on and off by a restart only; the old web configuration goes on"
                );
                None
            }
            Ok(new) => {
                tracing::info!(path = %path.display(), "the web configuration has changed");
                Some(Arc::new(new))
            }
            Err(error) => {
                let error = with_causes(&error);
                tracing::warn!(
                    error,
                    "the web configuration has changed and is refused; the old one goes on"
                );
                None
            }
        };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sources = Arc::new(sources);
        if let Some(new) = accepted {
            inner.config = new;
        }
    }
}

fn later(status: StatusCode) -> Answer {
    let mut answer = plain(status, "too many requests; try again later\n");
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}
