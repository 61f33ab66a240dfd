//! What serves on this host, with a probe in each file in which secrets of theirs pass.
//!
//! A probe belongs to a file, and is hit by whoever executes that; so no file gets two, and a program that starts again needs
//! none. A look asks /proc what has changed: which sockets listen, which processes are new, and what those that serve have mapped.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    fs::File,
    io::{self, Read as _},
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use rollcall_hooks::{Library, NotFound, find};
use serde::{Deserialize, Serialize};

use super::{
    Probe, Probes,
    secrets::ProcessHits,
    serving::{self, FileId, Mapped},
};

/// The largest file that is looked into: for a moment it is in memory, of which the package's unit grants 384 MiB. Programs with all
/// they need in one file have up to 200 MB.
const FILE_MAX: u64 = 224 << 20;
/// For how long files are looked into at one look: whoever may run programs could start any number of them, made to take long.
const TIME_A_LOOK: Duration = Duration::from_secs(10);
/// Most files with a probe.
const PROBED_MAX: usize = 256;
/// Most files that are remembered: each takes some 100 bytes.
const FILES_MAX: usize = 16_384;
/// Looks after which all processes are looked at anew, whatever has changed.
const ALL_EVERY: u32 = 30;
/// Looks at what a process has mapped in a row once it serves: programs load libraries when they first need them. Then at
/// every [`MAPPED_EVERY`]th.
const MAPPED_AT_FIRST: u32 = 10;
const MAPPED_EVERY: u32 = 5;
/// Looks for which a probe stays that nobody who serves has mapped: programs start again.
const UNUSED: u32 = 10;
/// Hits of a process from one look to the next, a second later, that are too many: a handshake takes up to five.
const HITS_MAX: u64 = 20_000;
/// The same of hits that are no secrets: the probe is on something else.
const REFUSED_MAX: u64 = 1_000;

/// What is seen of a program's TLS, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum How {
    /// By a probe on this library's function.
    Probe(Library),
    /// It has none that is known.
    None,
    /// It has one, whose function was not found.
    Uncertain,
    /// The probe was refused, or the file can't be read.
    Failed,
    /// Somebody debugs it.
    Debugged,
    /// The probe was hit too often, and was taken off.
    TooOften,
}

impl How {
    /// All of them by the names that metrics have.
    pub const ALL: [(How, &str); 8] = [
        (How::Probe(Library::OpenSsl), "openssl"),
        (How::Probe(Library::GnuTls), "gnutls"),
        (How::Probe(Library::Go), "go"),
        (How::None, "none"),
        (How::Uncertain, "uncertain"),
        (How::Failed, "failed"),
        (How::Debugged, "debugged"),
        (How::TooOften, "too_often"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        How::ALL.iter().find(|(how, _)| *how == self).map_or("", |(_, name)| name)
    }
}

/// What is seen of a program that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Its name.
    pub program: String,
    pub how: How,
    /// The file that decides it.
    pub path: String,
    /// What went wrong.
    pub error: Option<String>,
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sight { program, how, path, error } = self;
        match how {
            How::Probe(library) => {
                write!(f, "{program}: by {} of {} in {path}", library.function(), library.name())?
            }
            How::None => write!(f, "{program}: no TLS library that is known")?,
            How::Uncertain => {
                write!(f, "{program}: not seen, the function that secrets pass was not found in {path}")?
            }
            How::Failed => write!(f, "{program}: not seen, no probe can be put into {path}")?,
            How::Debugged => write!(f, "{program}: not seen as long as somebody debugs it")?,
            How::TooOften => {
                write!(f, "{program}: not seen, the probe in {path} was hit too often and taken off")?
            }
        }
        error.iter().try_for_each(|error| write!(f, ": {error}"))
    }
}

/// A file that somebody who serves has mapped.
struct Known {
    path: String,
    how: How,
    error: Option<String>,
    probes: Vec<Probe>,
    /// The last look at which it was mapped.
    used: u32,
}

