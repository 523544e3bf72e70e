#!/usr/bin/python
# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402 - Ansible wants the documentation above the imports

DOCUMENTATION = r"""
module: test_alert
short_description: Prove that a host's login alerts arrive
version_added: 0.1.0
description:
  - Sends a test alert through the notifier as it is installed and configured on the host, and tells what the receiving
    service answered.
  - With O(path=pam) it goes the whole way of a login instead. It opens a session of a throw-away PAM service that holds
    exactly the line which stands in the service that O(service) names, and waits until the alert that came of it was
    delivered.
  - It neither reads nor returns nor logs the webhook.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details:
      - Sends nothing, and does not look whether anything is installed.
  diff_mode:
    support: none
    details:
      - There is nothing to compare. The host stays as it was.
  platform:
    platforms: linux
options:
  path:
    description:
      - V(direct) runs C(ssh-login-notify test), which shows that configuration, network and receiving service work.
      - V(pam) opens a PAM session, which shows in addition that the installed line, the program's capture and the
        sender work together. Only sshd itself and its C(UsePAM) are left out.
    type: str
    choices: [direct, pam]
    default: direct
  program:
    description:
      - The notifier on the host.
    type: path
    default: /usr/local/bin/ssh-login-notify
  configuration:
    description:
      - Another configuration than the installed one, with O(path=direct).
      - So a new webhook can be tried before any host has it.
      - It must be root's alone, as the installed one.
    type: path
  service:
    description:
      - The PAM service whose line is tried with O(path=pam).
    type: str
    default: sshd
  timeout:
    description:
      - How long the alert may take until it is delivered, in seconds.
    type: int
    default: 30
  pam_d:
    description:
      - The directory of PAM services, for O(path=pam). Another one than V(/etc/pam.d) takes Linux-PAM 1.4 or later.
    type: path
    default: /etc/pam.d
notes:
  - A message is sent each time. Nothing on the host changes, so the task never reports a change.
  - With O(path=pam) the file C(ssh-login-notify-test) exists in O(pam_d) for a moment. It is removed in any case.
  - Run it as root. Only root may read the notifier's configuration.
seealso:
  - module: loginwatch.pam.pam_exec_line
author:
  - The loginwatch founders (@loginwatch)
"""

EXAMPLES = r"""
- name: Send a test alert
  loginwatch.pam.test_alert:

- name: Let a PAM session send one, by the line that is installed for sshd
  loginwatch.pam.test_alert:
    path: pam
    timeout: 60

- name: Try a configuration before it is installed
  loginwatch.pam.test_alert:
    configuration: /root/candidate.conf
"""

RETURN = r"""
delivered:
  description: Whether the receiving service took the alert. Null in check mode.
  returned: always
  type: bool
  sample: true
status:
  description: The HTTP status of the answer, null if there was none.
  returned: when the notifier was run
  type: int
  sample: 200
answer:
  description: The receiving service's own words, or what kept the alert from it.
  returned: when the notifier was run
  type: str
  sample: ok
mend:
  description: What to do about it, null if the alert was delivered.
  returned: when the notifier was run
  type: str
  sample: the webhook was removed or switched off; create a new one
seconds:
  description: How long it took, in seconds. With O(path=pam), from the opening of the session to the delivery.
  returned: when the notifier was run
  type: float
  sample: 0.21
id:
  description: The identifier at the end of the alert. Null if no alert came of it.
  returned: when the notifier was run
  type: str
  sample: 1763884862.123456-4242
"""

import contextlib
import json
import random
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loginwatch.pam.plugins.module_utils import libpam, pam_stack

SENDER = "ssh-login-notify.service"
TEST_SERVICE = "ssh-login-notify-test"
TEST_USER = "loginwatch-test"
# From 192.0.2.0/24, which RFC 5737 keeps for documentation: no real login comes from there.
FROM_ADDRESS = "192.0.2.1"
TO_ADDRESS = "192.0.2.2"
# Between questions to the notifier: short at first, since most alerts are delivered at once, and then longer. Each of
# them starts a Python, and takes from the host's time for what it asks after.
FIRST_POLL_SECONDS = 0.25
LAST_POLL_SECONDS = 1.0
# A question to the notifier that only reads files.
STATUS_SECONDS = 10


