//! The servers: how each is started, with an application that answers any request with what it was asked.
//!
//! Each is as its package makes it, but for room for long heads and connections that are kept for long.

use std::{
    cell::RefCell,
    collections::HashSet,
    env, fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use rollcall_tests::{
    deadline, port,
    program::{self, Running},
};
use tempfile::TempDir;

use crate::bound::Bound;

/// A kind of server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    /// So many connections may be open to it at a time.
    pub(crate) at_once: usize,
    /// The server that it stands in front of as a proxy, if it is one.
    behind: Option<&'static str>,
    /// Writes what it needs into its folder, and says how it is started.
    command: fn(&Place<'_>) -> Result<Command>,
}

/// Where one runs.
struct Place<'a> {
    folder: &'a Path,
    port: u16,
    /// Where the server behind a proxy listens.
    behind: u16,
}

const PYTHON: &str = include_str!("../../../apps/echo/echo.py");
const NODE: &str = include_str!("../../../apps/echo/echo.js");
const GO: &str = include_str!("../../../apps/echo/echo.go");
const JAVA: &str = include_str!("../../../apps/echo/Echo.java");
const PHP: &str = include_str!("../../../apps/echo/echo.php");
const RUBY: &str = include_str!("../../../apps/echo/echo.ru");
const CGI: &str = include_str!("../../../apps/echo/echo.sh");

/// Enough to be done within minutes, and less than the threads of those that have one for each connection.
const AT_ONCE: usize = 6;

const fn server(name: &'static str, command: fn(&Place<'_>) -> Result<Command>) -> Server {
    Server { name, at_once: AT_ONCE, behind: None, command }
}

/// One client at a time: the next has to get the connection that the last one left in the pool.
const fn proxy(
    name: &'static str,
    behind: &'static str,
    command: fn(&Place<'_>) -> Result<Command>,
) -> Server {
    Server { name, at_once: 1, behind: Some(behind), command }
}

pub(crate) const ALL: [Server; 24] = [
    server("nginx", nginx),
    server("apache", apache),
    server("haproxy", haproxy),
    server("lighttpd", lighttpd),
    server("node", |place| interpreted(place, "node", "echo.js", NODE)),
    server("go", go),
    server("hyper", hyper),
    server("uvicorn-h11", |place| python(place, "uvicorn-h11")),
    server("uvicorn-httptools", |place| python(place, "uvicorn-httptools")),
    server("hypercorn", |place| python(place, "hypercorn")),
    // A worker serves one connection at a time.
    Server { at_once: 4, ..server("gunicorn-sync", |place| python(place, "gunicorn-sync")) },
    server("gunicorn-gthread", |place| python(place, "gunicorn-gthread")),
    server("aiohttp", |place| python(place, "aiohttp")),
    server("waitress", |place| python(place, "waitress")),
    server("tornado", |place| python(place, "tornado")),
    server("cheroot", |place| python(place, "cheroot")),
    server("werkzeug", |place| python(place, "werkzeug")),
    server("puma", puma),
    server("java", |place| interpreted(place, "java", "Echo.java", JAVA)),
    server("php", php),
    proxy("nginx+node", "node", nginx_proxy),
    proxy("nginx+go", "go", nginx_proxy),
    proxy("haproxy+node", "node", haproxy_proxy),
    proxy("haproxy+go", "go", haproxy_proxy),
];

/// The servers of these names; all without names.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<Server>> {
    let known = || ALL.map(|server| server.name).join(", ");
    if let Some(unknown) = names.iter().find(|name| ALL.iter().all(|server| server.name != **name)) {
        bail!("no server is called {unknown}: there are {}", known());
    }
    Ok(ALL
        .into_iter()
        .filter(|server| names.is_empty() || names.iter().any(|name| name == server.name))
        .collect())
}

fn interpreted(place: &Place<'_>, program: &str, file: &str, text: &str) -> Result<Command> {
    let script = place.write(file, text)?;
    let mut command = Command::new(program::find(program)?);
    if program == "java" {
        command.args(["-Xmx192m", "-XX:+UseSerialGC"]);
    }
    command.arg(script).arg(place.port.to_string());
    Ok(command)
}

fn python(place: &Place<'_>, name: &str) -> Result<Command> {
    let script = place.write("echo.py", PYTHON)?;
    let python = env::var_os("ROLLCALL_PYTHON_SERVERS").map(PathBuf::from);
    let python = python.context("ROLLCALL_PYTHON_SERVERS doesn't name a Python with servers: start this with `cargo xtask differential`")?;
    let mut command = Command::new(python);
    command.arg("-B").arg(script).arg(name).arg(place.port.to_string());
    Ok(command)
}

fn nginx(place: &Place<'_>) -> Result<Command> {
    nginx_with(
        place,
        "location / { add_header X-Echo-Target $request_uri always; return 200 \"echo:$request_uri:end\\n\"; }",
        "",
    )
}