/// A process that serves.
struct Server {
    name: String,
    files: Vec<FileId>,
    looks: u32,
    is_traced: bool,
}

/// Serving programs and the probes in them.
pub struct Watch {
    probes: Probes,
    hits: ProcessHits,
    files: HashMap<FileId, Known>,
    processes: HashSet<u32>,
    sockets: HashSet<u64>,
    servers: HashMap<u32, Server>,
    /// What each process had hit at the last look.
    hit: HashMap<u32, [u64; 2]>,
    looks: u32,
    unreadable: usize,
    /// The process that made this, which serves metrics.
    own: u32,
}

impl Watch {
    pub(crate) fn new(probes: Probes, hits: ProcessHits) -> Watch {
        Watch {
            probes,
            hits,
            files: HashMap::new(),
            processes: HashSet::new(),
            sockets: HashSet::new(),
            servers: HashMap::new(),
            hit: HashMap::new(),
            looks: 0,
            unreadable: 0,
            own: std::process::id(),
        }
    }

    /// Looks at what serves now, puts probes where there are none yet, and takes off those that nobody needs. To be called once a
    /// second.
    pub fn look(&mut self) -> io::Result<()> {
        self.looks = self.looks.wrapping_add(1);
        self.find_servers()?;
        self.find_files();
        self.take_off_what_is_hit_too_often();
        self.forget_unused();
        Ok(())
    }

    /// Processes of which the last look could not tell whether they serve.
    pub fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// What is seen of each program that serves, in the order of their names.
    pub fn sights(&self) -> Vec<Sight> {
        let mut sights: Vec<Sight> = Vec::new();
        for server in self.servers.values() {
            let sight = self.sight(server);
            if !sights.contains(&sight) {
                sights.push(sight);
            }
        }
        sights.sort_by(|one, other| (&one.program, &one.path).cmp(&(&other.program, &other.path)));
        sights
    }

    fn sight(&self, server: &Server) -> Sight {
        let rank = |how| match how {
            How::Probe(_) => 0,
            How::TooOften => 1,
            How::Failed => 2,
            How::Debugged | How::Uncertain => 3,
            How::None => 4,
        };
        let files = server.files.iter().filter_map(|id| self.files.get(id));
        let best = files.min_by_key(|known| rank(known.how));
        let (how, path, error) = match best {
            Some(known) if known.how != How::None => (known.how, known.path.clone(), known.error.clone()),
            _ if server.is_traced => (How::Debugged, String::new(), None),
            _ => (How::None, String::new(), None),
        };
        Sight { program: server.name.clone(), how, path, error }
    }

    fn find_servers(&mut self) -> io::Result<()> {
        let processes = serving::processes()?;
        let sockets = serving::listening(&processes);
        self.servers.retain(|process, _| processes.contains(process));
        let all = sockets != self.sockets || self.looks.is_multiple_of(ALL_EVERY);
        if all {
            self.unreadable = 0;
        }
        for &process in &processes {
            let is_known = self.processes.contains(&process);
            if process == self.own || is_known && !all {
                continue;
            }
            match serving::serves(process, &sockets) {
                Ok(true) => {
                    self.servers.entry(process).or_insert_with(|| Server {
                        name: serving::name(process),
                        files: Vec::new(),
                        looks: 0,
                        is_traced: false,
                    });
                }
                Ok(false) => drop(self.servers.remove(&process)),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.unreadable += 1,
                // It has ended.
                Err(_) => {}
            }
        }
        (self.processes, self.sockets) = (processes, sockets);
        Ok(())
    }

