# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about processes from /proc (proc(5)). Reading never raises: a process that is gone reads as empty."""

import os

from .capture import start_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Tuple

    from .exits import Exits

# The rest of a larger file is not read.
LARGEST_BYTES = 1 << 16
# Appended to the last argument if the rest was not read. No argument contains this byte.
CUT = b"\0"
CHILDREN = "children"
# Where this is missing, other users' processes are hidden, as in the sender's sandbox.
FIRST_PROCESS = "/proc/1/stat"
KEPT = ("stat", "cmdline", CHILDREN)
# Two fields of /proc/PID/stat, counted from the first one after the name: the size of the memory, which is 0 once the
# process has exited, and the address of its code, which reads as 1 unless the reader may trace the process (proc(5),
# startcode).
MEMORY, CODE = 20, 23
# A line of /proc/self/limits. With a lower limit, the kernel kills a process that runs longer under SCHED_FIFO.
UNLIMITED = b"\nMax realtime timeout      unlimited "
# The most descriptors that are kept open. Most systems allow a process 1024. Further files are opened for each read.
MOST_KEPT = 400


class Processes:
    """The processes in a /proc."""

    def __init__(self, root: str = "/proc", exits: "Optional[Exits]" = None, keeping: "Tuple[str, ...]" = KEPT) -> None:
        """Prepare without opening any file.

        exits: the kernel's records of ended processes, None if it provides none
        keeping: which files of a process to keep open; fewer files leave room for more processes
        """
        self.root = root
        self._exits = exits
        self._keeping = keeping
        self._kept: Dict[Tuple[int, str], int] = {}

    def keep(self, pid: int) -> None:
        """Keep the files of a process open, for one that is read often: without open(2), a read takes a third as long.

        The files stay bound to this process. Once it is gone, they read as empty, even if its pid is reused.
        """
        for what in self._keeping:
            if len(self._kept) < MOST_KEPT and (pid, what) not in self._kept:
                try:
                    self._kept[pid, what] = os.open(self._path(pid, what), os.O_RDONLY | os.O_CLOEXEC)
                except OSError:
                    pass  # the process is gone, or this kernel lacks the file

    def let_go(self, pid: int) -> None:
        """Close the files of a process that were kept open, if any."""
        for what in self._keeping:
            descriptor = self._kept.pop((pid, what), -1)
            if descriptor >= 0:
                os.close(descriptor)

    def start(self, pid: int) -> "Optional[int]":
        """Return the start time in clock ticks after boot, or None if gone. Pid and start time identify a process."""
        return start_time(self._read(pid, "stat"))

    def parent(self, pid: int) -> int:
        """Return the parent's pid, or 0 if the process is gone."""
        fields = self._read(pid, "stat").rpartition(b")")[2].split()
        return int(fields[1]) if len(fields) > 1 else 0

    def status(self, pid: int) -> bytes:
        """Return the line of /proc/PID/stat, which does not change while the process sleeps. Empty once it is gone."""
        return self._read(pid, "stat")

    def reaped_faults(self, pid: int) -> "Optional[int]":
        """Return the page faults of all children that the process has reaped (proc(5), cminflt), or None if it is gone.

        Every program causes page faults. So the number grows with each child, however briefly it runs.
        """
        fields = self._read(pid, "stat").rpartition(b")")[2].split()
        return int(fields[8]) if len(fields) > 8 else None

    def name(self, pid: int) -> bytes:
        """Return the name of the process (proc(5), comm), at most 15 bytes. A zombie still has it."""
        return self._read(pid, "comm").rstrip(b"\n")

    def arguments(self, pid: int) -> "List[bytes]":
        """Return the arguments, or the title that setproctitle(3) wrote in their place; none after the process's exit.

        If the list is incomplete, the last argument ends with CUT: arguments that were not read must not count as
        absent.
        """
        text = self._read(pid, "cmdline")
        is_cut = len(text) >= LARGEST_BYTES
        arguments = text.rstrip(b"\0").split(b"\0")
        if is_cut:
            arguments[-1] += CUT
        return arguments if arguments != [b""] else []

    def title_room(self, pid: int) -> int:
        """Return the room for setproctitle(3), in bytes (proc(5), stat: arg_start, env_end), or 0 if unknown.

        The kernel shows it only to a reader that may trace the process.
        """
        fields = self._read(pid, "stat").rpartition(b")")[2].split()
        return int(fields[48]) - int(fields[45]) if len(fields) > 48 else 0

    def real_user(self, pid: int) -> "Optional[int]":
        """Return the real user id of a process (proc(5), status), or None if it is gone.

        The owner of its directory in /proc does not show it: sshd's processes are not dumpable, so theirs is root.
        """
        line = (b"\n" + self._read(pid, "status")).partition(b"\nUid:")[2].split(b"\n")[0].split()
        return int(line[0]) if line else None

    def executable(self, pid: int) -> bytes:
        """Return the path of the file that the process runs, empty if that is hidden (SELinux, hidepid)."""
        return self._link(pid, b"exe")

    def mount_namespace(self, pid: int) -> bytes:
        """Return the mount namespace of the process (namespaces(7)), empty if that is hidden."""
        return self._link(pid, b"ns/mnt")

    def children(self, pid: int) -> "List[int]":
        """Return the children's pids. Without CONFIG_PROC_CHILDREN, search all processes for them."""
        try:
            return [int(child) for child in self._contents(pid, CHILDREN).split()]
        except FileNotFoundError:
            return self._children_by_search(pid)
        except OSError:
            return []

    def ended_children(self, pid: int) -> "List[Tuple[int, bytes]]":
        """Return pid and name of the children that have just ended. Without the kernel's records, there are none."""
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
        """Return the target of a link that the kernel shows only to a reader that may trace the process, else empty.

        SELinux does not let sshd's domain trace other users' processes, and each refusal of such a link adds a line to
        the audit log, at each login. The check for the field CODE in `stat` is not audited (fs/proc/array.c,
        do_task_stat: PTRACE_MODE_NOAUDIT), so that field is read first. While a program is being loaded, it is 0 and
        the link can be read.
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
    """Set this process's priority (nice(2)) if allowed. A container may lack the right, a unit may forbid the call."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except OSError:
        pass  # on a busy host, looks come late then, and more types stay unknown


def run_first(wanted: bool) -> None:
    """Give this process precedence over ordinary ones (sched(7)), or end that. Its children are always ordinary."""
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
        pass  # in a container; there, a larger file fails as on a full disk
