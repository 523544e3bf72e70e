# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight: check whether the notifier can work on this host, and which parts are installed. It changes nothing.

It is not installed. The role sends it to the host, along with the modules that it imports, before anything is installed
(plugins/action/preflight.py). Its return values are documented in plugins/modules/preflight.py.
"""

import errno
import glob
import grp
import json
import os
import pwd
import re
import shutil
import stat
import subprocess

from . import pam_files, pam_line, pam_stack, paths, sshds, trust
from .paths import CONFIGURATION, LIBRARY, OVERFLOW, PROGRAM, SPOOL
from .paths import SYSTEMD as SYSTEMD_RUNS
from .paths import USER as ACCOUNT
from .sshds import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

# The SELinux type of files that sshd's domain can write (docs/selinux.md).
TYPE = "var_auth_t"
SELINUX = "/etc/selinux"
SELINUX_ENFORCE = "/sys/fs/selinux/enforce"
SYSTEMD_PROGRAMS = ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")
UNIT_FILES = "/etc/systemd/system/ssh-login-notify*"
# Stands for an unknown version. Settings of a newer systemd do no harm: systemd ignores those that it does not know.
NEWEST_SYSTEMD = 9999
# systemd-run(1) has had --wait since 232, and --collect, which removes the failed unit, since 236.
TRIAL_SYSTEMD = 236
TRIAL = ("systemd-run", "--quiet", "--wait", "--collect", "--unit=ssh-login-notify-trial")
TRIED = "/bin/true"
# The part of the sandbox that systemd could not set up, by exit code ("Process Exit Codes" in systemd.exec(5)).
PART_OF_EXIT_CODE = {
    218: "capabilities", 225: "namespaces", 226: "namespaces", 228: "system calls", 230: "system calls",
}  # fmt: skip
CRON_D = "/etc/cron.d"
NOLOGIN_SHELLS = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false")
# The service of a test alert, left behind if the test was killed. It is removed along with the notifier's files.
TEST_SERVICE = "ssh-login-notify-test"
# Commands that exit with code 0 if a file belongs to a package.
OWNERS = (("dpkg-query", "--search"), ("rpm", "--query", "--file"))
PAM_EXEC = (
    "/lib/*/security", "/lib64/security", "/lib/security", "/usr/lib/*/security", "/usr/lib64/security",
    "/usr/lib/security",
)  # fmt: skip
# The first versions of sshd that pass SSH_CONNECTION and SSH_AUTH_INFO_0 to PAM (auth-pam.c), and what alerts contain
# with older ones, in the words of slack.py.
GIVEN_TO_PAM = (
    ((8, 0), "does not tell PAM the connection ({}.{} does). In alerts, From ends in `(by PAM_RHOST, port not known)`"),
    ((7, 6), "does not tell PAM how the user authenticated ({}.{} does). In alerts, Key is `sshd did not say`"),
)
ALPINE = (
    "Alpine Linux is not supported: the notifier was never run there, and Alpine's busybox has no useradd for its"
    " account and no cron that reads /etc/cron.d for its sender."
)
OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
# Directories that the sandbox of the units hides: ProtectHome= in all units but the sender's, PrivateTmp= in all.
HIDDEN = ("/root", "/home", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - nothing is written there
COMMAND_SECONDS = 30


def examine(wanted: "Dict[str, Any]", python: str) -> "Dict[str, Any]":
    """Return the facts that the role needs. wanted: the role's settings. python: the interpreter that runs this."""
    if wanted["state"] == "present" and is_alpine():
        return {"problems": [ALPINE], "repairs": []}
    found = sshds.usual() if wanted["offline"] else sshds.found()
    facts: Dict[str, Any] = {
        "installed": os.path.lexists(PROGRAM),
        "python": python,
        "nologin_shell": next((shell for shell in NOLOGIN_SHELLS if os.access(shell, os.X_OK)), NOLOGIN_SHELLS[-1]),
        "account": account(),
        "foreign_configuration": has_foreign_configuration(),
        "metrics_files": installed_metrics(),
        **scheduler(wanted["units"], wanted["services"], wanted["offline"]),
        "selinux": selinux_is_on(),
        "sshds": [sshd.title for sshd in found],
        "sandbox_without": [],
    }
    problems = list(foreign_program(wanted["state"]))
    texts = service_texts({*wanted["pam_services"], *installed_services(), *of_all(found)})
    facts["pam_services"] = services_with_the_program(texts)
    if wanted["state"] == "present":
        if facts["scheduler"] == "systemd" and not wanted["offline"]:
            facts["sandbox_without"] = refused_parts(wanted["sandbox"], facts["systemd_version"])
        facts.update(labels_right=facts["selinux"] and labels_are_right(), file_contexts=False)
        problems += missing_selinux_tools() if facts["selinux"] else []
        problems += missing_useradd() if facts["account"] == "missing" else []
        facts.update(hand_made(wanted, texts, facts["foreign_configuration"], problems))
        facts.update(pam(wanted["pam_services"]))
        facts["pam_line_due"], refusals = pam_edits(wanted, facts["adopts"])
        problems += refusals
        facts["delivered"] = last_delivery() >= last_change(wanted["pam_services"])
        facts["notes"] = list(sshd_notes(found))
        problems += [*ca_file_problems(wanted["ca_file"]), *open_directories(wanted["accept"])]
        problems += [*pam_exec_problems(), *sshd_problems(found, wanted["pam_services"], wanted["accept"])]
    else:
        facts.update(labels_right=True, file_contexts=has_file_contexts())
        if facts["file_contexts"]:
            problems += missing_selinux_tools() if facts["selinux"] else []
            facts["file_contexts"] = not missing_tools()  # with SELinux off, leftovers have no effect
    facts.update(problems=problems, repairs=list(repairs(facts)))
    return facts


