//! How host names are looked up.
//!
//! glibc loads a module for each source that `/etc/nsswitch.conf` names. In a static program these modules meet the libc
//! that they were built with besides the one that is linked in, and bring the process down where the two differ. Files and
//! DNS are linked in: a static program asks these alone.

/// To be called before the first name is looked up.
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
pub(super) fn without_modules() {
    unsafe extern "C" {
        /// Of <nss.h>: takes the place of a line of `/etc/nsswitch.conf`.
        fn __nss_configure_lookup(
            database: *const std::ffi::c_char,
            services: *const std::ffi::c_char,
        ) -> std::ffi::c_int;
    }
    // SAFETY: both are strings with an end, which glibc only reads.
    let result = unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
    debug_assert_eq!(result, 0, "glibc knows these services");
}

#[cfg(not(all(target_env = "gnu", target_feature = "crt-static")))]
pub(super) fn without_modules() {}
