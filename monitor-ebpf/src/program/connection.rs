//! What is remembered of each connection, in the socket itself: it dies with the socket.
//!
//! A listening socket gets a value when a SYN arrives, and the kernel copies it to each socket that the
//! listener accepts. So a server's connections are known from the first byte, without a guess at roles.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{BPF_F_CLONE, BPF_F_NO_PREALLOC, BPF_SK_STORAGE_GET_F_CREATE, bpf_map_type, bpf_sock},
    helpers::generated::{bpf_get_socket_cookie, bpf_sk_fullsock, bpf_sk_storage_get, bpf_tcp_sock},
    macros::btf_map,
    programs::SkBuffContext,
};
use monitor_ebpf::outcome::Outcome;

/// A listening socket, or one just accepted from it.
pub const LISTENER: u8 = 1;
/// The end that answers, on a connection that may be HTTP/1.
pub const SERVER: u8 = 2;
/// The end that opened the connection.
pub const CLIENT: u8 = 3;
/// The first bytes are TLS. As with [`IGNORED`], for as long as nothing speaks against it.
pub const NOT_HTTP: u8 = 4;
/// The daemon has no interest, until the client's next packet begins a request or the server answers in HTTP/1.
pub const IGNORED: u8 = 5;

/// TCP_LISTEN of include/net/tcp_states.h.
pub const STATE_LISTEN: u32 = 10;

/// A connection's state. One byte a flag: requests and responses are seen on different CPUs at once, and a
/// store to one flag must not undo another.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Connection {
    /// One of the constants above.
    pub role: u8,
    /// Older than the programs.
    pub joined: u8,
    /// The daemon has been told of both ends.
    pub announced: u8,
    /// The server has sent payload since the client last did.
    pub responded: u8,
    /// The daemon lacks proof that TCP accepted the client's last payload.
    pub unconfirmed: u8,
    /// The daemon advises to capture response packets whole.
    pub whole: u8,
    /// Requests for which response packets are captured whole, up to `budget`, although the daemon has not said so: it may
    /// not have had the time to.
    pub suspicion: u8,
    /// `mark` is where a body ends that need not be captured.
    pub skipping: u8,
    /// The request being answered is left out by sampling.
    pub sampled_out: u8,
    pub reserved: [u8; 3],
    /// A sequence number of the request stream; see `skipping`.
    pub mark: u32,
    /// Request bytes captured since the server last sent payload.
    pub unanswered: u32,
    /// Response bytes since the client last sent payload.
    pub answered: u32,
    /// Request packets with payload.
    pub packets: u32,
    /// Response bytes that are captured whole on suspicion.
    pub budget: u32,
}

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

/// A full socket: neither a request nor a time-wait socket.
#[derive(Clone, Copy)]
pub struct Socket(*mut bpf_sock);

/// A packet longer than this may hold many requests: more than one Ethernet frame does.
pub const LONG: u32 = 1448;

/// Response bytes captured whole on suspicion…
const SUSPECT: u32 = 16 * 1024;
/// …and for each byte that was asked: short requests of 31 bytes are answered by servers' error pages of 720…
const SUSPECT_EACH: u32 = 32;
/// …but no more than this.
const SUSPECT_MAX: u32 = 512 * 1024;
/// The same where nobody saw what was asked.
const SUSPECT_JOINED: u32 = 128 * 1024;

impl Connection {
    /// So many bytes have been asked: what of the answers is captured whole on suspicion.
    #[inline(always)]
    pub fn suspect(&mut self, asked: u32) {
        let budget = SUSPECT.saturating_add(asked.saturating_mul(SUSPECT_EACH));
        self.budget = if budget > SUSPECT_MAX { SUSPECT_MAX } else { budget };
    }

    /// Whether what has been asked may be more than one request: it is longer than one Ethernet frame holds.
    #[inline(always)]
    pub fn asked_much(&self) -> bool {
        self.budget > SUSPECT + LONG * SUSPECT_EACH
    }

    /// Whether its packets are left alone for now. What a client sends settles nothing for good: see
    /// [`probe::begins_request`](monitor_ebpf::probe::begins_request) and [`probe::is_response`](monitor_ebpf::probe::is_response).
    #[inline(always)]
    pub fn left_alone(&self) -> Option<Outcome> {
        match self.role {
            NOT_HTTP => Some(Outcome::NotHttp),
            IGNORED => Some(Outcome::Ignored),
            _ => None,
        }
    }
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
            let full = bpf_sk_fullsock(sk);
            if full.is_null() { None } else { Some(Socket(full)) }
        }
    }

    /// TCP state.
    #[inline(always)]
    pub fn state(self) -> u32 {
        // SAFETY: a verified socket pointer.
        unsafe { (*self.0).state }
    }

    /// What is remembered of it.
    #[inline(always)]
    pub fn connection(self) -> Option<&'static mut Connection> {
        self.storage(core::ptr::null_mut(), 0)
    }

    /// Remembers it in this role. `None` if the kernel has no memory for it.
    #[inline(always)]
    pub fn remember(self, role: u8, joined: bool) -> Option<&'static mut Connection> {
        let mut initial = Connection {
            role,
            joined: u8::from(joined),
            announced: 0,
            responded: 0,
            unconfirmed: 0,
            whole: 0,
            suspicion: 1,
            skipping: 0,
            sampled_out: 0,
            reserved: [0; 3],
            mark: 0,
            unanswered: 0,
            answered: 0,
            packets: 0,
            budget: SUSPECT_JOINED,
        };
        self.storage(&raw mut initial, BPF_SK_STORAGE_GET_F_CREATE.into())
    }

    /// `rcv_nxt` and `snd_nxt`: what TCP has accepted so far, and the next byte it will send.
    #[inline(always)]
    pub fn positions(self) -> (u32, u32) {
        // SAFETY: a verified socket pointer; the result is checked.
        unsafe {
            let tcp = bpf_tcp_sock(self.0);
            if tcp.is_null() { (0, 0) } else { ((*tcp).rcv_nxt, (*tcp).snd_nxt) }
        }
    }

    /// Bytes that TCP has received.
    #[inline(always)]
    pub fn received(self) -> u32 {
        // SAFETY: a verified socket pointer; the result is checked.
        unsafe {
            let tcp = bpf_tcp_sock(self.0);
            if tcp.is_null() { 0 } else { (*tcp).bytes_received as u32 }
        }
    }

    #[inline(always)]
    fn storage(self, initial: *mut Connection, flags: u64) -> Option<&'static mut Connection> {
        // SAFETY: a verified socket pointer and this map's value type; the value lives as long as the socket,
        // which outlives the program's run.
        unsafe {
            bpf_sk_storage_get(
                (&raw const CONNECTIONS).cast_mut().cast(),
                self.0.cast(),
                initial.cast(),
                flags,
            )
            .cast::<Connection>()
            .as_mut()
        }
    }
}

/// The cookie of the packet's socket.
#[inline(always)]
pub fn cookie(ctx: &SkBuffContext) -> u64 {
    // SAFETY: the context is valid for the whole run.
    unsafe { bpf_get_socket_cookie(ctx.as_ptr()) }
}
