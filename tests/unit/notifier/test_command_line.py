# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""command_line: the lines of transfer clients are transfers, all others are commands, and no argument is shown.

tests/unit/shells runs such lines in real shells.
"""

import client_lines
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ssh_login_notify.command_line import LONGEST_LINE_BYTES, classify_command, classify_program
from ssh_login_notify.login_types import COMMAND, GIT, RSYNC, SCP, SFTP_OR_SCP
from ssh_login_notify.processes import CUT


@pytest.mark.parametrize(("command", "found"), client_lines.lines(client_lines.RECORDED, client_lines.DOCUMENTED))
def test_a_line_that_a_client_sends_is_its_transfer(command, found):
    assert classify_command(command) == found


@pytest.mark.parametrize(
    ("command", "found"),
    [
        # more than one program, or one that is not clear
        (b"scp -t x; sh", "SSH (command: scp and more)"),
        (b"rsync --server . & sh", "SSH (command: rsync and more)"),
        (b"rsync --server . && sh", "SSH (command: rsync and more)"),
        (b"rsync --server . | sh", "SSH (command: rsync and more)"),
        (b"rsync --server .\nsh", "SSH (command: rsync and more)"),
        (b"rsync --server . $(sh)", "SSH (command: rsync and more)"),
        (b"rsync --server . `sh`", "SSH (command: rsync and more)"),
        (b"rsync --server . <(sh)", "SSH (command: rsync and more)"),
        (b"rsync --server . > /etc/cron.d/x", "SSH (command: rsync)"),
        (b'git-upload-pack "$(sh)"', "SSH (command: git-upload-pack and more)"),
        (b'git-upload-pack "`sh`"', "SSH (command: git-upload-pack and more)"),
        # old Bourne shells' pipe, and older fish's redirection
        (b"rsync --server . ^sh", "SSH (command: rsync)"),
        # quotes that hide an operator from a simple parser
        (b"git-upload-pack \"it's\"; sh #'", "SSH (command: git-upload-pack and more)"),
        (b"git-upload-pack '\"'; sh #\"", "SSH (command: git-upload-pack and more)"),
        (b"git-upload-pack $'\\''; sh #'", "SSH (command: git-upload-pack and more)"),
        (b"git-upload-pack \\'; sh #'", "SSH (command: git-upload-pack and more)"),
        (b"git-upload-pack \\\\'' ; sh", "SSH (command: git-upload-pack and more)"),
        (b"git-upload-pack 'x", "SSH (command: git-upload-pack)"),
        # a backslash in quotes: in fish the first text ends after the third quote, in csh the second after the second
        (b"git-upload-pack 'a\\'' ; sh #'", "SSH (command: git-upload-pack)"),
        (b'git-upload-pack "a\\"; sh #"', "SSH (command: git-upload-pack)"),
        (b"git-upload-pack ';sh;' !#:1", "SSH (command: git-upload-pack)"),
        (b"git-upload-pack 'x!'", "SSH (command: git-upload-pack)"),
        # variables that the client can set (AcceptEnv LC_*) and whose value is executed
        (b"git-upload-pack ${LC_A@P}", "SSH (command: git-upload-pack)"),
        (b'git-upload-pack "${LC_A@P}"', "SSH (command: git-upload-pack)"),
        (b"git-upload-pack $[LC_A]", "SSH (command: git-upload-pack)"),
        # a client that can be told to run any program, not the server's side
        (b"scp -S /tmp/evil -o -t host:x .", "SSH (command: scp)"),
        (b"scp -t -S /tmp/evil x", "SSH (command: scp)"),
        (b"scp -t x -S /tmp/evil", "SSH (command: scp)"),
        (b"scp -tS/tmp/evil x", "SSH (command: scp)"),
        (b"scp -t -f x", "SSH (command: scp)"),
        (b"scp -t", "SSH (command: scp)"),
        (b"scp -t --", "SSH (command: scp)"),
        (b"scp a b", "SSH (command: scp)"),
        (b"scp", "SSH (command: scp)"),
        (b"scp - -t", "SSH (command: scp)"),
        (b"rsync -e sh --server", "SSH (command: rsync)"),
        (b"rsync --server -e sh . x", "SSH (command: rsync)"),
        (b"rsync --server -esh . x", "SSH (command: rsync)"),
        (b"rsync --server --rsh=sh . x", "SSH (command: rsync)"),
        (b"rsync --server -vlogDtpre.iLsf", "SSH (command: rsync)"),
        (b"git -c core.sshCommand=sh upload-pack x", "SSH (command: git)"),
        (b"git upload-packs x", "SSH (command: git)"),
        (b"git-shell", "SSH (command: git-shell)"),
        (b"git-shell -c sh", "SSH (command: sh)"),
        # a manual in a pager, which has a shell
        (b"git-upload-pack --help", "SSH (command: git-upload-pack)"),
        (b"git-upload-pack \\\n--help", "SSH (command: git-upload-pack)"),
        (b"git upload-pack '--help'", "SSH (command: git)"),
        (b"git upload-pack ''--help", "SSH (command: git)"),
        (b"git-receive-pack {--help,x}", "SSH (command: git-receive-pack)"),
        (b"git-upload-archive *", "SSH (command: git-upload-archive)"),
        (b"git-upload-archive a*", "SSH (command: git-upload-archive)"),
        (b"git-upload-pack a --help", "SSH (command: git-upload-pack)"),
        (b"git-upload-pack", "SSH (command: git-upload-pack)"),
        (b"git-upload-pack ''", "SSH (command: git-upload-pack)"),
        # a daemon, which runs what its configuration says, or a line that can become one
        (b"rsync --server --daemon .", "SSH (command: rsync)"),
        (b"rsync --server --daemon --config=x .", "SSH (command: rsync)"),
        (b"rsync --server . --daemon", "SSH (command: rsync)"),
        (b"rsync --server . x --config=rsyncd.conf", "SSH (command: rsync)"),
        (b"rsync --server --da''em\\on .", "SSH (command: rsync)"),
        (b"rsync --server '--daemon' .", "SSH (command: rsync)"),
        (b"rsync --server -\\\n-daemon --config=rsyncd.conf .", "SSH (command: rsync)"),
        (b"rsync --server {--daemon,.}", "SSH (command: rsync)"),
        (b"rsync --server -{-daemon,v} .", "SSH (command: rsync)"),
        (b"rsync --server --temp-dir /{a,b} . x", "SSH (command: rsync)"),
        (b"rsync --server * .", "SSH (command: rsync)"),
        (b"rsync --server . *.log", "SSH (command: rsync)"),
        (b"rsync --server . ''*", "SSH (command: rsync)"),
        (b"rsync --server [-]* .", "SSH (command: rsync)"),
        # with secluded arguments the options come later
        (b"rsync --server -se.LsfxCIvu", "SSH (command: rsync)"),
        (b"rsync --server -slogDtpre.iLsfxCIvu . x", "SSH (command: rsync)"),
        (b'rsync --server -v"s" . x', "SSH (command: rsync)"),
        (b"rsync --server --secluded-args . x", "SSH (command: rsync)"),
        (b"rsync --server --protect-args . x", "SSH (command: rsync)"),
        # a user's own program with the same name
        (b"/tmp/rsync --server . x", "SSH (command: rsync)"),
        (b"/rsync --server . x", "SSH (command: rsync)"),
        (b"./scp -t x", "SSH (command: scp)"),
        (b"sftp-server", "SSH (command: sftp-server)"),
        (b"exec sftp-server", "SSH (command: sftp-server)"),
        (b"exec ./sftp-server", "SSH (command: sftp-server)"),
        (b"exec -c /usr/lib/openssh/sftp-server", "SSH (command: sftp-server)"),
        (b"exec exec /usr/lib/openssh/sftp-server", "SSH (command: sftp-server)"),
        (b"exec /usr/lib/openssh/sftp-server; id", "SSH (command: sftp-server and more)"),
        (b"exec env /usr/lib/openssh/sftp-server", "SSH (command: sftp-server)"),
        (b"/usr/lib/openssh/../../../home/eve/sftp-server", "SSH (command: sftp-server)"),
        (b"/usr/lib/eve/sftp-server", "SSH (command: sftp-server)"),
        (b"/home/eve/sftp-server", "SSH (command: sftp-server)"),
        (b"/usr/lib/openssh/sftp-server; sh", "SSH (command: sftp-server and more)"),
        (b"PATH=/tmp rsync --server . x", "SSH (command: rsync)"),
        (b"exec -a rsync evil --server . x", "SSH (command: evil)"),
        (b"env rsync --server . x", "SSH (command: rsync)"),
        (b"'rsync' --server . x", "SSH (command: rsync)"),
        # one word for a shell, because only space, tab and line end are blanks: a path to a user's own program
        (b"scp\x0b-t\x0bx", COMMAND),
        (b"scp\x0c-t x", COMMAND),
        (b"scp\r-t x", COMMAND),
        (b"scp\xc2\xa0-t x", COMMAND),
        (b"/usr/bin/scp\x1f-t x", COMMAND),
        # blanks in some shells: fish treats a carriage return as one
        (b"rsync --server . x\r--daemon", "SSH (command: rsync)"),
        (b"rsync --server . x\xe2\x80\x83--daemon", "SSH (command: rsync)"),
        (b"rsync --server . x\xe3\x80\x80--daemon", "SSH (command: rsync)"),
        (b"rsync --server . x\xc2\x85--daemon", "SSH (command: rsync)"),
        (b"rsync --server . x\x0b--daemon", "SSH (command: rsync)"),
        # two words for a shell in a locale of Shift-JIS, Big5 or GBK, whose characters can end with a backslash
        ("rsync --server . 一\\ --daemon".encode(), "SSH (command: rsync)"),
        # invalid text
        (b"rsync --server . x\xff", "SSH (command: rsync)"),
        (b"rsync --server . x\0--daemon", "SSH (command: rsync and more)"),
        # words that zsh, csh and ksh expand
        (b"rsync --server . =sh", "SSH (command: rsync)"),
        (b"rsync --server . ~+", "SSH (command: rsync)"),
        (b"rsync --server . a=~", "SSH (command: rsync)"),
        (b"rsync --server --suffix=~ . x", "SSH (command: rsync)"),
        (b"rsync --server . ~[x]", "SSH (command: rsync)"),
    ],
)
def test_a_lookalike_of_a_transfer_is_a_command(command, found):
    assert classify_command(command) == found


@pytest.mark.parametrize("padding", [LONGEST_LINE_BYTES, 1 << 16])
def test_unread_arguments_do_not_count_as_absent(padding):
    start = b"rsync --server . " + padding * b"a"
    assert classify_command(start) == "SSH (command: rsync)"
    assert classify_command(start + CUT) == "SSH (command: rsync and more)"
    assert classify_command(start + b"; id") == "SSH (command: rsync and more)"
    assert classify_command(b"rsync --server . x" + CUT) == "SSH (command: rsync and more)"
    assert classify_program(start.split(b" "), b"/usr/bin/rsync") == RSYNC
    assert classify_program((start + CUT).split(b" "), b"/usr/bin/rsync") == "SSH (command: rsync)"


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (b"mysql -phunter2", "SSH (command: mysql)"),
        (b"TOKEN=hunter2 deploy", "SSH (command: deploy)"),
        (b"TOKEN='hunter2 hunter2' deploy", "SSH (command: deploy)"),
        (b"A=1 B=2", COMMAND),
        (b"TOKEN=$(echo hunter2 x) deploy", COMMAND),
        (b"TOKEN=`echo hunter2 x` deploy", COMMAND),
        (b"TOKEN=(a hunter2 b) deploy", COMMAND),
        (b"TOKEN=${X:-a hunter2 b} deploy", COMMAND),
        (b"TOKEN=$[1 +hunter2 -1] deploy", COMMAND),
        (b'TOKEN="a\\" hunter2" deploy', COMMAND),
        (b"TOKEN=$'a\\' hunter2' deploy", COMMAND),
        (b"TOKEN='hunter2", COMMAND),
        (b"./a=b hunter2", COMMAND),
        (b"<<<hunter2 cat", COMMAND),
        (b">hunter2 echo", COMMAND),
        (b"$hunter2", COMMAND),
        (b"${X:-a/b c/hunter2 d}", COMMAND),
        (b"hunter2" * 9, COMMAND),
        (b"echo\x1bhunter2", COMMAND),
        ("größe hunter2".encode(), COMMAND),
        (b"", COMMAND),
        (b"   ", COMMAND),
        (b";;", COMMAND),
        (b"/opt/my\\ tools/run hunter2", "SSH (command: run)"),
        (b"'/opt/my tools/run' hunter2", "SSH (command: run)"),
        (b"$HOME/bin/run hunter2", "SSH (command: run)"),
        (b"\\ls hunter2", COMMAND),
    ],
)
def test_a_command_shows_its_program_and_nothing_that_may_be_a_secret(command, found):
    assert classify_command(command) == found


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (b"echo plain; sleep 1", "SSH (command: echo and more)"),
        (b"ls | wc -l", "SSH (command: ls and more)"),
        (b"make && make install", "SSH (command: make and more)"),
        (b"make\nmake install", "SSH (command: make and more)"),
        (b"( umask 77; make )", "SSH (command: make)"),
        (b"echo $(id)", "SSH (command: echo and more)"),
        (b'echo "$(id)"', "SSH (command: echo and more)"),
        (b"diff <(id) x", "SSH (command: diff and more)"),
        (b"echo 'a; b' \"c | d\" e\\;f", "SSH (command: echo)"),
        (b"grep 'a\\|b' x", "SSH (command: grep)"),
        (b"make > log 2>&1 &", "SSH (command: make)"),
        (b"make &> log;", "SSH (command: make)"),
        (b'echo "$HOME ${PATH}"', "SSH (command: echo)"),
        (b"cat <<EOF\nhunter2\nEOF", "SSH (command: cat and more)"),
    ],
)
def test_of_several_commands_it_is_said_that_there_are_more(command, found):
    assert classify_command(command) == found


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (b"exec deploy hunter2", "SSH (command: deploy)"),
        (b"exec -cla hunter2 deploy", "SSH (command: deploy)"),
        (b"command deploy", "SSH (command: deploy)"),
        (b"command -v deploy", "SSH (command: command)"),
        (b"env A=hunter2 B='hunter2 hunter2' deploy", "SSH (command: deploy)"),
        (b"env -i -u HOME --chdir=/srv PATH=/bin deploy", "SSH (command: deploy)"),
        (b"env -S 'deploy hunter2' hunter2", "SSH (command: env)"),
        (b"env A=$(echo hunter2 x) deploy", "SSH (command: env and more)"),
        (b"nohup deploy &", "SSH (command: deploy)"),
        (b"timeout 5 deploy", "SSH (command: deploy)"),
        (b"timeout -k 5s --signal=KILL 2.5m deploy", "SSH (command: deploy)"),
        (b"timeout hunter2 deploy", "SSH (command: timeout)"),
        (b"nice -n 5 deploy", "SSH (command: deploy)"),
        (b"nice -5 deploy", "SSH (command: deploy)"),
        (b"nice deploy", "SSH (command: deploy)"),
        (b"ionice -c2 -n 7 nice -n19 deploy", "SSH (command: deploy)"),
        (b"sudo -u deploy -- deploy hunter2", "SSH (command: deploy)"),
        (b"sudo -nu deploy TOKEN=hunter2 /opt/deploy hunter2", "SSH (command: deploy)"),
        (b"sudo --password hunter2 deploy", "SSH (command: sudo)"),
        (b"sudo -i", "SSH (command: sudo)"),
        (b"sudo", "SSH (command: sudo)"),
        (b'sudo "$DEPLOY" hunter2', "SSH (command: sudo)"),
        (b"sudo -u 'a\\' hunter2", "SSH (command: sudo)"),
        (b"sudo env A=b nohup timeout 5 deploy", "SSH (command: deploy)"),
        (b"cd /srv && ./deploy.sh hunter2", "SSH (command: deploy.sh)"),
        (b"cd /srv; export TOKEN=hunter2; A=b; umask 77; exec ./deploy.sh; exit", "SSH (command: deploy.sh)"),
        (b"cd /srv && make && make install", "SSH (command: make and more)"),
        (b"cd /srv", "SSH (command: cd)"),
        (b"cd 'a\\'; hunter2 '", "SSH (command: cd and more)"),
        (b"cd /srv <<EOF\nhunter2\nEOF", "SSH (command: cd and more)"),
        (b"cd ${X:-a; hunter2 b}", "SSH (command: cd and more)"),
        (b"sh -c 'printenv hunter2'", "SSH (command: printenv)"),
        (b"/bin/sh -c '/usr/bin/python3 && sleep 0'", "SSH (command: python3 and more)"),
        (b"bash -lc 'cd /srv; ./deploy.sh'; id", "SSH (command: deploy.sh and more)"),
        (b"sudo sh -c 'echo hunter2 > /etc/x'", "SSH (command: echo)"),
        (b'sh -c "$X" hunter2', "SSH (command: sh)"),
        (b"sh -c '$X; id'", "SSH (command: sh and more)"),
        (b"sh deploy.sh", "SSH (command: sh)"),
        (b"bash -o hunter2 -c id", "SSH (command: bash)"),
        (b"env " * 2000 + b"deploy", "SSH (command: env)"),
    ],
)
def test_the_main_program_is_named_and_not_its_wrapper(command, found):
    assert classify_command(command) == found


@pytest.mark.parametrize(
    "stages",
    [
        [b"exec deploy x", [b"deploy", b"x"]],
        [b"env A=b deploy x", [b"env", b"A=b", b"deploy", b"x"], [b"deploy", b"x"]],
        [b"timeout 5 deploy", [b"timeout", b"5", b"deploy"]],
        [b"sudo -u ada deploy", [b"sudo", b"-u", b"ada", b"deploy"]],
        [b"cd /srv && deploy x", [b"deploy", b"x"]],
        # as Ansible does it (bash, then dash, then the program)
        [b"/bin/sh -c 'deploy x'", [b"/bin/sh", b"-c", b"deploy x"], [b"deploy", b"x"]],
        [b"/bin/sh -c 'echo ~ada && sleep 0'", [b"/bin/sh", b"-c", b"echo ~ada && sleep 0"]],
    ],
)
def test_a_command_is_named_alike_whichever_of_its_programs_is_seen(stages):
    names = [
        classify_command(stage) if isinstance(stage, bytes) else classify_program(stage, b"/usr/bin/x")
        for stage in stages
    ]
    assert len(set(names)) == 1
    assert names[0] in ("SSH (command: deploy)", "SSH (command: echo and more)")


@pytest.mark.parametrize(
    ("arguments", "name", "found"),
    [
        ([b"/bin/bash", b"./deploy.sh", b"hunter2"], b"deploy.sh", "SSH (command: deploy.sh)"),
        ([b"/usr/bin/env", b"python3 -u", b"./deploy"], b"deploy", "SSH (command: deploy)"),
        ([b"/bin/sh", b"/opt/a-name-that-is-long"], b"a-name-that-is-", "SSH (command: a-name-that-is-long)"),
        ([b"bash", b"deploy.sh"], b"bash", "SSH (command: bash)"),
        ([b"bash", b"-x", b"a", b"deploy.sh"], b"deploy.sh", "SSH (command: bash)"),
        ([b"node", b"hunter2"], b"MainThread", "SSH (command: node)"),
    ],
)
def test_a_script_is_named_as_the_command_line_names_it(arguments, name, found):
    assert classify_program(arguments, b"/usr/bin/bash", name) == found


@pytest.mark.parametrize(
    ("arguments", "executable", "found"),
    [
        ([b"rsync", b"--server", b"."], b"/usr/bin/rsync", RSYNC),
        ([b"rsync", b"--server", b"."], b"", RSYNC),  # hidden by SELinux or hidepid
        ([b"rsync", b"--server", b"."], b"/tmp/evil", "SSH (command: rsync)"),  # exec -a rsync /tmp/evil --server .
        ([b"rsync", b"--server", b"."], b"/tmp/rsync", "SSH (command: rsync)"),
        ([b"rsync", b"--server", b"."], b"/usr/bin/python3.11", "SSH (command: rsync)"),
        ([b"rsync", b"--server", b"."], b"/usr/bin/git", "SSH (command: rsync)"),
        ([b"rsync", b"--server", b".", b"a\nb", b"c\xff *"], b"/usr/bin/rsync", RSYNC),  # file names
        ([b"rsync", b"--server", b".", b"--daemon"], b"/usr/bin/rsync", "SSH (command: rsync)"),
        ([b"rsync", b"--server", b"--daemon"], b"/usr/bin/rsync", "SSH (command: rsync)"),
        ([b"/usr/lib/openssh/sftp-server"], b"/usr/lib/openssh/sftp-server", SFTP_OR_SCP),
        ([b"/usr/lib/openssh/sftp-server"], b"/home/eve/sftp-server", "SSH (command: sftp-server)"),
        ([b"sftp-server"], b"/home/eve/sftp-server", "SSH (command: sftp-server)"),
        ([b"/usr/lib/sftp-server"], b"/usr/lib/openssh/sftp-server", SFTP_OR_SCP),  # Debian's symlink
        ([b"/lib64/misc/sftp-server"], b"/usr/lib64/misc/sftp-server", SFTP_OR_SCP),
        ([b"/usr/lib/sftp-server"], b"/home/eve/sftp-server", "SSH (command: sftp-server)"),
        ([b"scp", b"-t", b"x"], b"/usr/bin/scp", SCP),
        ([b"scp", b"-t", b"x"], b"/usr/bin/scp (deleted)", "SSH (command: scp)"),
        ([b"scp", b"-t", b"--", b"-x"], b"/usr/bin/scp", SCP),
        ([b"git-upload-pack", b"x"], b"/usr/bin/git", GIT),
        ([b"git", b"upload-pack", b"x"], b"/usr/lib/git-core/git", GIT),
        ([b"scp", b"-t", b"x"], b"/usr/lib/git-core/scp", "SSH (command: scp)"),
        ([b"git-shell", b"-c", b"git-upload-pack '/srv/x.git'"], b"/usr/bin/git-shell", GIT),
        ([b"git-shell", b"-c", b"git-upload-pack --help"], b"/usr/bin/git-shell", "SSH (command: git-upload-pack)"),
        ([b"git", b"upload-pack", b"--help"], b"/usr/bin/git", "SSH (command: git)"),
        ([b"postgres: secret"], b"/usr/bin/postgres", COMMAND),
        ([b""], b"", COMMAND),
        ([CUT], b"", COMMAND),
        ([b"/opt/x/deploy", b"secret"], b"/opt/x/deploy", "SSH (command: deploy)"),
    ],
)
def test_a_program_is_a_transfer_only_if_the_file_that_runs_is_that_program(arguments, executable, found):
    assert classify_program(arguments, executable) == found


PIECES = [
    b"'", b'"', b"\\", b"$", b"`", b"(", b")", b"{", b";", b"&", b"|", b"<", b">", b"\n", b"\t", b" ", b" ", b" ", b"=",
    b"a", b"!", b"-", b"hunter2", b"cd ", b"sudo ", b"env ", b"sh -c ", b"timeout 5 ", b"exec -a ", b"rsync --server .",
]  # fmt: skip


@given(st.binary(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join))
def test_any_command_has_a_kind_and_shows_only_a_word_of_its_own(command):
    for found in (classify_command(command), classify_program(command.split(b" "), b"/usr/bin/x")):
        if found.startswith("SSH (command: "):
            name = found[len("SSH (command: ") : -1]
            name = name[: -len(" and more")] if name.endswith(" and more") else name
            assert name.encode() in command.translate(None, b"'\"\\")
        else:
            assert found in (COMMAND, SCP, RSYNC, GIT, SFTP_OR_SCP)
