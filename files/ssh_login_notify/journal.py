# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system log (syslog(3), facility authpriv). It contains every login, whether or not its alert was sent."""

NAME = "ssh-login-notify"


def login(line: str) -> None:
    """Log a login."""
    _write("LOG_INFO", line)


def trouble(sentence: str) -> None:
    """Log a problem for an operator."""
    _write("LOG_WARNING", sentence)


def defect(error: BaseException) -> str:
    """Return what failed in the program itself, and where. The text of the error is left out: it may quote a secret."""
    if isinstance(error, (ImportError, SyntaxError)):  # in a module that is loaded late
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
    import syslog  # rarely needed, and not built into every interpreter

    syslog.openlog(NAME, syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    # Text from outside must not be able to begin a new line of the log.
    syslog.syslog(getattr(syslog, priority), " ".join(text.splitlines()))
