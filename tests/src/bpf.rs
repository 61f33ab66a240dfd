//! What the kernel says of loaded and attached eBPF programs, by bpf(2) itself.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;

/// Commands of bpf(2), from linux/bpf.h.
const PROG_GET_NEXT_ID: i32 = 11;
const PROG_GET_FD_BY_ID: i32 = 13;
const OBJ_GET_INFO_BY_FD: i32 = 15;
const PROG_QUERY: i32 = 16;
/// `BPF_CGROUP_INET_INGRESS` and `BPF_CGROUP_INET_EGRESS`.
const HOOKS: [u32; 2] = [0, 1];
/// More programs than this on one hook the kernel does not take.
const MOST_ATTACHED: usize = 64;

/// A loaded program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub id: u32,
    /// At most 15 characters.
    pub name: String,
}

/// The part of `struct bpf_prog_info` up to its name.
#[repr(C)]
#[derive(Default)]
struct Info {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    lengths: [u32; 2],
    instructions: [u64; 2],
    load_time: u64,
    user: u32,
    map_count: u32,
    maps: u64,
    name: [u8; 16],
}

/// All programs of the host.
pub fn programs() -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    let mut id = 0_u32;
    loop {
        // start_id, next_id, open_flags
        let mut attributes = [id, 0, 0];
        match bpf(PROG_GET_NEXT_ID, &mut attributes) {
            Err(Errno::ENOENT) => return Ok(programs),
            other => other.context("list the eBPF programs")?,
        };
        id = attributes[1];
        // A program may be gone between the two calls.
        programs.extend(program(id)?);
    }
}

/// The programs whose names begin with `rollcall_`.
pub fn ours() -> Result<Vec<Program>> {
    Ok(programs()?.into_iter().filter(|program| program.name.starts_with("rollcall_")).collect())
}

/// The ids of the programs that a process holds, by its open descriptors of programs and links.
pub fn held_by(pid: u32) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).context("list a process's descriptors")? {
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let id = text.lines().find_map(|line| line.strip_prefix("prog_id:"));
        ids.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// What the programs that a process holds have taken of the kernel's time while that was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    pub count: u64,
    /// Of all runs together.
    pub time: Duration,
}

/// The runs of the programs that a process holds.
pub fn runs_of(pid: u32) -> Result<Runs> {
    let mut runs = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).context("list a process's descriptors")? {
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let field = |name: &str| -> Option<u64> {
            text.lines().find_map(|line| line.strip_prefix(name)).and_then(|value| value.trim().parse().ok())
        };
        // Descriptors of links tell a program's id too, but not its runs.
        let (id, count, time) = (field("prog_id:"), field("run_cnt:"), field("run_time_ns:"));
        if let (Some(id), Some(count), Some(time)) = (id, count, time) {
            runs.insert(id, (count, time));
        }
    }
    ensure!(!runs.is_empty(), "process {pid} holds no program");
    let (count, time) = runs.values().fold((0, 0), |(count, time), of| (count + of.0, time + of.1));
    Ok(Runs { count, time: Duration::from_nanos(time) })
}

/// The ids of the programs attached to the cgroup root, ingress and egress.
pub fn attached() -> Result<[Vec<u32>; 2]> {
    let root = File::open(cgroup_root()?).context("open the cgroup v2 root")?;
    let mut found = [Vec::new(), Vec::new()];
    for (hook, ids) in HOOKS.into_iter().zip(&mut found) {
        /// The query part of `union bpf_attr`.
        #[repr(C)]
        struct Query {
            target: u32,
            hook: u32,
            flags: u32,
            attach_flags: u32,
            ids: u64,
            count: u32,
            reserved: u32,
        }
        let mut space = [0_u32; MOST_ATTACHED];
        let mut query = Query {
            target: u32::try_from(root.as_raw_fd())?,
            hook,
            flags: 0,
            attach_flags: 0,
            ids: space.as_mut_ptr() as u64,
            count: MOST_ATTACHED as u32,
            reserved: 0,
        };
        bpf(PROG_QUERY, &mut query).context("query the programs of the cgroup root")?;
        ids.extend(&space[..query.count as usize]);
    }
    Ok(found)
}

/// Where cgroup v2 is mounted.
pub fn cgroup_root() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("read /proc/self/mounts")?;
    let mount = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|fields| fields.get(2) == Some(&"cgroup2"));
    let mount = mount.and_then(|fields| fields.get(1).map(PathBuf::from));
    mount.context("cgroup v2 is not mounted")
}

fn program(id: u32) -> Result<Option<Program>> {
    let mut attributes = [id, 0, 0];
    let fd = match bpf(PROG_GET_FD_BY_ID, &mut attributes) {
        Err(Errno::ENOENT) => return Ok(None),
        other => other.context("open an eBPF program")?,
    };
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    let program = unsafe { OwnedFd::from_raw_fd(fd) };
    /// The info part of `union bpf_attr`.
    #[repr(C)]
    struct Ask {
        fd: u32,
        length: u32,
        info: u64,
    }
    let mut info = Info::default();
    let mut ask = Ask {
        fd: u32::try_from(program.as_raw_fd())?,
        length: size_of::<Info>() as u32,
        info: (&raw mut info) as u64,
    };
    bpf(OBJ_GET_INFO_BY_FD, &mut ask).context("ask for an eBPF program's name")?;
    let name = info.name.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Some(Program { id, name: String::from_utf8_lossy(name).into_owned() }))
}

fn bpf<T>(command: i32, attributes: &mut T) -> Result<i32, Errno> {
    // SAFETY: the attributes are a prefix of `union bpf_attr`, live for the call, and their size is told; what
    // they point to is live too.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    Errno::result(result).map(|value| value as i32)
}
