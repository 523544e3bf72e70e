# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every path, account and unit name of the notifier on a host.

There are two exceptions. The hook's own file has the two paths that it needs before it imports anything, and command.py
has the path of its marker in /run.
"""

# What the role installs.
PROGRAM = "/usr/local/bin/ssh-login-notify"
LIBRARY = "/usr/local/lib/ssh-login-notify"
PACKAGE = LIBRARY + "/ssh_login_notify"
# Written by the role: {"files": {path: SHA-256}}.
MANIFEST = LIBRARY + "/manifest.json"
# Written by the role: what it has detected on this host (units.py).
HOST = LIBRARY + "/host.json"
CONFIGURATION = "/usr/local/etc/ssh-notify.conf"

# Where alerts wait: on the disk, or in memory while the disk accepts none.
SPOOL = "/var/spool/ssh-login-notify"
OVERFLOW = "/run/ssh-login-notify"

# The account that sends, and the group of the same name.
USER = "ssh-login-notify"

# Exists if systemd has booted the host (sd_booted(3)).
SYSTEMD = "/run/systemd/system"
# Where /bin is not a link to /usr/bin, systemctl is in /bin only.
SYSTEMCTL = "/bin/systemctl"
PATH_UNIT = "/etc/systemd/system/ssh-login-notify.path"
SERVICE = "ssh-login-notify.service"
# After a failed run of these, systemd pauses before it starts them again.
RESTARTED = (SERVICE, "ssh-login-notify-follow.service")
# The command of the program that each service runs.
SERVICES = {
    SERVICE: "send",
    "ssh-login-notify-follow.service": "follow",
    "ssh-login-notify-heartbeat.service": "heartbeat",
    "ssh-login-notify-tamper.service": "tamper-check",
}
# The units that must be active.
WAKING_UNIT = "ssh-login-notify.path"
UNITS = (
    WAKING_UNIT,
    "ssh-login-notify-follow.path",
    "ssh-login-notify-path.timer",
    "ssh-login-notify.timer",
    "ssh-login-notify-tamper.timer",
)
UNIT_DIRECTORY = "/etc/systemd/system"

# In the order in which PAM looks (pam.d(5)).
PAM_DIRECTORIES = ("/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d")
# Installed by the role where SELinux is on, and only there.
TMPFILES = "/etc/tmpfiles.d/ssh-login-notify.conf"