def repairs(facts: "Dict[str, Any]") -> "Iterator[str]":
    """Yield the differences from the wanted state that the role repairs."""
    for unit in facts["wrong_units"]:
        yield f"{unit}: not enabled, not active, or not as the settings want it"
    if facts["account"] == "wrong":
        yield f"the account {ACCOUNT}: different from what the role creates"
    if facts["selinux"] and not facts["labels_right"]:
        yield f"{SPOOL} or {OVERFLOW}: not everything has the SELinux type {TYPE} that lets sshd write there"


def is_alpine() -> bool:
    """Return whether this is Alpine Linux or a derivative (os-release(5))."""
    text = next(filter(None, map(text_of, OS_RELEASE)), "")
    values = dict(line.replace('"', "").replace("'", "").partition("=")[::2] for line in text.splitlines())
    return "alpine" in [values.get("ID", ""), *values.get("ID_LIKE", "").split()]


def missing_useradd() -> "List[str]":
    if shutil.which("useradd"):
        return []
    return [
        f"The account {ACCOUNT} cannot be created because useradd is missing: install its package (passwd on Debian and"
        " Ubuntu, shadow-utils on Red Hat, shadow on SUSE)."
    ]


def account() -> str:
    """Return the state of the sender's account: missing, right or wrong."""
    try:
        group = grp.getgrnam(ACCOUNT).gr_gid  # type: Optional[int]
    except KeyError:
        group = None
    try:
        user = pwd.getpwnam(ACCOUNT)
    except KeyError:
        return "missing" if group is None else "wrong"
    shell = os.path.basename(user.pw_shell)
    is_right = user.pw_gid == group and user.pw_dir == "/nonexistent" and shell in ("nologin", "false")
    return "right" if is_right else "wrong"


# -- what starts the sender -------------------------------------------------------------------------------------------


def scheduler(units: "Dict[str, bool]", services: "List[str]", offline: bool) -> "Dict[str, Any]":
    """Return what starts the sender, and which systemd units are not in the wanted state.

    units: whether each unit must be enabled and active. services: the services that these units start. offline: the
    host is an image
    """
    found: Dict[str, Any] = {"scheduler": "none", "unit_files": False, "wrong_units": [], "reload_is_due": False}
    found["systemd_version"] = NEWEST_SYSTEMD
    if any(map(os.path.exists, SYSTEMD_PROGRAMS)) if offline else os.path.isdir(SYSTEMD_RUNS):
        found.update(scheduler="systemd", unit_files=bool(glob.glob(UNIT_FILES)), systemd_version=systemd_version())
        if offline:
            found["wrong_units"] = [name for name, on in units.items() if is_enabled_offline(name) is not on]
        else:
            states = unit_states([*units, *services])
            found["wrong_units"] = [name for name, on in units.items() if not is_as_wanted(states.get(name, {}), on)]
            # An interrupted run wrote unit files that systemd has not loaded yet.
            found["reload_is_due"] = any(state.get("NeedDaemonReload") == "yes" for state in states.values())
    elif os.path.isdir(CRON_D) and any(map(reads_cron_d, ("cron", "crond"))):
        found["scheduler"] = "cron"
    return found