class Outcome(NamedTuple):
    """What became of a test alert; the fields are the module's return values."""

    delivered: bool
    status: Optional[int]
    answer: str
    mend: Optional[str]
    seconds: Optional[float]
    id: Optional[str]


class NoAnswerError(Exception):
    """The test could not be made; the message gives the reason and the mend."""


def ask(program: str, words: List[str], timeout: float) -> Dict[str, Any]:
    """What the notifier prints as JSON. Raises NoAnswerError, which shows no other output: it may hold anything."""
    command = " ".join([program, *words])
    try:
        done = subprocess.run(  # noqa: S603 - the program is what the task names
            [program, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise NoAnswerError(
            f"{program}, or the interpreter in its first line, does not exist."
            " Run the role loginwatch.pam.ssh_login_notify first."
        ) from None
    except OSError as error:
        raise NoAnswerError(f"{program} can't be run: {error.strerror}. Run the role again, as root.") from None
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"'{command}' gave no answer within {timeout:g} s. Look at the host's network.") from None
    try:
        answer = json.loads(done.stdout.decode("utf-8"))
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        reason = "Become root for this task." if done.returncode == 3 else "Run it on the host to see why."
        raise NoAnswerError(f"'{command}' ended with {done.returncode} and gave no JSON. {reason}")
    return answer


def send_directly(params: Dict[str, Any]) -> Outcome:
    """Let the notifier send a test alert by itself."""
    other = ["--configuration", params["configuration"]] if params["configuration"] else []
    answer = ask(params["program"], ["test", "--json", *other], params["timeout"])
    return Outcome(
        delivered=answer.get("delivered") is True,
        status=answer.get("status"),
        answer=without_secrets(answer.get("answer")) or "",
        mend=without_secrets(answer.get("mend")),
        seconds=answer.get("seconds"),
        id=without_secrets(answer.get("id")),
    )


def without_secrets(text: Optional[str]) -> Optional[str]:
    """``text`` with the paths of web addresses masked: a webhook's secret is in its path. A second line of defence."""
    if text is None:
        return None
    text = re.sub(r"(https?://[^/\s'\"]+)/[^\s'\"]*", r"\1/...", str(text))
    return re.sub(r"/services/[^\s'\"]*", "/services/...", text)


def end_pause(module: AnsibleModule) -> None:
    """End systemd's pause of up to a minute after a failed run of the sender: the task before may have mended it."""
    systemctl = module.get_bin_path("systemctl")
    if systemctl and "auto-restart" in module.run_command([systemctl, "show", "--property=SubState", SENDER])[1]:
        module.run_command([systemctl, "stop", SENDER])


def send_by_session(module: AnsibleModule) -> Outcome:
    """Open a PAM session with the installed line and wait for the alert that comes of it."""
    params = module.params
    end_pause(module)
    line = installed_line(Path(params["pam_d"]) / params["service"], params["program"])
    port = random.SystemRandom().randint(1024, 65535)
    started = time.monotonic()
    deadline = started + params["timeout"]
    service = Path(params["pam_d"]) / TEST_SERVICE
    try:
        write_service(module, service, line)
        libpam.open_session_in_child(
            params["timeout"],
            service=TEST_SERVICE,
            user=TEST_USER,
            items={libpam.PAM_TTY: "ssh", libpam.PAM_RHOST: FROM_ADDRESS},
            environment={"SSH_CONNECTION": f"{FROM_ADDRESS} {port} {TO_ADDRESS} 22"},
            confdir=None if params["pam_d"].rstrip("/") == "/etc/pam.d" else params["pam_d"],
        )
    except libpam.PamError as error:
        # A notifier that can't be run or gives no answer says more about it.
        ask(params["program"], ["status", "--json"], STATUS_SECONDS)
        raise NoAnswerError(
            f"The PAM session could not be opened ({error}): PAM could not run the program by the line '{line}'."
            f" See that {params['program']} is there, executable, and ends with 0."
        ) from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            service.unlink()
    return wait_for_delivery(params["program"], f"{FROM_ADDRESS} port {port}", started, deadline)


def installed_line(path: Path, program: str) -> str:
    """The line of a PAM file that runs the program. Raises NoAnswerError if there is none."""
    try:
        line = pam_stack.find(pam_stack.decode(path.read_bytes()), program)
    except (OSError, pam_stack.PamStackError) as error:
        raise NoAnswerError(f"{path} can't be read: {error}") from None
    if line is None:
        raise NoAnswerError(
            f"No line in the session part of {path} runs {program}."
            " Put it there with loginwatch.pam.pam_exec_line or the role loginwatch.pam.ssh_login_notify."
        )
    return line


def write_service(module: AnsibleModule, path: Path, line: str) -> None:
    with tempfile.NamedTemporaryFile(dir=module.tmpdir, delete=False) as file:
        module.add_cleanup_file(file.name)
        file.write(pam_stack.encode(line + "\n"))
    # Not opened in place: something may be there already, even a link to a file that matters.
    module.atomic_move(file.name, str(path))


def wait_for_delivery(program: str, origin: str, started: float, deadline: float) -> Outcome:
    """Ask the notifier what became of the alert of this origin; ``started`` and ``deadline`` are monotonic.

    A refusal that no later try can change ends the wait at once; after any other the sender tries again by itself.
    """
    pause = FIRST_POLL_SECONDS
    while True:
        time.sleep(pause)
        pause = min(1.5 * pause, LAST_POLL_SECONDS)
        status = ask(program, ["status", "--json"], STATUS_SECONDS)
        seconds = round(time.monotonic() - started, 3)
        for entry in status.get("recent_deliveries") or []:
            if entry.get("from") == origin:
                return Outcome(True, entry.get("status"), "ok", None, seconds, entry.get("id"))
        last = status.get("last_answer") or {}
        ours = last.get("from") == origin
        over = time.monotonic() >= deadline
        if ours and (over or is_final(last.get("status"))):
            answer, mend = without_secrets(last.get("answer")), without_secrets(last.get("mend"))
            return Outcome(False, last.get("status"), answer or "", mend, seconds, without_secrets(last.get("id")))
        if over:
            break
    problems = [str(problem) for problem in status.get("problems") or []]
    counts = ", ".join(f"{status.get(name, '?')} {name}" for name in ("captured", "waiting", "failed"))
    answer = "; ".join([f"the session's alert was not delivered within the time ({counts})", *problems])
    return Outcome(
        delivered=False,
        status=None,
        answer=without_secrets(answer) or "",
        mend=f"run '{program} status' and '{program} test' on the host, and see its log for ssh-login-notify",
        seconds=seconds,
        id=None,
    )


def is_final(status: Optional[int]) -> bool:
    """Whether an answer with this HTTP status stays what it is: a client error, but for "too slow" and "too many"."""
    return status is not None and 400 <= status < 500 and status not in (408, 429)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "choices": ["direct", "pam"], "default": "direct"},
            "program": {"type": "path", "default": "/usr/local/bin/ssh-login-notify"},
            "configuration": {"type": "path"},
            "service": {"type": "str", "default": "sshd"},
            "timeout": {"type": "int", "default": 30},
            "pam_d": {"type": "path", "default": "/etc/pam.d"},
        },
        supports_check_mode=True,
    )
    if module.params["timeout"] < 1:
        module.fail_json(msg="timeout must be at least 1 second.", delivered=False)
    if module.params["configuration"] and module.params["path"] == "pam":
        msg = "configuration goes with 'path: direct' only; a PAM session uses the installed one."
        module.fail_json(msg=msg, delivered=False)
    if module.check_mode:
        module.exit_json(changed=False, delivered=None, msg="Check mode: nothing was sent.")
    try:
        outcome = send_by_session(module) if module.params["path"] == "pam" else send_directly(module.params)
    except NoAnswerError as error:
        module.fail_json(msg=f"No test alert was delivered. {error}", delivered=False)
    except OSError as error:
        module.fail_json(msg=f"No test alert was delivered: {error}", delivered=False)
    values = outcome._asdict()
    if not outcome.delivered:
        words = " ".join(str(word) for word in (outcome.status, outcome.answer) if word)
        parts = ["The test alert was not delivered", words, outcome.mend]
        module.fail_json(msg=": ".join(filter(None, parts)), **values)
    module.exit_json(changed=False, **values)


if __name__ == "__main__":
    main()