/// With the lines that WebSocket needs, as most copy them.
fn nginx_proxy(place: &Place<'_>) -> Result<Command> {
    nginx_with(
        place,
        "location / { proxy_pass http://pool; proxy_http_version 1.1; proxy_request_buffering off;\n\
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $upgrade; }",
        &format!(
            "map $http_upgrade $upgrade {{ default upgrade; '' ''; }}\n\
             upstream pool {{ server 127.0.0.1:{}; keepalive 8; keepalive_requests 1000000; }}",
            place.behind
        ),
    )
}

fn nginx_with(place: &Place<'_>, location: &str, more: &str) -> Result<Command> {
    let root = place.folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {root}/{kind};"))
        .join(" ");
    let configuration = place.write(
        "nginx.conf",
        &format!(
            "daemon off; user root; worker_processes 1; pid {root}/pid; error_log {root}/error.log;\n\
             events {{ worker_connections 512; }}\n\
             http {{ {temporary} access_log off; keepalive_requests 1000000; keepalive_timeout 20s;\n\
             large_client_header_buffers 8 128k; client_max_body_size 0; default_type text/plain;\n{more}\n\
             server {{ listen 127.0.0.1:{}; {location} }} }}\n",
            place.port
        ),
    )?;
    let mut command = Command::new(program::find("nginx")?);
    command.arg("-p").arg(place.folder).arg("-c").arg(configuration);
    command.arg("-e").arg(place.folder.join("error.log"));
    Ok(command)
}

fn apache(place: &Place<'_>) -> Result<Command> {
    let root = place.folder.display();
    let modules: String = ["mpm_event", "authz_core", "headers", "rewrite"]
        .map(|module| format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n"))
        .concat();
    let configuration = place.write("apache.conf", &format!(
        "ServerRoot {root}\nServerName x\nListen 127.0.0.1:{}\nPidFile {root}/pid\nErrorLog {root}/error.log\n\
         DefaultRuntimeDir {root}\nDocumentRoot {root}\n{modules}\
         LimitRequestLine 131072\nLimitRequestFieldSize 131072\nLimitRequestFields 1000\n\
         KeepAlive On\nMaxKeepAliveRequests 0\nKeepAliveTimeout 20\nTimeout 20\nTraceEnable On\n\
         ServerLimit 2\nThreadsPerChild 32\nMaxRequestWorkers 64\nStartServers 1\n\
         AllowEncodedSlashes NoDecode\nRewriteEngine On\nRewriteRule ^ - [R=200,L]\n\
         Header always set X-Echo-Target \"expr=%{{THE_REQUEST}}\" \"expr=%{{REQUEST_STATUS}} -eq 200\"\n",
        place.port
    ))?;
    let mut command = Command::new(program::find("apache2")?);
    command.arg("-D").arg("FOREGROUND").arg("-f").arg(configuration);
    Ok(command)
}

fn haproxy(place: &Place<'_>) -> Result<Command> {
    let answer = " http-request return status 200 content-type text/plain hdr X-Echo-Target \"%[url]\" \
                  lf-string \"echo:%[url]:end\\n\"\n";
    haproxy_with(place, answer)
}

fn haproxy_proxy(place: &Place<'_>) -> Result<Command> {
    let backend = format!(
        " option forwardfor\n http-reuse always\n default_backend pool\nbackend pool\n http-reuse always\n server one 127.0.0.1:{}\n",
        place.behind
    );
    haproxy_with(place, &backend)
}

fn haproxy_with(place: &Place<'_>, rest: &str) -> Result<Command> {
    let configuration = place.write(
        "haproxy.cfg",
        &format!(
            "global\n maxconn 256\n tune.bufsize 131072\n tune.http.maxhdr 1000\n\
             defaults\n mode http\n timeout client 20s\n timeout http-request 20s\n timeout http-keep-alive 20s\n \
             timeout connect 5s\n timeout server 20s\n\
             frontend echo\n bind 127.0.0.1:{}\n{rest}",
            place.port
        ),
    )?;
    let mut command = Command::new(program::find("haproxy")?);
    command.args(["-db", "-f"]).arg(configuration);
    Ok(command)
}

fn lighttpd(place: &Place<'_>) -> Result<Command> {
    let root = place.folder.display();
    place.write("echo.sh", CGI)?;
    let configuration = place.write("lighttpd.conf", &format!(
        "server.modules = (\"mod_rewrite\", \"mod_cgi\")\nserver.document-root = \"{root}\"\n\
         server.bind = \"127.0.0.1\"\nserver.port = {}\nserver.errorlog = \"{root}/error.log\"\n\
         server.max-keep-alive-requests = 1000000\nserver.max-keep-alive-idle = 20\nserver.max-request-field-size = 131072\n\
         url.rewrite-once = (\"\" => \"/echo.sh\")\ncgi.assign = (\".sh\" => \"/bin/sh\")\n",
        place.port
    ))?;
    let mut command = Command::new(program::find("lighttpd")?);
    command.arg("-D").arg("-f").arg(configuration);
    Ok(command)
}

fn go(place: &Place<'_>) -> Result<Command> {
    let source = place.write("echo.go", GO)?;
    let program = place.folder.join("echo");
    // The standard library is compiled the first time, which takes half a minute: that stays where what is made stays.
    let cache =
        env::var_os("ROLLCALL_DIFFERENTIAL").map_or(place.folder.to_owned(), PathBuf::from).join("go");
    let mut build = Command::new(program::find("go")?);
    build.args(["build", "-o"]).arg(&program).arg(source).current_dir(place.folder);
    build.envs([
        ("GOCACHE", cache.as_os_str()),
        ("CGO_ENABLED", "0".as_ref()),
        ("GO111MODULE", "off".as_ref()),
    ]);
    program::run(&mut build)?;
    let mut command = Command::new(program);
    command.arg(place.port.to_string());
    Ok(command)
}

fn hyper(place: &Place<'_>) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("serve-hyper").arg(place.port.to_string());
    Ok(command)
}

fn puma(place: &Place<'_>) -> Result<Command> {
    let script = place.write("echo.ru", RUBY)?;
    let mut command = Command::new(program::find("puma")?);
    command.args(["--threads", "24:24", "--environment", "production", "--quiet", "--bind"]);
    command.arg(format!("tcp://127.0.0.1:{}", place.port)).arg(script);
    Ok(command)
}

fn php(place: &Place<'_>) -> Result<Command> {
    let script = place.write("echo.php", PHP)?;
    let mut command = Command::new(program::find("php")?);
    command.args(["-S", &format!("127.0.0.1:{}", place.port)]).arg(script);
    Ok(command)
}

impl Place<'_> {
    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let file = self.folder.join(name);
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        Ok(file)
    }
}

