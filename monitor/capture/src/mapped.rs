//! Array maps that are mapped into this process, and the reading of records as plain data.

use std::{num::NonZeroUsize, os::fd::AsFd, ptr::NonNull};

use monitor_ebpf::{
    control::Control,
    record::{Batch, Entry, SegmentHeader},
};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// Types whose every bit pattern is a value.
///
/// # Safety
///
/// Implemented for `#[repr(C)]` structs of integers and arrays of them.
pub(super) unsafe trait Plain: Copy {}

// SAFETY: structs of integers and byte arrays.
unsafe impl Plain for SegmentHeader {}
// SAFETY: as above.
unsafe impl Plain for Entry {}
// SAFETY: as above.
unsafe impl Plain for Batch {}
// SAFETY: as above.
unsafe impl Plain for Control {}

/// The value at the start of `bytes`, `None` if they are too few.
pub(super) fn read<T: Plain>(bytes: &[u8]) -> Option<T> {
    // SAFETY: enough bytes, any alignment, and every bit pattern is a value.
    (bytes.len() >= size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// An array map's elements, shared with the programs, which may write at any time.
pub(super) struct Mapped<T: Plain> {
    start: NonNull<T>,
    elements: usize,
    bytes: NonZeroUsize,
}

// SAFETY: shared memory; all access is by volatile reads and writes.
unsafe impl<T: Plain> Send for Mapped<T> {}

impl<T: Plain> Mapped<T> {
    /// Maps the array map `fd` of `elements` elements.
    pub(super) fn new(fd: impl AsFd, elements: usize) -> nix::Result<Self> {
        const { assert!(size_of::<T>().is_multiple_of(8), "the kernel pads elements to eight bytes") };
        let bytes = NonZeroUsize::new(size_of::<T>() * elements).ok_or(nix::Error::EINVAL)?;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe {
            mmap(None, bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, fd, 0)?
        };
        Ok(Self { start: start.cast(), elements, bytes })
    }

    pub(super) fn len(&self) -> usize {
        self.elements
    }

    /// Where element `index` is, for volatile access to its fields.
    pub(super) fn pointer(&self, index: usize) -> *mut T {
        assert!(index < self.elements, "element {index} of {}", self.elements);
        // SAFETY: within the mapping.
        unsafe { self.start.as_ptr().add(index) }
    }
}

impl<T: Plain> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`; failure would leave it mapped, no more.
        let _ = unsafe { munmap(self.start.cast(), self.bytes.get()) };
    }
}