def reads_cron_d(program: str) -> bool:
    """Return whether a cron is installed that reads /etc/cron.d. The cron of busybox does not."""
    path = shutil.which(program)
    return path is not None and os.path.basename(os.path.realpath(path)) != "busybox"


def systemd_version() -> int:
    """Return the version of the host's systemd. An unknown version counts as the newest."""
    match = re.match(r"systemd (\d+)", run("systemctl", "--version")[1])  # systemd 252 (252.39-1~deb12u2)
    return int(match.group(1)) if match else NEWEST_SYSTEMD


def refused_parts(sandbox: "List[Dict[str, Any]]", version: int) -> "List[str]":
    """Return the parts of a service's sandbox that this host can't set up. A container without nesting can't mount.

    sandbox: settings of a unit, each with the first version of systemd that has it, and its part of the sandbox
    """
    refused: List[str] = []
    if version < TRIAL_SYSTEMD:
        return refused
    while True:
        settings = [row["setting"] for row in sandbox if row["since"] <= version and row["part"] not in refused]
        part = PART_OF_EXIT_CODE.get(run(*TRIAL, *(f"--property={setting}" for setting in settings), TRIED)[0])
        if part is None or part in refused or not settings:
            return refused
        refused.append(part)


def unit_states(names: "List[str]") -> "Dict[str, Dict[str, str]]":
    """Return the properties of units, by the names of the units."""
    properties = "--property=Id,UnitFileState,ActiveState,NeedDaemonReload"
    states = {}
    for block in run("systemctl", "show", properties, *names)[1].split("\n\n"):
        state = dict(line.partition("=")[::2] for line in block.splitlines())
        states[state.get("Id", "")] = state
    return states


def is_as_wanted(state: "Dict[str, str]", on: bool) -> bool:
    """Return whether a unit is enabled and active (`on`), or neither (not `on`)."""
    if on:
        return (state.get("UnitFileState"), state.get("ActiveState")) == ("enabled", "active")
    return state.get("UnitFileState", "") in ("", "disabled") and state.get("ActiveState") == "inactive"


def is_enabled_offline(name: str) -> bool:
    """Return whether a unit of an image is enabled. With SYSTEMD_OFFLINE=1, systemctl(1) only reads files."""
    return run("systemctl", "is-enabled", name, SYSTEMD_OFFLINE="1")[1].strip() == "enabled"


# -- SELinux ----------------------------------------------------------------------------------------------------------


def selinux_is_on() -> bool:
    """Return whether SELinux is on. Permissive counts, because it may be enforcing tomorrow.

    In a container, the kernel's file is missing or read-only, and the policy is the host's.
    """
    if shutil.which("selinuxenabled"):
        return run("selinuxenabled")[0] == 0
    return os.access(SELINUX_ENFORCE, os.W_OK)


def missing_tools() -> "List[str]":
    """Return the packages of SELinux tools that are missing."""
    packages = {
        "semanage": "policycoreutils-python-utils (for semanage)",
        "restorecon": "policycoreutils (for restorecon)",
        "matchpathcon": "libselinux-utils (for matchpathcon; selinux-utils on Debian and Ubuntu)",
    }
    return [packages[tool] for tool in packages if not shutil.which(tool)]


def missing_selinux_tools() -> "List[str]":
    missing = missing_tools()
    what = "SELinux is on, and the file contexts of the spool cannot be managed without these packages"
    return [f"{what}: {', '.join(missing)}. Install them."] if missing else []


def labels_are_right() -> bool:
    """Return whether the files that sshd writes have the right type, and the policy assigns that type to them."""
    for directory in (SPOOL, OVERFLOW):
        if not os.path.isdir(directory) or type_in(run("matchpathcon", "-n", directory)[1]) != TYPE:
            return False
        for root, directories, files in os.walk(directory):
            if any(not has_right_label(os.path.join(root, name)) for name in ["", *directories, *files]):
                return False
    return True


