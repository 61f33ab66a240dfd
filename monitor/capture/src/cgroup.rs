//! Finding the root of cgroup v2.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};

use super::Error;

/// Where cgroup v2 is mounted with its root, if it is.
fn mounted() -> Option<PathBuf> {
    cgroup2_root(&fs::read_to_string("/proc/self/mountinfo").ok()?)
}

/// Opens `path`, or the root of cgroup v2, mounted for this process alone where nobody else has mounted it.
pub(super) fn open(path: Option<&Path>) -> Result<(File, String), Error> {
    if let Some(path) = path.map(Path::to_path_buf).or_else(mounted) {
        let name = path.display().to_string();
        let file = File::open(&path).map_err(|source| Error::OpenCgroup { path: name.clone(), source })?;
        return Ok((file, name));
    }
    let file = mount_privately().map_err(|source| Error::NoCgroup2 { source })?;
    Ok((file, "the cgroup v2 root (mounted privately)".to_owned()))
}

/// Mounts cgroup v2 on a directory of its own in a mount namespace of this thread, and unmounts it again: the
/// open directory is enough. The host never sees it.
fn mount_privately() -> io::Result<File> {
    std::thread::spawn(|| {
        let directory = std::env::temp_dir().join(format!("rollcall-cgroup2-{}", std::process::id()));
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
        fs::create_dir(&directory)?;
        let file = mount(Some("none"), &directory, Some("cgroup2"), MsFlags::empty(), None::<&str>)
            .map_err(io::Error::from)
            .and_then(|()| File::open(&directory));
        let _ = umount2(&directory, MntFlags::MNT_DETACH);
        fs::remove_dir(&directory)?;
        file
    })
    .join()
    .unwrap_or_else(|_| Err(io::Error::other("the mounting thread failed")))
}

/// Where cgroup v2 is mounted with its root, by /proc/self/mountinfo: the mount point of the line whose file system is cgroup2 and whose root is the hierarchy's root
/// (proc_pid_mountinfo(5): fields 4 and 5, and the type after the lone hyphen).
pub fn cgroup2_root(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut fields = left.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        (right.starts_with("cgroup2 ") && root == "/").then(|| PathBuf::from(point.replace("\\040", " ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_hierarchy_at_any_mount_point() {
        let hybrid = "24 1 0:22 / /sys rw - sysfs sysfs rw\n\
            33 24 0:30 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n\
            42 24 0:39 / /sys/fs/cgroup/unified rw,relatime shared:10 - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup2_root(hybrid), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(cgroup2_root("24 1 0:22 / /sys rw - sysfs sysfs rw\n"), None);
    }

    #[test]
    fn a_container_that_sees_only_its_own_part_is_not_the_root() {
        let part = "42 24 0:39 /system.slice/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup2_root(part), None);
    }
}
