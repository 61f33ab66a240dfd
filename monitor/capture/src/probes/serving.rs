//! Which processes serve, and what they have mapped: what /proc says, whatever network and mount namespaces they live in.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

/// The state of a listening socket in /proc/net/tcp (include/net/tcp_states.h).
const LISTEN: &str = "0A";

/// The processes of this host, by number.
pub fn processes() -> io::Result<HashSet<u32>> {
    let names = fs::read_dir("/proc")?.filter_map(Result::ok).map(|entry| entry.file_name());
    Ok(names.filter_map(|name| name.to_str()?.parse().ok()).collect())
}

/// The listening TCP sockets of the network namespaces of `processes`.
pub fn listening(processes: &HashSet<u32>) -> HashSet<u64> {
    let mut namespaces = HashSet::new();
    let mut sockets = HashSet::new();
    for process in processes {
        let Ok(namespace) = fs::read_link(format!("/proc/{process}/ns/net")) else { continue };
        if !namespaces.insert(namespace) {
            continue;
        }
        for table in ["tcp", "tcp6"] {
            let Ok(file) = File::open(format!("/proc/{process}/net/{table}")) else { continue };
            // They come first, and of the others there may be a lot.
            let lines = BufReader::new(file).lines().skip(1).map_while(Result::ok);
            sockets.extend(lines.map_while(|line| listener(&line)));
        }
    }
    sockets
}

/// The inode of the socket of a line, if it listens.
fn listener(line: &str) -> Option<u64> {
    let mut fields = line.split_ascii_whitespace();
    (fields.nth(3)? == LISTEN).then_some(())?;
    fields.nth(5)?.parse().ok()
}

/// Whether a process has one of these sockets open.
pub fn serves(process: u32, sockets: &HashSet<u64>) -> io::Result<bool> {
    let mut entries = fs::read_dir(format!("/proc/{process}/fd"))?.filter_map(Result::ok);
    Ok(entries.any(|entry| {
        fs::read_link(entry.path()).ok().is_some_and(|target| {
            let socket = target.to_str().and_then(|name| name.strip_prefix("socket:[")?.strip_suffix(']'));
            socket.and_then(|inode| inode.parse().ok()).is_some_and(|inode| sockets.contains(&inode))
        })
    }))
}

/// A file that a process has mapped to execute it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    pub id: FileId,
    /// The addresses of one such mapping, as its name below `map_files` has them.
    range: String,
    /// Where the process has it, in its own mount namespace.
    pub path: String,
}

/// What a file is told by: its device as /proc/PID/maps has it, and its inode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileId(String, u64);

/// The files that a process has mapped to execute them, its program among them.
pub fn mapped(process: u32) -> io::Result<Vec<Mapped>> {
    let text = fs::read(format!("/proc/{process}/maps"))?;
    let mut files = HashMap::new();
    for line in String::from_utf8_lossy(&text).lines() {
        if let Some(file) = executable(line) {
            files.entry(file.id.clone()).or_insert(file);
        }
    }
    Ok(files.into_values().collect())
}

/// The file of a line of /proc/PID/maps (proc_pid_maps(5)), if it is mapped to be executed.
fn executable(line: &str) -> Option<Mapped> {
    let mut fields = line.splitn(6, ' ');
    let (range, permissions) = (fields.next()?, fields.next()?);
    let (_, device, inode) = (fields.next()?, fields.next()?, fields.next()?);
    let path = fields.next()?.trim_start();
    (permissions.contains('x') && path.starts_with('/')).then(|| {
        let inode = inode.parse().ok().filter(|&inode| inode != 0)?;
        let id = FileId(device.to_owned(), inode);
        Some(Mapped { id, range: range.to_owned(), path: path.to_owned() })
    })?
}

impl Mapped {
    /// Opens the very file that `process` has mapped, which may have been deleted since.
    pub fn open(&self, process: u32) -> io::Result<File> {
        let by_range = open(Path::new(&format!("/proc/{process}/map_files/{}", self.range)));
        by_range.or_else(|error| match open(Path::new(&format!("/proc/{process}/root{}", self.path))) {
            Ok(file) if file.metadata()?.ino() == self.id.1 => Ok(file),
            _ => Err(error),
        })
    }
}

/// Opens a regular file. What a path leads to is up to whoever owns its directories: anything may stand there.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// The name of a process's program, as the kernel has it.
pub fn name(process: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    name.trim_end().chars().filter(|c| !c.is_control()).collect()
}

/// Whether somebody debugs a process.
pub fn is_traced(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_told_by_their_state() {
        let listens = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31337 1 \
            0000000000000000 100 0 0 10 0";
        assert_eq!(listener(listens), Some(31_337));
        assert_eq!(listener(&listens.replace(" 0A ", " 01 ")), None);
        assert_eq!(listener(""), None);
        assert_eq!(listener("0: 1 2 0A"), None);
    }

    #[test]
    fn mapped_files_are_those_that_are_executed() {
        let line = "7f1c0a000000-7f1c0a05d000 r-xp 00020000 fd:01 131076                     /usr/lib/x y/libssl.so.3 (deleted)";
        let file = executable(line).unwrap();
        assert_eq!(file.id, FileId("fd:01".to_owned(), 131_076));
        assert_eq!(file.range, "7f1c0a000000-7f1c0a05d000");
        assert_eq!(file.path, "/usr/lib/x y/libssl.so.3 (deleted)");
        for other in [
            line.replace("r-xp", "r--p"),
            line.replace("131076", "0"),
            "7ffd3b7fe000-7ffd3b800000 r-xp 00000000 00:00 0                          [vdso]".to_owned(),
            "7ffd3b7fe000-7ffd3b800000 r-xp 00000000 00:00 0".to_owned(),
            String::new(),
        ] {
            assert_eq!(executable(&other), None, "{other}");
        }
    }

    #[test]
    fn this_process_serves_once_it_listens() {
        let this = std::process::id();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let all = processes().unwrap();
        assert!(all.contains(&this));
        let sockets = listening(&all);
        assert!(serves(this, &sockets).unwrap());
        let program = fs::read_link("/proc/self/exe").unwrap();
        let files = mapped(this).unwrap();
        let own = files.iter().find(|file| Path::new(&file.path) == program).unwrap();
        let inode = own.open(this).unwrap().metadata().unwrap().ino();
        assert_eq!(inode, fs::metadata(program).unwrap().ino());
        drop(socket);
    }
}
