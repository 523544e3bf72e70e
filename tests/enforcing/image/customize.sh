# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
# Run inside the new root file system: make it one that boots with SELinux enforcing, and that people log in to.
set -eu
printf 'SELINUX=enforcing\nSELINUXTYPE=default\n' > /etc/selinux/config
echo enforcing > /etc/hostname
echo 0123456789abcdef0123456789abcdef > /etc/machine-id
echo '/dev/vda / ext4 defaults 0 1' > /etc/fstab
# The addresses are those of qemu's user network. 10.0.2.2 is the machine that qemu runs on.
printf '127.0.0.1 localhost enforcing\n10.0.2.2 receiver\n' > /etc/hosts
cat > /etc/systemd/network/10-qemu.network << END
[Match]
Name=e*

[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
IPv6AcceptRA=no
LinkLocalAddressing=no
END
systemctl enable systemd-networkd.service
systemctl mask apt-daily.timer apt-daily-upgrade.timer systemd-networkd-wait-online.service
AUTHORITY='' sh /root/people.sh
rm -rf /root/customize.sh /root/people.sh /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
# The build machine's kernel need not have SELinux: setfiles writes the labels all the same.
setfiles -F -e /proc -e /sys -e /dev /etc/selinux/default/contexts/files/file_contexts /