/// A server that runs, bounded; it ends with all its processes when dropped.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) server: Server,
    /// Where clients connect to.
    pub(crate) address: SocketAddr,
    /// The ports of clients that there have been.
    pub(crate) used: RefCell<HashSet<u16>>,
    /// What a proxy stands in front of.
    backend: Option<Box<Instance>>,
    process: RefCell<Running>,
    bound: Bound,
    folder: TempDir,
}

impl Instance {
    /// Starts it. The caller is a thread that lives as long as the server does.
    pub(crate) fn start(server: Server) -> Result<Instance> {
        let behind = server.behind.and_then(|name| ALL.into_iter().find(|server| server.name == name));
        let backend = behind.map(|server| Instance::start(server).map(Box::new)).transpose()?;
        let folder = tempfile::Builder::new().prefix("rollcall-differential-").tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port::free()?));
        let bound = Bound::new(&format!("{}-{}", server.name, address.port()))?;
        let place = Place {
            folder: folder.path(),
            port: address.port(),
            behind: backend.as_ref().map_or(0, |backend| backend.address.port()),
        };
        let process = launch(server, &bound, &place);
        let process = RefCell::new(process.with_context(|| format!("start {}", server.name))?);
        Ok(Instance { server, address, used: RefCell::default(), backend, process, bound, folder })
    }

    /// The port whose traffic is watched: of the server behind a proxy, or of the server itself.
    pub(crate) fn watched(&self) -> u16 {
        self.backend.as_ref().map_or(self.address.port(), |backend| backend.address.port())
    }

    pub(crate) fn is_proxy(&self) -> bool {
        self.backend.is_some()
    }

    /// Waits until it listens.
    pub(crate) fn wait_until_ready(&self) -> Result<()> {
        if let Some(backend) = &self.backend {
            backend.wait_until_ready()?;
        }
        let mut process = self.process.borrow_mut();
        deadline::until(&format!("{} to listen", self.server.name), || {
            let ended = process.ended()?;
            ensure!(ended.is_none(), "{} ended: {}", self.server.name, process.output());
            Ok(TcpStream::connect(self.address).is_ok().then_some(()))
        })
        .with_context(|| process.output())
    }

    /// Starts it again unless it listens, and what is behind it. Tells whether that was needed.
    pub(crate) fn revive(&self) -> Result<bool> {
        let backend =
            self.backend.as_ref().is_some_and(|backend| TcpStream::connect(backend.address).is_err());
        if let (true, Some(instance)) = (backend, &self.backend) {
            instance.revive()?;
        }
        if TcpStream::connect(self.address).is_ok() {
            return Ok(backend);
        }
        self.bound.clear()?;
        let place = Place { folder: self.folder.path(), port: self.address.port(), behind: self.watched() };
        *self.process.borrow_mut() = launch(self.server, &self.bound, &place)?;
        self.wait_until_ready()?;
        Ok(true)
    }
}

fn launch(server: Server, bound: &Bound, place: &Place<'_>) -> Result<Running> {
    let mut command = (server.command)(place)?;
    bound.hold(&mut command)?;
    Running::start(command, &place.folder.join("output"))
}
