//! Loading and attaching the programs.

use std::{fs::File, io, path::PathBuf, sync::Arc};

use aya::{
    Ebpf, EbpfError, EbpfLoader, VerifierLogLevel,
    maps::{Array, HashMap, Map, MapData, PerCpuArray, RingBuf},
    programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, ProgramError, cgroup_skb::CgroupSkbLink},
    util::{KernelVersion, nr_cpus},
};
use aya_log::EbpfLogger;
use monitor_ebpf::control::Control;

use super::{
    Capture, Error, Runs, Statistics,
    advice::Advice,
    batches::Batches,
    capture::Maps,
    cgroup,
    mapped::Mapped,
    probes::{self, Probes, ProcessHits, SecretHits, Secrets, Watch},
    runs,
};

/// The oldest kernel that has all that the programs use, as (major, minor); the newest of those things is the
/// ring buffer, of 5.8.
pub const MINIMUM_KERNEL: (u8, u8) = (5, 10);

/// Since then, reading and writing the elements of a map takes no more than its descriptor, even where unprivileged users
/// may not use bpf(2) (kernel commit c8644cd0efe7).
const MAPS_BY_DESCRIPTOR: KernelVersion = KernelVersion::new(5, 19, 0);

/// The programs by name, with the hook of each.
const PROGRAMS: [(&str, CgroupSkbAttachType); 2] =
    [("rollcall_in", CgroupSkbAttachType::Ingress), ("rollcall_out", CgroupSkbAttachType::Egress)];

/// The least that a ring can have.
const PAGE: u32 = 1 << 12;

/// `cargo xtask bpf` makes it.
#[cfg(target_endian = "little")]
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../monitor-ebpf/object/bpfel-unknown-none.o");
#[cfg(target_endian = "big")]
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../monitor-ebpf/object/bpfeb-unknown-none.o");

/// What the operator can choose of the capture.
#[derive(Clone, Debug)]
pub struct Options {
    /// Server ports to watch; all when empty.
    pub ports: Vec<u16>,
    /// Bytes of the ring, a power of two of at least a page.
    pub ring_size: u32,
    /// Share of request targets to capture, in (0, 1].
    pub sampling: f64,
    /// The secret of the sampling hash.
    pub sampling_key: u64,
    /// The cgroup to watch; the root of cgroup v2 when `None`.
    pub cgroup: Option<PathBuf>,
    /// Take the secrets of TLS connections where programs pass them. These connections are captured as others are, then, until
    /// advice says otherwise.
    pub tls: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ports: Vec::new(),
            ring_size: 8 << 20,
            sampling: 1.0,
            sampling_key: 0,
            cgroup: None,
            tls: false,
        }
    }
}

/// What was loaded.
pub struct Loaded {
    pub programs: Programs,
    pub capture: Capture,
    /// What puts probes into programs that serve, where [that is asked for](Options::tls); or why that can't be, which is no
    /// reason to do without the rest.
    pub watch: Option<Result<Watch, Error>>,
}

/// The programs, loaded and ready to be attached. They must outlive their [`Attachment`].
pub struct Programs {
    ebpf: Ebpf,
    cgroup: File,
    cgroup_name: String,
}

/// The programs at work: from when it is made until it is dropped, they see the traffic.
pub struct Attachment {
    #[expect(dead_code, reason = "kept for its Drop, which detaches")]
    links: Vec<CgroupSkbLink>,
}

/// Fails if this kernel is too old, and finds out what it can do, which it is asked once: [`load`] goes by the answers.
pub fn probe() -> Result<(), Error> {
    require_kernel()?;
    aya::features();
    Ok(())
}

/// Loads the programs into the kernel, which [`probe`] has looked at.
pub fn load(options: &Options) -> Result<Loaded, Error> {
    let cpus = nr_cpus().map_err(|(_, source)| Error::Io { what: "read the number of CPUs", source })?;
    let (cgroup, cgroup_name) = cgroup::open(options.cgroup.as_deref())?;
    let (port_filter, wake_at) = (u32::from(!options.ports.is_empty()), options.ring_size / 4);
    let mut ebpf = EbpfLoader::new()
        .verifier_log_level(VerifierLogLevel::STATS)
        .override_global("PORT_FILTER", &port_filter, true)
        .override_global("WAKE_AT", &wake_at, true)
        .override_global("SAMPLING_KEY", &options.sampling_key, true)
        .map_max_entries("RING", options.ring_size)
        .map_max_entries("BATCHES", cpus as u32)
        .map_max_entries("SECRETS", if options.tls { probes::RING_SIZE } else { PAGE })
        .load(OBJECT)?;
    for (name, _) in PROGRAMS {
        let program = program(&mut ebpf, name)?;
        uninterrupted(|| program.load()).map_err(|error| rejected(name, error))?;
    }
    set_ports(&mut ebpf, &options.ports)?;
    let control = Mapped::<Control>::new(array(&mut ebpf, "CONTROL")?.fd(), 1).map_err(mapping)?;
    let batches = Mapped::new(array(&mut ebpf, "BATCHES")?.fd(), cpus).map_err(mapping)?;
    let logger = EbpfLogger::init(&mut ebpf).map_err(|error| Error::Load { source: error.into() })?;
    let probes = options.tls.then(|| Probes::load(&ebpf, OBJECT));
    let process_hits = ProcessHits { processes: HashMap::try_from(take(&mut ebpf, "PROCESS_HITS")?)? };
    let watch = probes.map(|probes| probes.map(|probes| Watch::new(probes, process_hits)));
    let reads_tls = u32::from(matches!(watch, Some(Ok(_))));
    // SAFETY: the only element; the programs only read these fields.
    unsafe {
        (&raw mut (*control.pointer(0)).sampling).write_volatile(rate(options.sampling));
        (&raw mut (*control.pointer(0)).reads_tls).write_volatile(reads_tls);
    }
    let capture = Capture::new(Maps {
        secrets: Secrets { ring: RingBuf::try_from(take(&mut ebpf, "SECRETS")?)? },
        secret_hits: Arc::new(SecretHits { hits: Array::try_from(take(&mut ebpf, "SECRET_HITS")?)? }),
        ring: RingBuf::try_from(take(&mut ebpf, "RING")?)?,
        batches: Batches::new(batches),
        control,
        advice: Advice(HashMap::try_from(take(&mut ebpf, "ADVICE")?)?),
        statistics: Arc::new(Statistics::new(PerCpuArray::try_from(take(&mut ebpf, "COUNTERS")?)?)),
        logger,
    })?;
    Ok(Loaded { programs: Programs { ebpf, cgroup, cgroup_name }, capture, watch })
}

