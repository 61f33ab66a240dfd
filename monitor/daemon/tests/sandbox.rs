//! What a confined process can still do, and what it can't. The one test here confines the program that runs it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    net::{TcpListener, TcpStream, ToSocketAddrs},
    os::unix::net::UnixDatagram,
    process::Command,
    ptr::null_mut,
    thread,
};

use rollcall_daemon::sandbox;

/// A system call that the filter refuses.
fn assert_refused(what: &str, outcome: io::Result<()>) {
    let error = outcome.expect_err(what);
    assert_eq!(error.raw_os_error(), Some(libc::ENOSYS), "{what}: {error}");
}

/// Makes a system call with arguments that do no harm should it be let through.
fn call(number: libc::c_long, arguments: [libc::c_long; 3]) -> io::Result<()> {
    let [first, second, third] = arguments;
    // SAFETY: no argument is a pointer to anything.
    match unsafe { libc::syscall(number, first, second, third, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn map(protection: libc::c_int) -> io::Result<()> {
    // SAFETY: a new mapping of one page, which nothing refers to.
    let page =
        unsafe { libc::mmap(null_mut(), 4096, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if page == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[test]
fn a_confined_process_serves_and_writes_and_no_more() {
    let scratch = tempfile::tempdir().unwrap();
    let (early, early_waits) = std::sync::mpsc::channel::<()>();
    // Started before, as a writer of logs is: it must be confined like those that come later.
    let before = thread::spawn(move || {
        early_waits.recv().unwrap();
        Command::new("true").status().map(drop)
    });
    sandbox::seal().unwrap();
    sandbox::give_up_capabilities().unwrap();
    assert!(sandbox::filter_calls().unwrap() > 100);

    early.send(()).unwrap();
    assert_refused("a program started by an older thread", before.join().unwrap());
    assert_refused("a program", Command::new("true").status().map(drop));
    assert_refused("a process", call(libc::SYS_clone, [libc::SIGCHLD.into(), 0, 0]));
    assert_refused("a process, the new way", call(libc::SYS_clone3, [0, 0, 0]));
    assert_refused("a user namespace", call(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0]));
    assert_refused("tracing", call(libc::SYS_ptrace, [libc::PTRACE_TRACEME.into(), 0, 0]));
    assert_refused("a mount", call(libc::SYS_mount, [0, 0, 0]));
    assert_refused("a BPF program", call(libc::SYS_bpf, [5, 0, 0]));
    assert_refused("a BPF map", call(libc::SYS_bpf, [0, 0, 0]));
    assert_refused("a key", call(libc::SYS_keyctl, [0, 0, 0]));
    assert_refused("another user", call(libc::SYS_setuid, [0, 0, 0]));
    assert_refused("io_uring", call(libc::SYS_io_uring_setup, [1, 0, 0]));
    assert_refused(
        "a raw socket",
        call(libc::SYS_socket, [libc::AF_PACKET.into(), libc::SOCK_RAW.into(), 0]),
    );
    assert_refused("a signal to others", call(libc::SYS_tgkill, [1, 1, 0]));
    assert_refused("memory to execute", map(libc::PROT_READ | libc::PROT_EXEC));
    map(libc::PROT_READ | libc::PROT_WRITE).unwrap();

    // Threads, files with all that their replacing takes, sockets and names work as ever.
    assert_eq!(thread::spawn(|| 1).join().unwrap(), 1);
    let (draft, file) = (scratch.path().join("draft"), scratch.path().join("file"));
    fs::write(&draft, "line\n").unwrap();
    OpenOptions::new().append(true).open(&draft).unwrap().sync_all().unwrap();
    fs::rename(&draft, &file).unwrap();
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = thread::spawn(move || TcpStream::connect(address).unwrap().write_all(b"hello").unwrap());
    let mut received = String::new();
    listener.accept().unwrap().0.read_to_string(&mut received).unwrap();
    client.join().unwrap();
    assert_eq!(received, "hello");
    assert!(("localhost", 80).to_socket_addrs().unwrap().count() > 0);
    UnixDatagram::unbound().unwrap();
    assert!(fs::read_to_string("/proc/self/status").unwrap().contains("\nSeccomp:\t2\n"));
}
