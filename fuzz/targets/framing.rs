//! Conversations in a grammar of what servers read differently: conflicting framing, requests in the place of bodies, heads and
//! bodies without their end, cut anywhere. Checked as in `served`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rollcall_fuzz::{conversation, play, seeds};

fuzz_target!(init: seeds::offer::<[u8; 8]>(&[[0; 8], [1; 8], [77; 8]], &[]), |data: &[u8]| {
    play::check(&conversation::from(data));
});
