//! Which cgroup a connection belongs to: the server socket's, whoever calls.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process, thread,
};

use anyhow::{Context, Result, ensure};
use rollcall_capture::{self as capture, Consumer, Loaded, Options, Stop};
use rollcall_model::time::Timestamp;
use rollcall_stream::{ConnectionId, Direction, Directive, Segment};
use rollcall_tests::bpf;

const REQUEST: &[u8] = b"GET /v1/customers/1 HTTP/1.1\r\nHost: a\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// What was told of segments to which their ends were told: the client's port, and the cgroup.
#[derive(Default)]
struct Told(Vec<(u16, Direction, Option<u64>)>);

impl Consumer for Told {
    fn segment(&mut self, segment: &Segment<'_>) {
        match &segment.endpoints {
            Some(ends) => self.0.push((ends.client.port(), segment.direction, segment.cgroup)),
            None => assert_eq!(segment.cgroup, None),
        }
    }

    fn settle(&mut self, _: Timestamp) {}

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }

    fn directives(&mut self) -> impl Iterator<Item = (ConnectionId, Directive)> {
        std::iter::empty()
    }

    fn captured(&mut self, _: u64, _: u64) {}
}

/// A cgroup of its own, gone when dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(root: &Path) -> Result<Cgroup> {
        let path = root.join(format!("rollcall-test-{}", process::id()));
        fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Cgroup(path))
    }

    /// A server whose socket is made in it; this process moves in for that, and out again.
    fn listen(&self, root: &Path) -> Result<TcpListener> {
        let of_this_process = fs::read_to_string("/proc/self/cgroup")?;
        let home = of_this_process.lines().find_map(|line| line.strip_prefix("0::/"));
        let home = root.join(home.context("this process is in no cgroup v2")?);
        enter(&self.0)?;
        let listener = TcpListener::bind("127.0.0.1:0");
        enter(&home)?;
        Ok(listener?)
    }
}

fn enter(cgroup: &Path) -> Result<()> {
    fs::write(cgroup.join("cgroup.procs"), process::id().to_string())
        .with_context(|| format!("move to {}", cgroup.display()))
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // What another test may have started in it meanwhile keeps it.
        let _ = fs::remove_dir(&self.0);
    }
}

fn exchange(client: &mut TcpStream, server: &mut TcpStream) -> Result<()> {
    let mut space = [0; 256];
    client.write_all(REQUEST)?;
    ensure!(server.read(&mut space)? == REQUEST.len(), "a part of a request");
    server.write_all(RESPONSE)?;
    ensure!(client.read(&mut space)? == RESPONSE.len(), "a part of an answer");
    Ok(())
}

#[test]
fn segments_name_the_cgroup_of_the_server_s_socket() -> Result<()> {
    let root = bpf::cgroup_root()?;
    let cgroup = Cgroup::new(&root)?;
    let id = fs::metadata(&cgroup.0)?.ino();
    let (inside, outside) = (cgroup.listen(&root)?, TcpListener::bind("127.0.0.1:0")?);
    let connect = |listener: &TcpListener| -> Result<(TcpStream, TcpStream)> {
        let client = TcpStream::connect(listener.local_addr()?)?;
        Ok((client, listener.accept()?.0))
    };
    let mut older = connect(&inside)?;

    let ports = vec![inside.local_addr()?.port(), outside.local_addr()?.port()];
    let Loaded { mut programs, mut capture, .. } = capture::load(&Options { ports, ..Options::default() })?;
    let attachment = programs.attach()?;
    let (mut newer, mut other) = (connect(&inside)?, connect(&outside)?);
    for (client, server) in [&mut older, &mut newer, &mut other] {
        exchange(client, server)?;
        exchange(client, server)?;
    }
    drop(attachment);
    let (stop, mut told) = (Stop::new()?, Told::default());
    stop.stop();
    let told = thread::spawn(move || {
        capture.run(&mut told, &stop)?;
        capture.drain(&mut told);
        anyhow::Ok(told.0)
    });
    let told = told.join().expect("the capture panicked")?;

    for ((client, _), expected) in [(&older, true), (&newer, true), (&other, false)] {
        let port = client.local_addr()?.port();
        let of_it: Vec<_> = told.iter().filter(|(client, ..)| *client == port).collect();
        let requests = of_it.iter().filter(|(_, direction, _)| *direction == Direction::Request).count();
        ensure!(requests >= 2, "{requests} requests of port {port} were told: {told:?}");
        for (_, direction, cgroup) in of_it {
            ensure!(cgroup.is_some(), "{direction:?} of port {port} names none");
            ensure!((*cgroup == Some(id)) == expected, "{direction:?} of port {port}: {cgroup:?}, not {id}");
        }
    }
    Ok(())
}
