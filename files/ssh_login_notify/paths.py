# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every path, account and unit name of the notifier on a host.

The hook's own file keeps the two that it needs before it imports anything, and command.py the sign in /run.
"""

# What the role installs.
PROGRAM = "/usr/local/bin/ssh-login-notify"
LIBRARY = "/usr/local/lib/ssh-login-notify"
PACKAGE = LIBRARY + "/ssh_login_notify"
# Written by the role: {"files": {path: SHA-256}}.
MANIFEST = LIBRARY + "/manifest.json"
# Written by the role: what it found out about this host (units.py).
HOST = LIBRARY + "/host.json"
CONFIGURATION = "/usr/local/etc/ssh-notify.conf"

# Where alerts wait: on the disk, and in memory while the disk takes none.
SPOOL = "/var/spool/ssh-login-notify"
OVERFLOW = "/run/ssh-login-notify"

# The account, and the group of the same name, that sends.
USER = "ssh-login-notify"

# There where systemd has booted the host (sd_booted(3)).
SYSTEMD = "/run/systemd/system"
# Where /bin is not a link to /usr/bin, systemctl is in /bin only.
SYSTEMCTL = "/bin/systemctl"
PATH_UNIT = "/etc/systemd/system/ssh-login-notify.path"
SERVICE = "ssh-login-notify.service"
# After a failed run of these, systemd pauses before it starts them again.
RESTARTED = (SERVICE, "ssh-login-notify-follow.service")
SERVICES = (*RESTARTED, "ssh-login-notify-heartbeat.service")
# The units that must be active.
UNITS = (
    "ssh-login-notify.path",
    "ssh-login-notify-follow.path",
    "ssh-login-notify-path.timer",
    "ssh-login-notify.timer",
)

# In the order in which PAM looks (pam.d(5)).
PAM_DIRECTORIES = ("/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d")
# Installed by the role where SELinux is on, and only there.
TMPFILES = "/etc/tmpfiles.d/ssh-login-notify.conf"
