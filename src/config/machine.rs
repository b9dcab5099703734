//! The memory there is: what the cgroup allows, else what the machine has. A container's share of a large machine is
//! what it must live in, or the kernel ends it.

use std::path::{Path, PathBuf};

/// Bytes this process may use at most; `None` where the system does not say.
pub(super) fn memory() -> Option<u64> {
    memory_under(Path::new("/"))
}

fn memory_under(root: &Path) -> Option<u64> {
    let read = |path: PathBuf| std::fs::read_to_string(path).ok();
    let groups = read(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().flat_map(|line| limit_files(root, line));
    // "max" is no number, and an unlimited cgroup of version 1 allows more than there is.
    let limits = limits.filter_map(|file| read(file)?.trim().parse::<u64>().ok());
    let machine = read(root.join("proc/meminfo")).and_then(|text| total(&text));
    limits.chain(machine).min()
}

/// The files that may hold a limit, of a cgroup and of all it is in: `0::/a/b` in version 2, `4:memory:/a/b` in version 1.
/// A container sees its own group as the root.
fn limit_files(root: &Path, line: &str) -> Vec<PathBuf> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else {
        return vec![];
    };
    let (mount, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        controllers if controllers.split(',').any(|name| name == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return vec![],
    };
    let group = Path::new(group.trim_start_matches('/'));
    let within = group.ancestors();
    within
        .map(|group| root.join(mount).join(group).join(file))
        .collect()
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:       16384000 kB\nMemFree: 1 kB\n",
    );

    fn memory_of(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        memory_under(root.path())
    }

    #[test]
    fn the_tightest_limit_counts() {
        let machine = Some(16_384_000 << 10);
        assert_eq!(memory_of(&[]), None);
        assert_eq!(memory_of(&[MACHINE]), machine);
        let group = ("proc/self/cgroup", "0::/pods/a\n");
        assert_eq!(
            memory_of(&[MACHINE, group, ("sys/fs/cgroup/pods/a/memory.max", "max\n")]),
            machine
        );
        let own = ("sys/fs/cgroup/pods/a/memory.max", "2147483648\n");
        assert_eq!(memory_of(&[MACHINE, group, own]), Some(2 << 30));
        let outer = ("sys/fs/cgroup/pods/memory.max", "1073741824\n");
        assert_eq!(memory_of(&[MACHINE, group, own, outer]), Some(1 << 30));
        // In a container the group's own path is not there, and its limit stands at the root.
        let root = ("sys/fs/cgroup/memory.max", "536870912\n");
        assert_eq!(
            memory_of(&[MACHINE, ("proc/self/cgroup", "0::/\n"), root]),
            Some(512 << 20)
        );
    }

    #[test]
    fn version_1_has_files_of_its_own() {
        let group = (
            "proc/self/cgroup",
            "9:name=systemd:/\n4:cpu,memory:/a\n0::/\n",
        );
        let own = (
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "1073741824\n",
        );
        let none = (
            "sys/fs/cgroup/memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
        assert_eq!(memory_of(&[MACHINE, group, own, none]), Some(1 << 30));
        assert_eq!(memory_of(&[MACHINE, group, none]), Some(16_384_000 << 10));
    }
}
