# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
# Run inside the new root file system, whichever way it was made.
set -eu
# No downloads behind the tests' backs.
systemctl mask apt-daily.timer apt-daily-upgrade.timer
# Each container is a machine of its own.
: > /etc/machine-id
rm -rf /root/customize.sh /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
