"""The system's own log (syslog(3), facility authpriv), which has every login too, sent or not."""

NAME = "ssh-login-notify"


def login(line: str) -> None:
    """Write down a login."""
    _write("LOG_INFO", line)


def trouble(sentence: str) -> None:
    """Write down what an operator should see to."""
    _write("LOG_WARNING", sentence)


def _write(priority: str, text: str) -> None:
    import syslog  # not built in everywhere, and seldom needed

    syslog.openlog(NAME, syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    # A line end would begin a line of its own, which nothing from outside may do.
    syslog.syslog(getattr(syslog, priority), " ".join(text.splitlines()))
