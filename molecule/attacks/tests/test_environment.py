# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A user's environment file runs no code in the notifier's processes, and diverts no alert."""

from __future__ import annotations

import pytest
from attacks.setup import usual_notifier

from tests.lab.logins import Login

testinfra_hosts = ["ansible://systemd"]

HOME = "/home/intruder"
PAM_ENVIRONMENT = f"{HOME}/.pam_environment"
LOADED = "/var/tmp/loaded"  # noqa: S108 - the same path as in the payload
PAYLOAD = f"{HOME}/payload.so"
# A module that a Python program runs on import, even before open() exists.
MODULE = f"import posix; posix.open('{LOADED}/uid-%010d' % posix.geteuid(), posix.O_CREAT)"
PROXY_LOG = f"{LOADED}/proxy"
PROXY = f"""
import socket
server = socket.create_server(("127.0.0.1", 3128))
while True:
    client, _address = server.accept()
    open("{PROXY_LOG}", "ab").write(client.recv(4096))
    client.close()
"""
# Variables for ~/.pam_environment, and the files that the intruder makes for them.
CODE = {
    "LD_PRELOAD": (PAYLOAD, "true"),
    "LD_AUDIT": (PAYLOAD, "true"),
    "LD_LIBRARY_PATH": (
        f"{HOME}/lib",
        "mkdir lib; cp library.so lib/libexpat.so.1; cp /usr/lib/*/libexpat.so.1 lib/libreal.so",
    ),
    "PATH": (
        f"{HOME}/bin:/usr/bin:/bin",
        'mkdir bin; printf "#!/bin/sh\\n> $NOTE\\n" > bin/python3; chmod +x bin/python3',
    ),
    "PYTHONPATH": (f"{HOME}/path", 'mkdir path; echo "$MODULE" > path/json.py'),
    "PYTHONHOME": (
        f"{HOME}/home",
        'at=home/lib/$PYTHON/encodings; mkdir -p $at; echo "$MODULE" > $at/__init__.py',
    ),
    "PYTHONUSERBASE": (
        f"{HOME}/base",
        'at=base/lib/$PYTHON/site-packages; mkdir -p $at; echo "$MODULE" > $at/usercustomize.py',
    ),
}
# These divert the alert, or change whom the sender trusts.
WAY = {
    "HTTPS_PROXY": "http://127.0.0.1:3128",
    "https_proxy": "http://127.0.0.1:3128",
    "SSL_CERT_FILE": "/dev/null",
    "SSL_CERT_DIR": "/nonexistent",
}
# These do harm only together with others. They are set with all of the above at once.
OTHERS = {"PYTHONSTARTUP": f"{HOME}/path/json.py", "PYTHONINSPECT": "1", "TMPDIR": HOME, "HOME": f"{HOME}/base"}


@pytest.fixture
def environment(host):
    """Write the intruder's environment file, as the intruder could: environment({"NAME": "value"})."""
    host.check_output(f"mkdir -p {LOADED} && chmod 1777 {LOADED}")

    def write(variables: dict[str, str], also: str = "true") -> None:
        lines = "".join(f"{name} DEFAULT={value}\n" for name, value in variables.items())
        python = "PYTHON=$(basename $(readlink -f /usr/bin/python3))"
        script = f'cd; printf %s "$LINES" > {PAM_ENVIRONMENT}; {python}; NOTE={LOADED}/uid-0000000000; {also}'
        settings = f"env HOME={HOME} LINES=%s MODULE=%s"
        host.check_output(f"runuser -u intruder -- {settings} sh -ec %s", lines, MODULE, script)

    yield write
    host.check_output(f"cd {HOME} && rm -rf {PAM_ENVIRONMENT} {LOADED} lib bin path home base")


@pytest.fixture
def proxy(host):
    """The intruder's proxy, which records its requests."""
    pid = host.check_output("runuser -u intruder -- python3 -c %s > /dev/null 2>&1 & echo $!", PROXY)
    yield
    host.check_output(f"kill {pid}")


def attempt(host, intruder) -> tuple[str, Login]:
    """Log in. Return the login, and the names of the other users whose processes have run the intruder's code."""
    host.check_output(f"rm -f {LOADED}/uid-*")
    login = intruder.command("true")
    noted = host.check_output(f"cd {LOADED} && ls -d uid-* 2> /dev/null; rm -f uid-*").split()
    names = {host.check_output(f"id -nu {int(name.partition('-')[2])}") for name in noted}
    return ", ".join(sorted(names - {"intruder"})), login


@pytest.mark.parametrize("variable", CODE)
def test_no_code_of_the_intruder_is_run(variable, host, intruder, environment, verdict):
    value, also = CODE[variable]
    environment({variable: value}, also)
    with usual_notifier(host):
        usual, _login = attempt(host, intruder)
    ours, login = attempt(host, intruder)
    verdict(f"{variable} in ~/.pam_environment", usual and f"code runs as {usual}", ours, [login])


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_no_alert_goes_by_the_intruders_proxy(variable, host, intruder, environment, proxy, verdict):
    def asked() -> tuple[str, Login]:
        login = intruder.command()
        host.run(f"timeout 2 sh -c 'until test -s {PROXY_LOG}; do sleep 0.1; done'")
        request = host.run(f"cat {PROXY_LOG}; rm -f {PROXY_LOG}").stdout.partition("\r")[0]
        return f"the proxy is asked: {request}" if request else "", login

    environment({variable: WAY[variable]})
    with usual_notifier(host):
        usual, _login = asked()
    ours, login = asked()
    verdict(f"{variable} in ~/.pam_environment", usual, ours, [login])


def test_no_certificate_store_of_the_intruders_counts(host, intruder, environment, is_told_by_the_usual, verdict):
    """An empty one trusts nobody, so nothing would be sent."""
    environment({name: WAY[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")})
    with usual_notifier(host):
        usual = "" if is_told_by_the_usual(intruder.command()) else "nothing is sent"
    verdict("SSL_CERT_FILE, SSL_CERT_DIR in ~/.pam_environment", usual, "", [intruder.command()])


def test_all_of_them_at_once_do_no_more(host, intruder, environment, proxy, verdict):
    makes = "; ".join(also for _value, also in CODE.values())
    environment({name: value for name, (value, _also) in CODE.items()} | WAY | OTHERS, makes)
    with usual_notifier(host):
        usual, _login = attempt(host, intruder)
    ours, login = attempt(host, intruder)
    ours = ours or host.run(f"cat {PROXY_LOG}").stdout
    verdict("all of these, TMPDIR and PYTHONSTARTUP at once", usual and f"code runs as {usual}", ours, [login])