def has_right_label(path: str) -> bool:
    try:
        label = os.getxattr(path.rstrip("/"), "security.selinux", follow_symlinks=False)
    except OSError as error:
        return error.errno == errno.ENOENT  # a login or the sender has just moved it
    return type_in(label.decode("utf-8", "replace").rstrip("\0")) == TYPE


def type_in(label: str) -> str:
    parts = label.strip().split(":")
    return parts[2] if len(parts) > 2 else ""


def has_file_contexts() -> bool:
    """Return whether the policy contains the role's file contexts."""
    policy = re.search(r"^SELINUXTYPE=[ \t]*(\S+)", text_of(os.path.join(SELINUX, "config")), re.M)
    if not policy:
        return False
    rules = os.path.join(SELINUX, policy.group(1), "contexts", "files", "file_contexts.local")
    return f"/{os.path.basename(SPOOL)}(/.*)?" in text_of(rules)


# -- foreign files at the notifier's paths ----------------------------------------------------------------------------


def foreign_program(state: str) -> "Iterator[str]":
    """Yield a problem if the program is not ours. A damaged one of ours still has its package."""
    text = text_of(PROGRAM)
    if text and not os.path.isdir(LIBRARY) and "ssh_login_notify" not in text:
        if state == "present":
            yield (
                f"{PROGRAM} was written by hand and has the notifier's name. Rename it, in its PAM line as well (mv"
                f" {PROGRAM} {PROGRAM}.sh), and set ssh_login_notify_adopt: true to have it replaced."
            )
        else:
            yield f"{PROGRAM} was written by hand and is not the notifier: there is nothing to remove."


def has_foreign_configuration() -> bool:
    """Return whether the file at the path of the configuration is not ours. Ours is a JSON object."""
    text = text_of(CONFIGURATION)
    return bool(text) and not text.lstrip().startswith("{")


def hand_made(
    wanted: "Dict[str, Any]", texts: "Dict[str, str]", foreign_configuration: bool, problems: "List[str]"
) -> "Dict[str, Any]":
    """Look for a hand-made notifier. If it can't be replaced, append the reason to `problems`."""
    known = [command.split() for command in wanted["adopt_commands"]]
    found, elsewhere, others = [], [], []
    for service, text in texts.items():
        is_ours = service in wanted["pam_services"]
        for command in pam_stack.commands(text):
            line = f"{pam_files.path_of(service)}: {' '.join(command)}"
            if any(command[: len(words)] == words for words in known):
                found.append(line)
                elsewhere += [] if is_ours else [line]
            elif is_ours and command[0] != PROGRAM:
                others.append(line)
    if not wanted["adopt"]:
        problems += hand_made_problems(found, foreign_configuration)
    elif elsewhere:
        problems.append(
            f"A hand-made notifier runs in files that ssh_login_notify_pam_services does not name, so it cannot be"
            f" replaced in one step ({'; '.join(elsewhere)}). Remove the line there, or add the service."
        )
    left = any(map(os.path.lexists, wanted["adopt_files"]))
    return {
        "adopts": bool(wanted["adopt"] and (found or foreign_configuration or left)),
        "other_commands": others,
    }


def hand_made_problems(found: "List[str]", foreign_configuration: bool) -> "Iterator[str]":
    if found:
        yield (
            f"A hand-made notifier is already installed and runs at each login ({'; '.join(found)}), so each login"
            " would be reported twice. To replace it and set its files aside, set ssh_login_notify_adopt: true."
        )
    if foreign_configuration:
        yield (
            f"{CONFIGURATION} was written by hand and is not the notifier's. To set it aside, set"
            " ssh_login_notify_adopt: true; or move it away."
        )


# -- PAM --------------------------------------------------------------------------------------------------------------


def of_all(found: "List[sshds.Sshd]") -> "List[str]":
    return [service for sshd in found for service in sshd.services]


def installed_services() -> "List[str]":
    """Return the services in the installed configuration, whose files the role has edited."""
    services = installed_setting("pam_services")
    return [service for service in services if isinstance(service, str)] if isinstance(services, list) else []


def installed_metrics() -> "List[str]":
    """Return the path of the metrics file from the installed configuration, if there is one."""
    path = installed_setting("metrics_file")
    return [path] if isinstance(path, str) and path.startswith("/") and path.endswith(".prom") else []


