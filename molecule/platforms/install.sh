# SPDX-License-Identifier: GPL-3.0-or-later
# Runs while the image is built: installs systemd, sshd and what the scenarios use, by the distribution's package
# manager.
set -eu

if command -v apt-get > /dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq -y install --no-install-recommends apt ca-certificates cron dbus git iproute2 libfaketime libpam-systemd \
        openssh-client openssh-server openssh-sftp-server openssl passwd procps python3 rsync sudo systemd systemd-sysv
    rm -rf /var/lib/apt/lists/*
elif command -v dnf > /dev/null; then
    dnf -q -y install ca-certificates cronie dbus findutils git-core iproute openssh-clients openssh-server openssl \
        passwd procps-ng python3 rsync shadow-utils sudo systemd util-linux
    dnf -q clean all
elif command -v zypper > /dev/null; then
    zypper -q -n install ca-certificates cron dbus-1 git-core gzip iproute2 openssh openssl procps python3 rsync shadow \
        sudo systemd systemd-sysvinit tar
    zypper -q clean --all
else
    echo "This image has none of apt-get, dnf and zypper." >&2
    exit 1
fi

# An image from a registry can have masked or disabled units that a server runs.
systemctl set-default multi-user.target
systemctl mask systemd-firstboot.service
systemctl enable ssh.service 2> /dev/null || systemctl enable sshd.service
ssh-keygen -A
# If only the vendor has a PAM file for sshd, copy it, because the role edits no vendor's file.
[ -e /etc/pam.d/sshd ] || cp /usr/lib/pam.d/sshd /etc/pam.d/sshd
# Each container gets its own machine id.
: > /etc/machine-id
# While this file exists, sshd accepts root only.
rm -f /run/nologin /etc/nologin