    fn find_files(&mut self) {
        let Watch { probes, files, servers, looks, .. } = self;
        let begun = Instant::now();
        for (&process, server) in servers {
            server.looks += 1;
            if server.looks > MAPPED_AT_FIRST && !server.looks.is_multiple_of(MAPPED_EVERY) {
                server.files.iter().for_each(|id| _ = files.get_mut(id).map(|known| known.used = *looks));
                continue;
            }
            // Left alone, and looked at again: breakpoints and probes are both written into a program's instructions.
            server.is_traced = serving::is_traced(process);
            server.name = serving::name(process);
            if server.is_traced {
                continue;
            }
            let Ok(mapped) = serving::mapped(process) else { continue };
            for file in &mapped {
                if let Some(known) = files.get_mut(&file.id) {
                    known.used = *looks;
                } else if begun.elapsed() <= TIME_A_LOOK && files.len() < FILES_MAX {
                    let probed = files.values().filter(|known| !known.probes.is_empty()).count();
                    let known = examine(probes, process, file, probed, *looks);
                    files.insert(file.id.clone(), known);
                }
            }
            server.files = mapped.into_iter().map(|file| file.id).collect();
        }
    }

    fn take_off_what_is_hit_too_often(&mut self) {
        let mut now = HashMap::new();
        for (process, hits) in self.hits.read() {
            now.insert(process, hits);
            let before = self.hit.get(&process).copied().unwrap_or_default();
            let [all, refused] = [0, 1].map(|index| hits[index].saturating_sub(before[index]));
            if all <= HITS_MAX && refused <= REFUSED_MAX {
                continue;
            }
            let mapped =
                serving::mapped(process).map(|files| files.into_iter().map(|file| file.id).collect());
            let files: Option<Vec<_>> = match (mapped, self.servers.get(&process)) {
                (Ok(files), _) => Some(files),
                (Err(_), Some(server)) => Some(server.files.clone()),
                // Rather see nothing than slow down who knows what.
                (Err(_), None) => None,
            };
            for (id, known) in &mut self.files {
                if !known.probes.is_empty() && files.as_ref().is_none_or(|files| files.contains(id)) {
                    known.probes.clear();
                    known.how = How::TooOften;
                    known.error =
                        Some(format!("{all} times in a second, {refused} of them without a secret"));
                }
            }
        }
        self.hit = now;
    }

    /// An inode may be another file's by the time that it is seen again, so what is gone is not remembered.
    fn forget_unused(&mut self) {
        let looks = self.looks;
        self.files.retain(|_, known| looks.wrapping_sub(known.used) <= UNUSED || known.how == How::TooOften);
    }
}

/// Looks into a file, and puts probes into it where secrets pass.
fn examine(probes: &Probes, process: u32, file: &Mapped, probed: usize, looks: u32) -> Known {
    let known = |how, error, probes| Known { path: file.path.clone(), how, error, probes, used: looks };
    let failed = |error: io::Error| known(How::Failed, Some(error.to_string()), Vec::new());
    let (opened, bytes) = match read(process, file) {
        Ok(read) => read,
        Err(error) => return failed(error),
    };
    let hooks = match find(&bytes) {
        Ok(hooks) => hooks,
        Err(NotFound::Uncertain) => return known(How::Uncertain, None, Vec::new()),
        Err(_) => return known(How::None, None, Vec::new()),
    };
    if probed >= PROBED_MAX {
        return failed(io::Error::other("there are too many probes already"));
    }
    let attached: Result<Vec<_>, _> = hooks.iter().map(|hook| probes.attach(opened.as_fd(), hook)).collect();
    match (attached, hooks.first()) {
        (Ok(attached), Some(hook)) => known(How::Probe(hook.library), None, attached),
        (Ok(_), None) => known(How::None, None, Vec::new()),
        (Err(error), _) => failed(error),
    }
}

/// A file and its content. It isn't mapped: whoever owns it may cut it short meanwhile.
fn read(process: u32, file: &Mapped) -> io::Result<(File, Vec<u8>)> {
    let mut opened = file.open(process)?;
    let length = opened.metadata()?.len();
    if length > FILE_MAX {
        return Err(io::Error::other("it is too large to look into"));
    }
    let mut bytes = Vec::with_capacity(length as usize + 1);
    (&mut opened).take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok((opened, bytes))
}