def installed_setting(name: str) -> "Any":
    """Return a value from the installed configuration, or None if it is missing."""
    try:
        return json.loads(text_of(CONFIGURATION))[name]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def service_texts(known: "Set[str]") -> "Dict[str, str]":
    """Return the texts of the files in /etc/pam.d that are used and run a command, by their names.

    A file is used if it is one of `known`, if a program has its name (pam(8)), if one of these includes it, or if a
    package has installed it. Any other file is a copy that somebody made.
    """
    directory = os.path.dirname(pam_files.path_of(""))
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    used = pam_files.used_by({pam_files.FALLBACK, *known, *filter(shutil.which, names)})
    texts = {}
    for name in names:
        text = pam_text(pam_files.path_of(name)) or ""
        if name != TEST_SERVICE and pam_stack.commands(text) and (name in used or is_of_a_package(name)):
            texts[name] = text
    return texts


def is_of_a_package(service: str) -> bool:
    return any(run(*command, pam_files.path_of(service))[0] == 0 for command in OWNERS if shutil.which(command[0]))


def services_with_the_program(texts: "Dict[str, str]") -> "List[str]":
    """Return the services that run the program, including those that are no longer in the settings."""
    return [
        name
        for name, text in texts.items()
        if not os.path.islink(pam_files.path_of(name)) and pam_stack.find(text, PROGRAM)
    ]


def pam(services: "List[str]") -> "Dict[str, Any]":
    """Return the faults in the PAM lines of services, and whether users can set the program's environment."""
    faults, user_environment = {}, False
    for service in services:
        path = pam_files.path_of(service)
        text = None if os.path.islink(path) else pam_text(path)
        fault = "cannot be added to what is there" if text is None else pam_stack.fault(text, PROGRAM, pam_files.find)
        if fault:
            faults[service] = fault
        readers = pam_stack.user_environment_readers(path, text or "", pam_files.find)
        user_environment = user_environment or any(reader["part"] == "auth" for reader in readers)
    return {"pam_faults": faults, "user_environment": user_environment}


def pam_edits(wanted: "Dict[str, Any]", adopts: bool) -> "Tuple[bool, List[str]]":
    """Return whether the module pam_exec_line would change a file or print a warning, and what it would refuse.

    So a file that can't be edited is refused before anything is installed, and most runs need not start the module.
    """
    line = pam_line.PamExecLine(
        PROGRAM, wanted["adopt_commands"] if adopts else [], pam_files.find, wanted["copy_vendor"]
    )
    due, refusals = False, []
    for service in wanted["pam_services"]:
        path = pam_files.path_of(service)
        try:
            before = pam_line.read(path)
            vendor = pam_line.vendor_file(service, paths.PAM_DIRECTORIES[1:])
            plan = line.present(path, before, vendor, wanted["accept"])
        except pam_stack.PamStackError as error:
            refusals.append(f"{path} was left unchanged: {error}")
        except OSError as error:
            refusals.append(f"{path} could not be changed: {error}.")
        else:
            due = due or plan.text != before or bool(plan.warnings)
    return due, refusals


def pam_text(path: str) -> "Optional[str]":
    """Return the text of a PAM file, or None if it can't be read or is not text."""
    try:
        return pam_files.read(path)
    except (OSError, pam_stack.PamStackError):
        return None


def pam_exec_problems() -> "Iterator[str]":
    if not any(glob.glob(os.path.join(directory, "pam_exec.so")) for directory in PAM_EXEC):
        yield (
            "pam_exec.so is missing: install the package that contains it (libpam-modules on Debian and Ubuntu, pam on"
            " Red Hat and SUSE)."
        )


# -- sshd: without UsePAM, or with an unlisted PAM service, no session is reported ------------------------------------


def sshd_problems(found: "List[sshds.Sshd]", services: "List[str]", accept: "List[str]") -> "Iterator[str]":
    """Yield the reasons why logins through an sshd would not be reported."""
    if not found:
        yield "sshd was not found: install the OpenSSH server (openssh-server) first."
    if "unreported_sshd" in accept:
        return
    for sshd in found:
        if sshd.use_pam is None:
            yield (
                f"The settings of {sshd.title} cannot be read, because `sshd -T` fails and there is no"
                f" {sshd.configuration}: repair its configuration."
            )
    for fault in sshds.faults(found, services):
        yield f"{fault.what}: {fault.mend}. To install anyway, set ssh_login_notify_accept: [unreported_sshd]."