impl Programs {
    /// Attaches the programs. Others on the same cgroup stay as they are.
    pub fn attach(&mut self) -> Result<Attachment, Error> {
        let mut links = Vec::new();
        for (name, hook) in PROGRAMS {
            let Self { ebpf, cgroup, cgroup_name } = self;
            let program = program(ebpf, name)?;
            // Links on one cgroup coexist; the flag that asks for it is refused by kernels that have links.
            let link = program
                .attach(&*cgroup, hook, CgroupAttachMode::Single)
                .and_then(|id| program.take_link(id))
                .map_err(|source| Error::Attach { program: name, cgroup: cgroup_name.clone(), source })?;
            links.push(link);
        }
        Ok(Attachment { links })
    }

    /// What the kernel has counted of each program's runs, ingress first, while a [`Measuring`](super::Measuring)
    /// lived.
    pub fn runs(&mut self) -> Result<[Runs; 2], Error> {
        let [(ingress, _), (egress, _)] = PROGRAMS;
        Ok([runs::of(program(&mut self.ebpf, ingress)?)?, runs::of(program(&mut self.ebpf, egress)?)?])
    }

    /// The cgroup that is watched.
    pub fn cgroup(&self) -> &str {
        &self.cgroup_name
    }
}

/// Loads again what an interruption has kept from being loaded. The verifier gives up with EAGAIN once a signal waits
/// (kernel/bpf/verifier.c, `do_check`), and nothing else makes it say that. Blocking signals is not enough: a stop, a
/// debugger and a cgroup that is frozen interrupt it, too.
fn uninterrupted(mut load: impl FnMut() -> Result<(), ProgramError>) -> Result<(), ProgramError> {
    loop {
        match load() {
            Err(ProgramError::LoadError { io_error, .. }) if io_error.kind() == io::ErrorKind::WouldBlock => {
            }
            outcome => return outcome,
        }
    }
}

/// Whether whoever holds the maps' descriptors may use them without a capability.
pub fn maps_by_descriptor() -> bool {
    KernelVersion::current().is_ok_and(|version| version >= MAPS_BY_DESCRIPTOR)
}

fn require_kernel() -> Result<(), Error> {
    let oldest = KernelVersion::new(MINIMUM_KERNEL.0, MINIMUM_KERNEL.1, 0);
    match KernelVersion::current() {
        Ok(found) if found < oldest => Err(Error::KernelTooOld {
            found: nix::sys::utsname::uname()
                .map(|name| name.release().to_string_lossy().into_owned())
                .unwrap_or_default(),
        }),
        _ => Ok(()),
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut CgroupSkb, Error> {
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| Error::Object { lacks: format!("program {name}") })
}

fn take(ebpf: &mut Ebpf, name: &str) -> Result<Map, Error> {
    ebpf.take_map(name).ok_or_else(|| Error::Object { lacks: format!("map {name}") })
}

fn array(ebpf: &mut Ebpf, name: &str) -> Result<MapData, Error> {
    match take(ebpf, name)? {
        Map::Array(data) => Ok(data),
        _ => Err(Error::Object { lacks: format!("array {name}") }),
    }
}

fn set_ports(ebpf: &mut Ebpf, ports: &[u16]) -> Result<(), Error> {
    let mut words = Array::<_, u64>::try_from(take(ebpf, "PORTS")?)?;
    for port in ports {
        let index = u32::from(*port) / 64;
        let word = words.get(&index, 0).unwrap_or(0) | 1 << (port % 64);
        words.set(index, word, 0)?;
    }
    Ok(())
}

/// A share in (0, 1] in units of 2^-32, less one.
fn rate(share: f64) -> u32 {
    (share * 4_294_967_296.0 - 1.0).clamp(0.0, f64::from(u32::MAX)) as u32
}

fn mapping(error: nix::Error) -> Error {
    Error::Io { what: "map the programs' memory", source: error.into() }
}

fn rejected(program: &'static str, error: ProgramError) -> Error {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let is_root = nix::unistd::geteuid().is_root();
            Error::rejected(program, io_error, &verifier_log.to_string(), is_root)
        }
        error => EbpfError::from(error).into(),
    }
}
