//! The filter of system calls.

use std::{collections::BTreeMap, env::consts::ARCH, io, process};

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is,
    SeccompCondition, SeccompFilter, SeccompRule, sock_filter,
};

use super::{
    Error,
    calls::{ALLOWED, OLD},
};

/// What a call that isn't allowed returns: see the module above.
const REFUSAL: u32 = libc::ENOSYS.cast_unsigned();

/// Commands of bpf(2) that read and write the elements of maps, from include/uapi/linux/bpf.h.
const ELEMENT_COMMANDS: [u64; 4] = [1, 2, 3, 4];

/// Kinds of sockets: netlink is how libc learns which addresses this host has when it looks up a name.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Lets this process make no other calls from now on than those on the list; how many these are.
pub fn filter_calls() -> Result<usize, Error> {
    let rules = rules()?;
    let count = rules.len();
    let refuse = SeccompAction::Errno(REFUSAL);
    let program = compile(rules, refuse.clone(), SeccompAction::Allow)?;
    let quiet = compile(Rules::from([(libc::SYS_clone3, Vec::new())]), SeccompAction::Allow, refuse)?;
    install(&quiet, 0)?;
    // The kernel logs what this one refuses, which takes a flag that `seccompiler` doesn't set.
    install(&program, libc::SECCOMP_FILTER_FLAG_LOG)?;
    Ok(count)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn rules() -> Result<Rules, BackendError> {
    let mut rules: Rules = ALLOWED.iter().chain(OLD).map(|&call| (call, Vec::new())).collect();
    // Threads, but no processes. The arguments of clone3 are out of a filter's sight: it is refused by a filter of its own,
    // and libc then does with clone. It tries each time the daemon starts, which is nothing to log.
    rules.insert(libc::SYS_clone3, Vec::new());
    let thread = (libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND) as u64;
    rules.insert(libc::SYS_clone, vec![rule(0, Is::MaskedEq(thread), thread)?]);
    // Memory is not made executable.
    let executable = libc::PROT_EXEC as u64;
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![rule(2, Is::MaskedEq(executable), 0)?]);
    }
    let families = FAMILIES.map(|family| rule(0, Is::Eq, family as u64));
    rules.insert(libc::SYS_socket, families.into_iter().collect::<Result<_, _>>()?);
    // EngineCounters and advice; nothing is loaded or attached.
    let commands = ELEMENT_COMMANDS.map(|command| rule(0, Is::Eq, command));
    rules.insert(libc::SYS_bpf, commands.into_iter().collect::<Result<_, _>>()?);
    // Limits are read, not set.
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![pointer_is_null(2)?])?]);
    // A panic that aborts signals this very process.
    rules.insert(libc::SYS_tgkill, vec![rule(0, Is::Eq, u64::from(process::id()))?]);
    rules.insert(libc::SYS_prctl, vec![rule(0, Is::Eq, libc::PR_SET_NAME as u64)?]);
    Ok(rules)
}

/// A condition on the lower half of an argument: all that these calls look at.
fn rule(argument: u8, is: Is, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, Length::Dword, is, value)?])
}

fn pointer_is_null(argument: u8) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, Length::Qword, Is::Eq, 0)
}

/// A filter that does `otherwise` with calls that none of `rules` is for.
fn compile(
    rules: Rules,
    otherwise: SeccompAction,
    with_rule: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, with_rule, ARCH.try_into()?)?.try_into()
}

/// As `struct sock_fprog` of include/uapi/linux/filter.h.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const sock_filter,
}

/// Installs a filter on every thread, with `flags`.
fn install(program: &[sock_filter], flags: libc::c_ulong) -> Result<(), Error> {
    let flags = flags | libc::SECCOMP_FILTER_FLAG_TSYNC;
    // A filter of this many calls is some hundred instructions long, and the kernel refuses more than 4,096.
    let program = Program { length: program.len() as u16, instructions: program.as_ptr() };
    // SAFETY: the kernel copies the program, and keeps no pointer to it.
    let result: c_long =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    match result {
        0 => Ok(()),
        // The thread that could not be brought in line.
        thread if thread > 0 => Err(Error::Thread { thread }),
        _ => Err(Error::Install { source: io::Error::last_os_error() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_fits_on_every_architecture_that_it_is_meant_for() {
        for architecture in ["x86_64", "aarch64"] {
            let target = architecture.try_into().unwrap();
            let (refuse, allow) = (SeccompAction::Errno(REFUSAL), SeccompAction::Allow);
            let filter = SeccompFilter::new(rules().unwrap(), refuse, allow, target).unwrap();
            let program: BpfProgram = filter.try_into().unwrap();
            assert!(program.len() < 1_000, "{} instructions", program.len());
        }
    }

    #[test]
    fn what_no_daemon_needs_is_not_on_the_list() {
        let rules = rules().unwrap();
        for call in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_keyctl,
            libc::SYS_kexec_load,
            libc::SYS_init_module,
            libc::SYS_io_uring_setup,
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_kill,
            libc::SYS_setuid,
            libc::SYS_capset,
        ] {
            assert!(!rules.contains_key(&call), "call {call}");
        }
    }
}
