# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
# Print the state of this server: the type, mode, owner and content of each file, each directory, each link.
# Left out is what changes by itself: logs, caches, run-time state, backups of the account tools, home directories.
set -eu
find / -xdev \
    \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp \
    -o -path /var/log -o -path /var/cache -o -path /var/lib/systemd -o -path /var/lib/private \
    -o -path /home -o -path /root -o -name '*.pyc' -path '/usr/lib/python3*' \
    -o -path '/etc/*-' -o -path /etc/.pwd.lock \) -prune \
    -o -printf '%M %U:%G %p %l\n' | sort
find /etc /usr/local /var/spool -xdev -type f ! -path '/etc/*-' -exec sha256sum {} + | sort -k 2
