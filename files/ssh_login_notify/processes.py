# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about processes from /proc (proc(5)). Reading never fails: a process that is gone reads as empty."""

import os

from .capture import start_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Tuple

    from .exits import Exits

# No more of a file is read.
LARGEST_BYTES = 1 << 16
# Marks the last argument if more follow. No argument contains this byte.
CUT = b"\0"
CHILDREN = "children"
KEPT = ("stat", "cmdline", CHILDREN)
# Two figures in /proc/PID/stat, counted from the first behind the name: the size of the memory, 0 once the process has
# exited, and where its code begins. That is 1 for everybody who may not trace the process (proc(5), startcode).
MEMORY, CODE = 20, 23
# A line of /proc/self/limits. With a lower limit, the kernel kills a process that runs longer under SCHED_FIFO.
UNLIMITED = b"\nMax realtime timeout      unlimited "
# How many descriptors are kept open. On most systems a process may have 1024. Further files are opened for each look.
MOST_KEPT = 400


class Processes:
    """The processes that one /proc shows."""

    def __init__(self, root: str = "/proc", exits: "Optional[Exits]" = None, keeping: "Tuple[str, ...]" = KEPT) -> None:
        """Keep no file open yet.

        exits: the kernel's records of ended processes, if it gives any
        keeping: which files of a process to keep open; fewer files leave room for more processes
        """
        self.root = root
        self._exits = exits
        self._keeping = keeping
        self._kept: Dict[Tuple[int, str], int] = {}

    def keep(self, pid: int) -> None:
        """Keep the files of a process open if it is read often: reading alone takes a third of the time.

        The files stay bound to this process. Once it is gone they read as empty, even if its pid is reused.
        """
        for what in self._keeping:
            if len(self._kept) < MOST_KEPT and (pid, what) not in self._kept:
                try:
                    self._kept[pid, what] = os.open(self._path(pid, what), os.O_RDONLY | os.O_CLOEXEC)
                except OSError:
                    pass  # it is gone, or this kernel lacks the file

    def let_go(self, pid: int) -> None:
        """Close the files of a process that were kept open, if any."""
        for what in self._keeping:
            descriptor = self._kept.pop((pid, what), -1)
            if descriptor >= 0:
                os.close(descriptor)

    def start(self, pid: int) -> "Optional[int]":
        """Return the start time in clock ticks after boot, None if gone. Pid and start time identify a process."""
        return start_time(self._read(pid, "stat"))

    def parent(self, pid: int) -> int:
        """Return the parent's pid, 0 if the process is gone."""
        fields = self._read(pid, "stat").rpartition(b")")[2].split()
        return int(fields[1]) if len(fields) > 1 else 0

    def status(self, pid: int) -> bytes:
        """Return the line of /proc/PID/stat, which does not change while the process sleeps. Empty once it is gone."""
        return self._read(pid, "stat")

    def reaped_faults(self, pid: int) -> "Optional[int]":
        """Return the page faults of all children that the process has reaped (proc(5), cminflt), None if it is gone.

        Every program causes page faults. So the number grows with each child, however short its life.
        """
        fields = self._read(pid, "stat").rpartition(b")")[2].split()
        return int(fields[8]) if len(fields) > 8 else None

    def name(self, pid: int) -> bytes:
        """Return the name of the process (proc(5), comm), at most 15 bytes. It outlives the exit."""
        return self._read(pid, "comm").rstrip(b"\n")

    def arguments(self, pid: int) -> "List[bytes]":
        """Return the arguments, or the title that setproctitle(3) wrote in their place; none once it has exited.

        The last one ends with CUT if there are more: arguments that were not read must not count as absent.
        """
        text = self._read(pid, "cmdline")
        is_cut = len(text) >= LARGEST_BYTES
        arguments = text.rstrip(b"\0").split(b"\0")
        if is_cut:
            arguments[-1] += CUT
        return arguments if arguments != [b""] else []

    def title_room(self, pid: int) -> int:
        """Return the bytes that setproctitle(3) may write to (proc(5), stat: arg_start, env_end); 0 if unknown.

        The kernel shows it only to processes that may trace this one.
        """
        fields = self._read(pid, "stat").rpartition(b")")[2].split()
        return int(fields[48]) - int(fields[45]) if len(fields) > 48 else 0

    def real_user(self, pid: int) -> "Optional[int]":
        """Return the real user id of a process (proc(5), status), None if it is gone.

        Its directory in /proc belongs to root even if its user is another: sshd's processes are not dumpable.
        """
        line = (b"\n" + self._read(pid, "status")).partition(b"\nUid:")[2].split(b"\n")[0].split()
        return int(line[0]) if line else None

    def executable(self, pid: int) -> bytes:
        """Return the path of the file that the process runs, empty where that may not be seen (SELinux, hidepid)."""
        return self._link(pid, b"exe")

    def mount_namespace(self, pid: int) -> bytes:
        """Return which mount namespace the process is in (namespaces(7)), empty where that may not be seen."""
        return self._link(pid, b"ns/mnt")

    def children(self, pid: int) -> "List[int]":
        """Return the children's pids. Kernels without CONFIG_PROC_CHILDREN are asked about every process instead."""
        try:
            return [int(child) for child in self._contents(pid, CHILDREN).split()]
        except FileNotFoundError:
            return self._children_by_search(pid)
        except OSError:
            return []

    def ended_children(self, pid: int) -> "List[Tuple[int, bytes]]":
        """Return pid and name of the children that ended just now; none if the kernel gives no records."""
        return self._exits.of(pid) if self._exits else []

    def make_room_for_ended(self, now: float) -> None:
        """Read the kernel's records of ended processes, so that its buffer does not overflow."""
        if self._exits:
            self._exits.take(now)

    def _children_by_search(self, pid: int) -> "List[int]":
        if not os.path.isdir(f"{self.root}/{pid}"):
            return []
        parent = b"%d" % pid
        others = [int(entry) for entry in os.listdir(self.root) if entry.isdigit()]
        return [other for other in others if self._read(other, "stat").rpartition(b")")[2].split()[1:2] == [parent]]

    def _link(self, pid: int, what: bytes) -> bytes:
        """Return the target of a link that the kernel shows to processes that may trace this one, empty to others.

        SELinux does not let sshd's domain trace other users' processes. Each refusal of such a link is a line in the
        audit log, at each login. That of the figure in `stat` is none (fs/proc/array.c, do_task_stat:
        PTRACE_MODE_NOAUDIT), so it is asked for first. While a program is being loaded it is 0, and the link is there.
        """
        fields = self._read(pid, "stat").rpartition(b")")[2].split()
        if len(fields) <= CODE or fields[MEMORY] == b"0" or fields[CODE] == b"1":
            return b""
        try:
            return os.readlink(b"%s/%d/%s" % (os.fsencode(self.root), pid, what))
        except OSError:
            return b""

    def _read(self, pid: int, what: str) -> bytes:
        try:
            return self._contents(pid, what)
        except OSError:
            return b""

    def _contents(self, pid: int, what: str) -> bytes:
        kept = self._kept.get((pid, what))
        if kept is not None:
            return os.pread(kept, LARGEST_BYTES, 0)
        with open(self._path(pid, what), "rb", buffering=0) as file:
            return file.read(LARGEST_BYTES) or b""

    def _path(self, pid: int, what: str) -> str:
        return f"{self.root}/{pid}/task/{pid}/{what}" if what == CHILDREN else f"{self.root}/{pid}/{what}"


def set_priority(nice: int) -> None:
    """Set this process's priority (nice(2)), if allowed: a container may lack the right, a unit may forbid the call."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except OSError:
        pass  # on a busy host, looks then come late and more types stay unknown


def run_first(wanted: bool) -> None:
    """Let this process take precedence over ordinary ones (sched(7)), or end that. Its children are always ordinary."""
    try:
        if wanted and _runs_first_without_limit():
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        else:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    except (OSError, AttributeError):
        pass  # not allowed, or not in this Python: set_priority has to suffice


def _runs_first_without_limit() -> bool:
    with open("/proc/self/limits", "rb", buffering=0) as file:
        return UNLIMITED in (file.read(LARGEST_BYTES) or b"")


def lift_file_size_limit() -> None:
    """Remove the limit on the size of files (RLIMIT_FSIZE) that this process may have inherited from sshd."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError, ImportError):
        pass  # in a container: a larger file then fails as on a full disk
