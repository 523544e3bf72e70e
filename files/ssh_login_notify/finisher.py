"""The finisher: makes the alert of a capture whose kind is clear, hands it over, and writes it into the system's log.

A child of the observer, forked when there is something to finish, so that the observer never stops looking: loading
what is needed here takes 20 ms, and a disk or a log may take their time.
"""

import os

from .journal import login, trouble
from .processes import set_priority
from .spool import Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List


class Finisher:
    """The child, and the pipe through which it learns what is clear: a line `NAME KIND` for each."""

    def __init__(self, spool: Spool, unkept: "Dict[str, bytes]") -> None:
        """unkept: captures that are not in the spool, by name."""
        self._spool = spool
        self._unkept = unkept
        self._children: List[int] = []
        self._pipe = -1

    def finish(self, name: str, kind: str) -> None:
        """Have a capture finished, soon."""
        if self._pipe < 0:
            self._start()
        try:
            os.write(self._pipe, f"{name} {kind}\n".encode())
        except BrokenPipeError:
            pass  # it was killed; the capture stays in incoming/, and the next run finishes it

    def is_done(self) -> bool:
        """Tell whether all is finished; until then, ask again. More may be given in between."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        self._children = [child for child in self._children if os.waitpid(child, os.WNOHANG) == (0, 0)]
        return not self._children

    def _start(self) -> None:
        its_end, self._pipe = os.pipe()
        child = os.fork()
        if child:
            os.close(its_end)
            self._children.append(child)
            return
        try:
            os.close(self._pipe)
            set_priority(0)
            with os.fdopen(its_end, encoding="utf-8") as lines:
                for line in lines:
                    name, _, kind = line.rstrip("\n").partition(" ")
                    finish(self._spool, self._unkept, name, kind)
        except Exception as error:
            trouble(f"alerts could not be finished; the captures stay in the spool: {error!r}")
        finally:
            os._exit(0)


def finish(spool: Spool, unkept: "Dict[str, bytes]", name: str, kind: str) -> None:
    """Make the alert of one capture and hand it over; whatever happens, the system's log has the login."""
    from . import alert
    from .capture import Capture

    try:
        raw = unkept[name] if name in unkept else spool.read("incoming", name)
    except FileNotFoundError:
        return  # finished already, by the child of an observer that was killed
    finished = alert.build(Capture(name, raw), kind)
    try:
        spool.hand_over(name, alert.to_json(finished))
    except OSError as error:
        trouble(f"the login {name} was not queued for sending: {error}")
    login(alert.log_line(finished))
