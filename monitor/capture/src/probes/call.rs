//! The commands of bpf(2) that it takes, and perf_event_open(2).

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use aya::util::KernelVersion;

use crate::Error;

/// Commands and kinds of include/uapi/linux/bpf.h.
const PROG_LOAD: libc::c_long = 5;
const LINK_CREATE: libc::c_long = 28;
const PROG_TYPE_KPROBE: u32 = 2;
/// `BPF_TRACE_UPROBE_MULTI`, also there.
pub(super) const UPROBE_MULTI: u32 = 48;

/// The part of `union bpf_attr` that loading a program reads.
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
}

/// The part of it that a link to places in a file reads.
#[repr(C)]
struct Link {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    path: u64,
    offsets: u64,
    counters: u64,
    cookies: u64,
    count: u32,
    link_flags: u32,
    process: u32,
    reserved: u32,
}

/// The first version of `struct perf_event_attr` (include/uapi/linux/perf_event.h) that says where in which file.
#[repr(C)]
#[derive(Default)]
struct Event {
    kind: u32,
    size: u32,
    config: u64,
    period: u64,
    sample: u64,
    read: u64,
    flags: u64,
    wakeup: u32,
    breakpoint: u32,
    path: u64,
    offset: u64,
}

/// What the verifier says of a program that it rejects.
const LOG: usize = 64 << 10;

/// Loads a program of `object` whose maps are known.
pub(super) fn load(object: &aya_obj::Object, name: &'static str, attach_type: u32) -> Result<OwnedFd, Error> {
    let lacks = || Error::Object { lacks: format!("program {name}") };
    let program = object.programs.get(name).ok_or_else(lacks)?;
    let function = object.functions.get(&program.function_key()).ok_or_else(lacks)?;
    let mut log = vec![0_u8; LOG];
    let mut named = [0; 16];
    named[..name.len().min(15)].copy_from_slice(&name.as_bytes()[..name.len().min(15)]);
    let mut attributes = Load {
        kind: PROG_TYPE_KPROBE,
        count: function.instructions.len() as u32,
        instructions: function.instructions.as_ptr() as u64,
        license: program.license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: KernelVersion::current().map_or(0, KernelVersion::code),
        flags: 0,
        name: named,
        interface: 0,
        attach_type,
    };
    loop {
        // SAFETY: all that the attributes point to lives, and the log is as long as they say.
        let error = match unsafe { bpf(PROG_LOAD, &attributes) } {
            Ok(program) => return Ok(program),
            Err(error) => error,
        };
        match error.kind() {
            // See `uninterrupted`.
            io::ErrorKind::WouldBlock => {}
            // Once more, for what the verifier says.
            _ if attributes.log_level == 0 => {
                attributes.log_level = 1;
                attributes.log_size = LOG as u32;
                attributes.log = log.as_mut_ptr() as u64;
            }
            _ => {
                let text = CStr::from_bytes_until_nul(&log).unwrap_or_default().to_string_lossy();
                return Err(Error::rejected(name, error, &text, nix::unistd::geteuid().is_root()));
            }
        }
    }
}

/// Attaches a program to a place in the file of this path, for all processes.
pub(super) fn link(program: BorrowedFd<'_>, path: &CStr, offset: u64) -> io::Result<OwnedFd> {
    let attributes = Link {
        program: program.as_raw_fd().cast_unsigned(),
        target: 0,
        attach_type: UPROBE_MULTI,
        flags: 0,
        path: path.as_ptr() as u64,
        offsets: (&raw const offset) as u64,
        counters: 0,
        cookies: 0,
        count: 1,
        link_flags: 0,
        process: 0,
        reserved: 0,
    };
    // SAFETY: path and offset live, and there is one of the latter.
    unsafe { bpf(LINK_CREATE, &attributes) }
}

/// The same by an event of perf's of this kind.
pub(super) fn event(kind: u32, program: BorrowedFd<'_>, path: &CStr, offset: u64) -> io::Result<OwnedFd> {
    /// `PERF_EVENT_IOC_SET_BPF` and `PERF_EVENT_IOC_ENABLE`.
    const SET_BPF: libc::Ioctl = 0x4004_2408;
    const ENABLE: libc::Ioctl = 0x2400;
    /// `PERF_FLAG_FD_CLOEXEC`
    const CLOSE_ON_EXEC: libc::c_ulong = 8;
    let event = Event {
        kind,
        size: size_of::<Event>() as u32,
        path: path.as_ptr() as u64,
        offset,
        ..Event::default()
    };
    // Of one CPU and any process, as the kernel wants it told: a program is run on all.
    let (process, cpu, group) = (-1_i32, 0_i32, -1_i32);
    // SAFETY: the path lives, and the event is as large as it says.
    let opened = unsafe {
        libc::syscall(libc::SYS_perf_event_open, &raw const event, process, cpu, group, CLOSE_ON_EXEC)
    };
    let event = owned(opened)?;
    // SAFETY: no pointers.
    let set = unsafe { libc::ioctl(event.as_raw_fd(), SET_BPF, program.as_raw_fd()) };
    if set != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    match unsafe { libc::ioctl(event.as_raw_fd(), ENABLE, 0) } {
        0 => Ok(event),
        _ => Err(io::Error::last_os_error()),
    }
}

/// # Safety
///
/// What the attributes point to lives, and is as large as they say.
unsafe fn bpf<T>(command: libc::c_long, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the attributes are a prefix of what the kernel takes, whose size is told; the rest is the caller's to see to.
    owned(unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>() as u32)
    })
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    match i32::try_from(result) {
        // SAFETY: a descriptor that the kernel has just opened for nobody else; it closes itself on exec, as these kinds do.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}
