//! In steady state detection allocates nothing, whatever comes: ordinary clients, floods of new ones, walks.
//!
//! By itself in its file, for the allocator that counts is that of the whole program.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    net::IpAddr,
    sync::Arc,
};

use rollcall_attribute::{
    client::{Clients, Credential, CredentialKind},
    object::Objects,
    observation::{Observation, Outcome},
    route::Read,
};
use rollcall_detect::{Budget, Detector, DetectorSettings, Policy};
use rollcall_model::{hash::HashKey, time::Timestamp};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all work is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn detection_in_steady_state_allocates_nothing() {
    let settings =
        DetectorSettings { policy: Policy::default(), budget: Budget::default(), bytes_limit: 256 << 20 };
    let key = HashKey::new([1; 16]);
    let mut detector = Detector::new(settings, key);
    let route: Arc<str> = "GET /v1/customers/{id}".into();
    let mut findings = Vec::with_capacity(1_000);
    let mut observe = |n: u64, client: u64, credential: u64, object: u64, status| {
        let credential =
            Credential { kind: CredentialKind::Bearer, hash: key.identity(1, &credential.to_be_bytes()) };
        let clients = Clients::new(IpAddr::from((client as u32).to_be_bytes()), &[credential]);
        let objects: Objects = [object.to_string().as_str()].into_iter().collect();
        let at = Timestamp(1_700_000_000_000_000_000 + n * 1_000_000);
        let mut observation = Observation::new(at, clients, Arc::clone(&route), objects);
        observation.outcome =
            Outcome { status: Some(status), has_data: true, read: Read::Data, response_bytes: 5_000 };
        let before = ALLOCATIONS.with(Cell::get);
        detector.observe(&observation, &mut findings);
        detector.answered(&observation, &mut findings);
        ALLOCATIONS.with(Cell::get) - before
    };
    let mut allocations = 0;
    for n in 0..240_000_u64 {
        let random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let fresh = [
            observe(n, 1_000 + random % 5_000, random % 5_000, random % 5_000, 200),
            observe(n, 100_000 + n, 100_000 + n, n % 100, 200),
            observe(n, 1, 1, random, 200),
            observe(n, 2, 2, 1_000_000 + n, 200),
            observe(n, 3, 3, random, 404),
        ];
        if n >= 120_000 {
            allocations += fresh.iter().sum::<u64>();
        }
    }
    drop(findings);
    // What is left is told when it happens: findings that grow, and lists that are thinned.
    assert!(allocations < 100, "{allocations} allocations in 600,000 observations");
}
