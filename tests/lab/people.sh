# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
# Make a container a server that people can log in to. Root runs this in it, before anybody deploys the notifier.
# KEY is the public key that opens the account `deploy`; AUTHORITY is the receiver's certificate authority.
set -eu
useradd --create-home --shell /bin/bash deploy
install --directory --owner=deploy --group=deploy --mode=0700 /home/deploy/.ssh
printf '%s\n' "$KEY" > /home/deploy/.ssh/authorized_keys
chown deploy:deploy /home/deploy/.ssh/authorized_keys
chmod 0600 /home/deploy/.ssh/authorized_keys
# Ansible needs every command as root.
echo 'deploy ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/deploy
chmod 0440 /etc/sudoers.d/deploy
visudo -cqf /etc/sudoers.d/deploy
# Her password is not-a-real-password.
useradd --create-home --shell /bin/bash --password \
    '$6$loginwatchtests$mDJ.qO92Z.rIEmhyJ1XEfCUdHL88g0wzymEiDBcEBcza1U0aF2X4SoCol0I2vlFo2GYihIX8MejrEONZvC.Mb0' rita
# A repository for git to fetch. git requires that it belongs to the account.
git init -q --bare /home/deploy/repository.git
chown -R deploy:deploy /home/deploy/repository.git
printf '%s\n' "$AUTHORITY" > /etc/ssl/certs/receiver.pem
# For tests that need the server without the notifier again.
cp -a /etc/pam.d/sshd /root/bare-sshd.pam
