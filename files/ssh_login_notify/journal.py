"""The system's own log (syslog(3), facility authpriv), which has every login too, sent or not."""

NAME = "ssh-login-notify"


def login(line: str) -> None:
    """Write down a login."""
    _write("LOG_INFO", line)


def trouble(sentence: str) -> None:
    """Write down what an operator should see to."""
    _write("LOG_WARNING", sentence)


def defect(error: BaseException) -> str:
    """Return what went wrong in the program itself, and where; not the error's own words, which may quote a secret."""
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
    # A line end would begin a line of its own, which nothing from outside may do.
    syslog.syslog(getattr(syslog, priority), " ".join(text.splitlines()))
