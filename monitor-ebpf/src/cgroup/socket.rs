//! A packet's socket, and what is remembered of it in the socket itself.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{BPF_F_CLONE, BPF_F_NO_PREALLOC, BPF_SK_STORAGE_GET_F_CREATE, bpf_map_type, bpf_sock},
    helpers::generated::{
        bpf_get_socket_cookie, bpf_sk_cgroup_id, bpf_sk_fullsock, bpf_sk_storage_get, bpf_tcp_sock,
    },
    macros::btf_map,
    programs::SkBuffContext,
};
use monitor_ebpf::connection::{self, Connection};

/// TCP_LISTEN of include/net/tcp_states.h.
const STATE_LISTEN: u32 = 10;

/// Defined here as aya's own has neither BPF_F_CLONE nor a lookup by socket.
#[repr(C)]
struct SkStorage {
    r#type: *const [i32; bpf_map_type::BPF_MAP_TYPE_SK_STORAGE as usize],
    key: *const i32,
    value: *const Connection,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; (BPF_F_NO_PREALLOC | BPF_F_CLONE) as usize],
}

// SAFETY: a definition that the loader reads; never dereferenced.
unsafe impl Sync for SkStorage {}

#[btf_map]
static CONNECTIONS: SkStorage = SkStorage {
    r#type: core::ptr::null(),
    key: core::ptr::null(),
    value: core::ptr::null(),
    max_entries: core::ptr::null(),
    map_flags: core::ptr::null(),
};

/// A full socket, of the packet in the context.
pub struct Socket {
    context: *mut c_void,
    socket: *mut bpf_sock,
}

impl Socket {
    /// The packet's socket.
    #[inline(always)]
    pub fn of(ctx: &SkBuffContext) -> Option<Socket> {
        // SAFETY: `sk` is a pointer that the verifier tracks, null-checked before each use.
        unsafe {
            let sk = (*ctx.skb.skb).__bindgen_anon_2.sk;
            if sk.is_null() {
                return None;
            }
            let socket = bpf_sk_fullsock(sk);
            if socket.is_null() { None } else { Some(Socket { context: ctx.as_ptr(), socket }) }
        }
    }

    #[inline(always)]
    fn storage(&self, initial: *mut Connection, flags: u64) -> Option<&'static mut Connection> {
        // SAFETY: a verified socket pointer and this map's value type; the value lives as long as the socket,
        // which outlives the program's run.
        unsafe {
            bpf_sk_storage_get(
                (&raw const CONNECTIONS).cast_mut().cast(),
                self.socket.cast(),
                initial.cast(),
                flags,
            )
            .cast::<Connection>()
            .as_mut()
        }
    }
}

impl connection::Socket<'static> for Socket {
    #[inline(always)]
    fn cookie(&self) -> u64 {
        // SAFETY: the context is valid for the whole run.
        unsafe { bpf_get_socket_cookie(self.context) }
    }

    #[inline(always)]
    fn cgroup(&self) -> u64 {
        // SAFETY: a verified socket pointer. This hook may ask since Linux 5.8.
        unsafe { bpf_sk_cgroup_id(self.socket.cast()) }
    }

    #[inline(always)]
    fn is_listening(&self) -> bool {
        // SAFETY: a verified socket pointer.
        unsafe { (*self.socket).state == STATE_LISTEN }
    }

    #[inline(always)]
    fn connection(&self) -> Option<&'static mut Connection> {
        self.storage(core::ptr::null_mut(), 0)
    }

    #[inline(always)]
    fn remember(&self, mut connection: Connection) -> Option<&'static mut Connection> {
        self.storage(&raw mut connection, BPF_SK_STORAGE_GET_F_CREATE.into())
    }

    #[inline(always)]
    fn positions(&self) -> (u32, u32) {
        // SAFETY: a verified socket pointer; the result is checked.
        unsafe {
            let tcp = bpf_tcp_sock(self.socket);
            if tcp.is_null() { (0, 0) } else { ((*tcp).rcv_nxt, (*tcp).snd_nxt) }
        }
    }

    #[inline(always)]
    fn received(&self) -> u32 {
        // SAFETY: a verified socket pointer; the result is checked.
        unsafe {
            let tcp = bpf_tcp_sock(self.socket);
            if tcp.is_null() { 0 } else { (*tcp).bytes_received as u32 }
        }
    }
}
