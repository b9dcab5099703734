"""Processes: started on one core, watched through /proc, ended by pid."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

# The kernel's clock id of a process's CPU time is made of its pid: see clock_getcpuclockid(3). It counts in
# nanoseconds, threads that ended included, where /proc/PID/stat counts in ticks of 10 ms.
CPUCLOCK_SCHED = 2
TICK = 1 / os.sysconf("SC_CLK_TCK")

# After SIGTERM; caudal drains for 2 s.
GRACE = 8.0


def spawn(argv: list[str], core: int, out: Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Starts a program on one core.

    Its output is appended to `out`, so that a log can be truncated under it, and its errors beside it. It is detached
    from the terminal: Ctrl-C reaches this bench alone, which then ends what it started, in order.
    """
    with out.open("ab") as output, errors_of(out).open("ab") as errors:
        return subprocess.Popen(
            ["taskset", "-c", str(core), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )


def errors_of(out: Path) -> Path:
    """Where `spawn` puts the errors of what writes to `out`."""
    return out.with_name(f"{out.name}.errors")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and its children. Returns within about `GRACE`."""
    family = tree(process.pid)
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in family[1:]:
        _kill_leftover(pid)


def _kill_leftover(pid: int) -> None:
    """Children end with their parent; one that does not would disturb what comes next."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def tree(root: int) -> list[int]:
    """A process and all below it."""
    pids = [root]
    for pid in pids:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                pids += [int(child) for child in children.read_text().split()]
            except OSError:
                continue  # a thread that ended meanwhile
    return pids


def cpu_seconds(root: int) -> float:
    """CPU time, user and system, of a process and all below it, those that ended included."""
    total = 0.0
    for pid in tree(root):
        try:
            total += time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED) + _of_ended_children(pid)
        except OSError:
            continue  # it ended meanwhile, and counts with its parent from now on
    return total


def _of_ended_children(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text()
    fields = stat[stat.rindex(")") + 2 :].split()
    user, system = fields[13:15]  # cutime and cstime
    return (int(user) + int(system)) * TICK


def anonymous_files(root: int) -> list[Path]:
    """The memfds that a process and all below it have open, each once, as paths to look at."""
    found: dict[str, Path] = {}
    for pid in tree(root):
        for fd in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                if os.readlink(fd).startswith("/memfd:"):
                    found.setdefault(str(fd.stat().st_ino), fd)
            except OSError:
                continue  # closed meanwhile
    return list(found.values())


def resident(root: int, files: list[Path]) -> int:
    """Bytes of memory that a process and all below it hold now.

    Those of its `anonymous_files` that it wrote and never mapped are no part of what the kernel calls resident; they
    are memory all the same, and counted.
    """
    written = sum(_allocated(file) for file in files)
    return _sum_of(root, "VmRSS:") + max(0, written - _sum_of(root, "RssShmem:") if written else 0)


def _allocated(file: Path) -> int:
    try:
        return file.stat().st_blocks * 512
    except OSError:
        return 0


def peak_rss(root: int) -> int:
    """The most bytes that were resident at once in each process since `reset_peak`, summed."""
    return _sum_of(root, "VmHWM:")


def reset_peak(root: int) -> None:
    """Makes `peak_rss` begin anew."""
    for pid in tree(root):
        try:
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        except OSError:
            continue  # not ours to write: the peak is that of the whole life then


def _sum_of(root: int, field: str) -> int:
    total = 0
    for pid in tree(root):
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
    return total


def core_seconds(core: int) -> float:
    """Seconds that a core has been busy, whoever with."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields[:8])
            return (user + nice + system + irq + softirq + steal) * TICK
    raise SystemExit(f"this machine has no core {core}: name two that it has with --cores")