def sshd_notes(found: "List[sshds.Sshd]") -> "Iterator[str]":
    """Yield facts about the host's sshds that an operator should know. They require no action."""
    if len(found) > 1:
        yield f"{len(found)} sshds accept logins on this host: {'; '.join(sshd.title for sshd in found)}."
    for version in sorted({version for version in map(sshds.Sshd.version, found) if version}):
        for since, what in GIVEN_TO_PAM:
            if version < since:
                yield "OpenSSH {}.{} {}.".format(*version, what.format(*since))


# -- files and directories that root trusts ---------------------------------------------------------------------------


def open_directories(accept: "List[str]") -> "Iterator[str]":
    """Yield a problem for each directory that other users can write to, except the notifier's own.

    The role repairs those.
    """
    if "writable_directories" in accept:
        return
    shared = [os.path.dirname(path) if path in (LIBRARY, SPOOL) else path for path in trust.TRUSTED]
    for directory in trust.open_directories(shared):
        yield (
            f"Users other than root can write to {directory}, which contains programs of root: chown root:root"
            f" {directory}, chmod go-w {directory}. To install anyway, set ssh_login_notify_accept:"
            " [writable_directories]."
        )


def ca_file_problems(path: str) -> "Iterator[str]":
    """Yield the reason why the sender can't use a file of certificate authorities, if there is one."""
    if not path:
        return
    try:
        trust.tls_context(path)
        why = out_of_reach(os.path.normpath(path)) or out_of_reach(os.path.realpath(path))
    except (OSError, ValueError) as error:
        yield f"ssh_login_notify_ca_file: {path} cannot be used ({error}): it must be a PEM file on the host."
        return
    if why:
        yield (
            f"ssh_login_notify_ca_file: the sender cannot read {path} ({why}): put it below /etc/ssl or"
            " /usr/local/share, readable by all."
        )


def out_of_reach(path: str) -> str:
    """Return why the sender can't read a file in its unit's sandbox, without capabilities; or "" if it can."""
    for place in HIDDEN:
        if path.startswith(place + "/"):
            return "the sandbox of a unit hides " + place
    part, needed = path, 4
    while True:
        status = os.stat(part)
        shift = 6 if status.st_uid == 0 else 3 if status.st_gid == 0 else 0
        if not status.st_mode >> shift & needed:
            return f"root without capabilities has no permission for {part}"
        if part == "/":
            return ""
        part, needed = os.path.dirname(part), 1


# -- has an alert been delivered since anything was last changed? -----------------------------------------------------


def last_delivery() -> int:
    """Return when an alert was last delivered, in seconds since the epoch, or 0 if that is unknown.

    Return 0 as well while one of several channels fails.
    """
    # With several channels, the state of the spool's own queue only records what was routed to them.
    several = glob.glob(os.path.join(SPOOL, "channels", "*", "state", "sender.json"))
    found = [_last_delivery(path) for path in several or [os.path.join(SPOOL, "state", "sender.json")]]
    return 0 if several and None in found else max(at or 0 for at in found)


def _last_delivery(path: str) -> "Optional[int]":
    """Return the last delivery from a sender's state file: its time, 0 for never, or None if the channel fails."""
    try:
        # The sender's account can write there, so only a regular file is read.
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return 0
        state = json.loads(text_of(path))
        if state.get("trouble"):
            return None
        return int(state["recent"][-1]["delivered_at"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
        return 0


def last_change(services: "List[str]") -> int:
    """Return when a file of the notifier or a PAM file was last changed, in seconds since the epoch."""
    paths = [CONFIGURATION, PROGRAM, *glob.glob(os.path.join(LIBRARY, "**", "*.py"), recursive=True)]
    paths += [pam_files.path_of(service) for service in services]
    return max([int(os.stat(path).st_mtime) for path in paths if os.path.exists(path)], default=1)


# -- tools ------------------------------------------------------------------------------------------------------------


def run(*command: str, **environment: str) -> "Tuple[int, str]":
    """Run a command. Return its exit code and standard output, or 127 and no output if it can't be run."""
    try:
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
            timeout=COMMAND_SECONDS, env=dict(os.environ, **environment),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return 127, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")
