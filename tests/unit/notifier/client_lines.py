# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines that clients of file transfers send, one per line.

RECORDED are lines of OpenSSH's scp, of rsync and of git with many options, recorded by a program in place of ssh
(rsync -e, scp -S, GIT_SSH). DOCUMENTED are lines of other clients and older versions, from their source code.
"""

from ssh_login_notify.login_types import GIT, RSYNC, SCP, SFTP_OR_SCP

RECORDED = {
    # rsync 3.2.3 (Debian 11), then what 3.2.7 and 3.4.1 (Debian 12, 13) send differently
    RSYNC: r"""
rsync --server -logDtpre.iLsfxCIvu . /srv/x
rsync --server -vlogDtprze.iLsfxCIvu --delete . backup/
rsync --server --sender -logDtpre.iLsfxCIvu . /srv/x/
rsync --server --sender -de.LsfxCIvu . .
rsync --server --sender -logDtpre.iLsfxCIvu . /srv/*.log
rsync --server --sender -logDtpre.iLsfxCIvu . ~/x y
rsync --server -logDtpre.iLsfxCIvu . größe
rsync --server -vlogDtpre.iLsfxCIvu --partial-dir .part . x
rsync --server -lHogDtpAXrSe.iLsfxCIvu --numeric-ids --fake-super . x
rsync --server -logDtprxe.iLsfxCIvu --log-format=%i --link-dest ../prev --link-dest ../prev2 . x
rsync --server -logDtpre.iLsfxCIvu --usermap=*:deploy --groupmap=*:www . x
rsync --server -logDtpre.iLsfxCIvu --compress-level=3 --checksum-choice=md5 --compress-choice=zstd --stats . x
rsync --server -nlDtprcIe.iLsfxCIvu --min-size 1024 --max-size 1048576 --size-only . x
rsync --server --sender -logDtpRe.LsfxCIvu --files-from /list . /
rsync --server --sender -logDtpRe.LsfxCIvu --files-from=- --from0 . /
rsync --server -logDtprSe.iLsfxCIvu --append --append . x
rsync --server --sender -logDtpre.iLsfxCIvu --remove-source-files . x
rsync --server -ldDRe.LsfxCIvu --no-implied-dirs . x
rsync --server -logDtpre.iLsfxCIvu --iconv=latin1 . x
rsync --server -logDtpre.iLsfxCIvu -B1000 --modify-window=2 --checksum-seed=7 . x
rsync --server -vvvvqe.LsfxCIvu --msgs2stderr . x
rsync --server --sender -logDtpre.iLsfxCIvu . a b c d
rsync --server -logDtpre.iLsfxCIvu --log-format=%i --log-file=/tmp/l . x
rsync --server --sender -logDtprze.iLsfxCIvu --skip-compress=gz/jpg . x
rsync --server --sender -de.LsfxCIvu --list-only . x
rsync --server -ulKmOJogDtprCe.iLsfxCIvu . x
rsync --server -logDtpre.iLsfxCIvu --only-write-batch=X . x
rsync --server -logDtpre.iLsfxCIvu --delay-updates --ignore-existing --existing --preallocate --open-noatime . x
rsync --server -logDtpre.iLsfxCIvu --no-specials --delete-excluded --force --super --ignore-errors --copy-unsafe-links --safe-links . x
rsync --server -logDtpre.iLsfxCIvu --usermap=0-99:nobody,*:normal --groupmap=*:x . x
rsync --server -logDtpre.iLsfxCIvu --max-alloc 2g --delete-missing-args --inplace --write-devices . x
rsync --server -logDtpre.iLsfxCIvu . ./-dash
rsync --server --sender -logDtpre.iLsfxCIvu . ~/x\ y
rsync --server -logDtpre.iLsfxCIvu . a\ b\'s\ \(1\)\ \&\ \$x\;\#\!
rsync --server -logDtpre.iLsfxCIvu --usermap=\*:deploy --groupmap=\*:www . x
rsync --server -blogDtpre.iLsfxCIvu --backup-dir /b/a\ b --suffix=.old --max-delete=5 --delete-after . x
rsync --server -nlDtprcIe.iLsfxCIvu --min-size=1024 --max-size=1048576 --size-only . x
rsync --server --sender -logDtpre.iLsfxCIvu . a b c\ d
rsync --server --sender -logDtpre.iLsfxCIvu . a b
rsync --server -logDtpre.iLsfxCIvu --usermap=0-99:nobody,\*:normal --groupmap=\*:x . x
rsync --server -logDtpre.iLsfxCIvu --max-alloc=2g --delete-missing-args --inplace --write-devices . x
""",  # noqa: E501 - as the client sent it
    # OpenSSH 8.4, and 9.2 and 10.0 with -O
    SCP: r"""
scp -t .
scp -r -t /srv
scp -v -r -p -t x
scp -d -t dir
scp -p -f /srv/f
scp -f a b
scp -f "a b"
scp -f /srv/*.log
scp -t -- -x
scp -f -- -x
scp -t b
scp -f a
""",
    # git 2.30, 2.39, 2.47
    GIT: r"""
git-upload-pack '/srv/x.git'
git-upload-pack '~/x y.git'
git-upload-pack 'it'\''s'\!''
/usr/bin/git-upload-pack 'größe.git'
git upload-pack 'x.git'
git-upload-archive 'x.git'
git-receive-pack '/srv/x.git'
""",
}

DOCUMENTED = {
    # options.c of rsync 2.6.9, 3.0.9, 3.1.3, a version before its release, and 3.5.0; -M sends what it is given
    RSYNC: r"""
rsync --server -vlogDtpr . /srv/x
rsync --server --sender -vlogDtprz . /srv/x /srv/y
rsync --server -logDtpre.iLsf . /srv/x
rsync --server -vlogDtpre.iLsfx --numeric-ids --log-format=X . /srv/x
rsync --server -vlogDtpre31.14iLsfxC --delete-during . /srv/x
rsync --server -logDtpre.iLsfxC --usermap=*:deploy --groupmap=*:www . /srv/x
rsync --server -logDtpre.iLsfxC --backup-dir ~/old --suffix=.bak --min-size 1k --max-size 1M . /srv/x
rsync --server -logDtpre.iLsfxC --log-format=%i%I --no-W -B131072 -@-1 --max-delete=-1 . /srv/x
rsync --server --sender -logDtpre.iLsfxC . "a b" 'c d' /srv/{x,y}/*
rsync --server -yyUUNtpre.iLsfxCIvu --fsync --mkpath --temp-dir /tmp --copy-dest /c --compare-dest /d . x
rsync --server -vlogDtpre.iLsfxCIvu --info=BACKUP,COPY2 --debug=ALL --no-msgs2stderr . x
rsync --server -vlogDtprze.iLsfxCIvu --new-compress . \~x
/usr/bin/rsync --server -vlogDtpr . /srv/x
""",
    # scp.c of PuTTY (pscp) as OpenSSH's; libssh2_scp_recv2 and _send_ex; ssh_scp_init of libssh; net-scp; Go's; JSch
    SCP: r"""
scp -v -r -p -d -t /srv
exec scp -p -t /srv
scp -p -f /srv/a b
scp -f '/srv/a b'
scp -pt '/srv/a b'
scp -pf '/srv/a'"'"'b'
scp -t  /srv/x
scp -t -r /srv/x
scp -t -r -v -p /srv/a\ \(1\)\=b
scp -qrt .
scp -rvt ~/x
/usr/bin/scp -t /srv
""",
    # connect.c of git, with git-shell in the place of a shell; a path that is typed by hand
    GIT: r"""
git-upload-pack 'a b'\''c'
exec git-upload-pack '/srv/x.git'
git receive-pack '/srv/x.git'
git-upload-pack "/srv/x.git"
git-receive-pack /srv/x.git
git-shell -c "git-upload-pack '/srv/x.git'"
""",
    # sftp-server(8), as sshd_config's Subsystem and `sftp -s` name it
    SFTP_OR_SCP: r"""
/usr/lib/openssh/sftp-server
/usr/libexec/openssh/sftp-server -l INFO
/usr/lib/ssh/sftp-server -f AUTHPRIV -l INFO -u 0027 -d /srv/%u
/usr/libexec/sftp-server -R -e -P remove,rename -p read
/usr/lib/sftp-server
/usr/lib64/ssh/sftp-server
/usr/lib64/misc/sftp-server -l VERBOSE
/usr/lib/ssh/sftp-server
/usr/local/libexec/sftp-server
/lib/openssh/sftp-server
exec /usr/lib/openssh/sftp-server
exec /usr/libexec/openssh/sftp-server -l INFO -R
""",
}


def lines(*tables):
    """Return every line of the tables, with its kind."""
    texts = [(text, kind) for table in tables for kind, text in table.items()]
    return [(line.encode("utf-8"), kind) for text, kind in texts for line in text.split("\n") if line]
