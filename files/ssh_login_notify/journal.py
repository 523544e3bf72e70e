"""The system's own log (syslog(3), facility authpriv), which has every login too, sent or not."""

import syslog

NAME = "ssh-login-notify"


def login(line: str) -> None:
    """Write down a login."""
    _write(syslog.LOG_INFO, line)


def trouble(sentence: str) -> None:
    """Write down what an operator should see to."""
    _write(syslog.LOG_WARNING, sentence)


def _write(priority: int, text: str) -> None:
    # A line end would begin a line of its own, which nothing from outside may do.
    syslog.openlog(NAME, syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    syslog.syslog(priority, " ".join(text.splitlines()))
