//! The machine's file system: a cpio archive of the kind `newc`, as in the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// What goes in.
pub(super) struct Contents<'a> {
    pub(super) busybox: &'a Path,
    pub(super) rollcall: &'a Path,
    /// Test programs, in the order in which they run.
    pub(super) tests: &'a [PathBuf],
    pub(super) modules: &'a [PathBuf],
    /// Parts of test names, none for all tests.
    pub(super) filters: &'a [String],
}

/// Begins the line that [`INIT`] ends with; the exit status of the tests follows.
pub(super) const RESULT: &str = "rollcall-vm: the tests ended with status ";

/// The whole of user space. The kernel's log is printed only when tests fail.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp TMPDIR=/tmp RUST_BACKTRACE=1 ROLLCALL_BIN=/rollcall ROLLCALL_VM=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
for module in /modules/*.ko; do insmod "$module"; done
ip link set lo up
status=0
for tests in /tests/*; do "$tests" --nocapture --test-threads=1 FILTERS || status=$?; done
[ $status = 0 ] || dmesg | tail -n 200
echo "RESULT$status"
poweroff -f
"#;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CONSOLE: u32 = 0o020_600;

pub(super) fn write(contents: &Contents<'_>, path: &Path) -> Result<()> {
    let Contents { busybox, rollcall, tests, modules, filters } = contents;
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    let mut archive = Newc { out: BufWriter::new(file), entries: 0 };
    let mut write = || -> Result<()> {
        for name in ["bin", "dev", "modules", "proc", "run", "sys", "tests", "tmp", "var"] {
            archive.entry(name, DIRECTORY, 0, &[])?;
        }
        // Character device 5:1, which init's output goes to before anything is mounted.
        archive.entry("dev/console", CONSOLE, 1, &[])?;
        let init = INIT.replace("FILTERS", &filters.join(" ")).replace("RESULT", RESULT);
        archive.entry("init", PROGRAM, 0, init.as_bytes())?;
        archive.entry("bin/busybox", PROGRAM, 0, &read(busybox)?)?;
        archive.entry("rollcall", PROGRAM, 0, &read(rollcall)?)?;
        for (number, program) in tests.iter().enumerate() {
            archive.entry(&format!("tests/{number}"), PROGRAM, 0, &read(program)?)?;
        }
        for module in *modules {
            let name = module.file_name().unwrap_or_default().to_string_lossy();
            archive.entry(&format!("modules/{name}"), PROGRAM, 0, &read(module)?)?;
        }
        archive.finish()?;
        Ok(())
    };
    write().with_context(|| format!("write {}", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

struct Newc<W> {
    out: W,
    entries: u32,
}

impl<W: Write> Newc<W> {
    /// `minor` is that of a console device, whose major number is 5; 0 for everything else.
    fn entry(&mut self, name: &str, mode: u32, minor: u32, content: &[u8]) -> io::Result<()> {
        self.entries += 1;
        let too_large = |_| io::Error::new(io::ErrorKind::FileTooLarge, name.to_owned());
        let size = u32::try_from(content.len()).map_err(too_large)?;
        let name_size = u32::try_from(name.len() + 1).map_err(too_large)?;
        let major = if minor == 0 { 0 } else { 5 };
        // inode, mode, owner, group, links, time, size, device, device of a node, size of the name, checksum
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0];
        write!(self.out, "070701")?;
        for field in fields {
            write!(self.out, "{field:08x}")?;
        }
        write!(self.out, "{name}\0")?;
        self.pad(110 + name.len() + 1)?;
        self.out.write_all(content)?;
        self.pad(content.len())
    }

    fn pad(&mut self, written: usize) -> io::Result<()> {
        self.out.write_all(&[0; 3][..written.next_multiple_of(4) - written])
    }

    fn finish(&mut self) -> io::Result<()> {
        self.entry("TRAILER!!!", 0, 0, &[])?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_and_the_archive_ends() {
        let mut archive = Newc { out: Vec::new(), entries: 0 };
        archive.entry("init", PROGRAM, 0, b"hello").unwrap();
        archive.finish().unwrap();
        let bytes = archive.out;
        assert!(bytes.starts_with(b"07070100000001000081ed"));
        assert_eq!(&bytes[110..115], b"init\0");
        assert_eq!(&bytes[116..121], b"hello");
        assert_eq!(&bytes[124..130], b"070701");
        assert!(bytes.len().is_multiple_of(4));
    }
}
