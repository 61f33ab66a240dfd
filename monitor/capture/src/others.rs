//! Programs that others have attached where ours go.

use std::{fs::File, io, os::fd::AsRawFd, path::Path};

use aya::programs::loaded_programs;

/// `BPF_PROG_QUERY`, and the hooks, of include/uapi/linux/bpf.h.
const PROG_QUERY: libc::c_long = 16;
const HOOKS: [u32; 2] = [0, 1];

/// More programs than any host has on one hook: the kernel allows 64.
const MOST: usize = 64;

/// The part of `union bpf_attr` that the query reads and writes.
#[repr(C)]
struct Query {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    reserved: u32,
    /// Fields of later kernels, zero.
    rest: [u64; 4],
}

/// The names of the programs on the ingress and egress hooks of `cgroup`; a number for those without a name.
pub fn attached(cgroup: &Path) -> io::Result<Vec<String>> {
    let directory = File::open(cgroup)?;
    let mut names = Vec::new();
    for attach_type in HOOKS {
        let mut ids = [0u32; MOST];
        let mut query = Query {
            target: directory.as_raw_fd().cast_unsigned(),
            attach_type,
            query_flags: 0,
            attach_flags: 0,
            ids: ids.as_mut_ptr() as u64,
            count: MOST as u32,
            reserved: 0,
            rest: [0; 4],
        };
        // SAFETY: the kernel writes at most `count` ids to `ids` and reads no more than the size given.
        let result =
            unsafe { libc::syscall(libc::SYS_bpf, PROG_QUERY, &raw mut query, size_of::<Query>() as u32) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        names.extend(ids.iter().take(query.count as usize).map(|&id| name(id)));
    }
    Ok(names)
}

fn name(id: u32) -> String {
    loaded_programs()
        .filter_map(Result::ok)
        .find(|program| program.id() == id)
        .and_then(|program| program.name_as_str().filter(|name| !name.is_empty()).map(str::to_owned))
        .unwrap_or_else(|| format!("program {id}"))
}
