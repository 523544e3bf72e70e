# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system's log (syslog(3), facility authpriv). It also has every login, whether its alert was sent or not."""

NAME = "ssh-login-notify"


def login(line: str) -> None:
    """Log a login."""
    _write("LOG_INFO", line)


def trouble(sentence: str) -> None:
    """Log a problem for an operator."""
    _write("LOG_WARNING", sentence)


def defect(error: BaseException) -> str:
    """Return what failed in the program itself, and where. The error's text is left out: it may quote a secret."""
    if isinstance(error, (ImportError, SyntaxError)):  # of a module that is loaded late
        what = getattr(error, "name", None) or getattr(error, "filename", None) or "?"
        return f"the installed program is damaged, {what} can't be loaded: run the role again"
    places = []
    trace = error.__traceback__
    while trace:
        file = trace.tb_frame.f_code.co_filename.rpartition("/")[2]
        places.append(f"{file}:{trace.tb_lineno}")
        trace = trace.tb_next
    return "a defect, please report it: {} at {}".format(type(error).__name__, " ".join(places))


def _write(priority: str, text: str) -> None:
    import syslog  # not built in everywhere, and seldom needed

    syslog.openlog(NAME, syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    # A line end would begin another line, which text from outside must never do.
    syslog.syslog(getattr(syslog, priority), " ".join(text.splitlines()))
