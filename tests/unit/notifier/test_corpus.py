# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No input breaks a promise: those that the fuzzer has found (fuzz/corpus/), and random ones."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.targets import TARGETS

TOP = os.path.join(os.path.dirname(__file__), "..", "..", "..")
CORPUS = os.path.join(TOP, "fuzz", "corpus")
INPUTS = sorted((target, name) for target in TARGETS for name in os.listdir(os.path.join(CORPUS, target)))
# Words that the parsers know, for chance to combine.
WORDS = {
    "environment": [
        b"capture=1", b"\0\0", b"\0", b"PAM_USER=", b"PAM_RHOST=", b"SSH_CONNECTION=", b"::1 2 ::1 22", b"\n", b"\xff",
        b"SSH_AUTH_INFO_0=", b"publickey ssh-ed25519 AAAA", b"LD_PRELOAD=x", b"<!channel>",
    ],
    "spool": [
        b"{", b"}", b"[", b"]", b",", b'"version": 1', b'"time": ', b"1e999", b"NaN", b'"methods": ', b'"\\u202e"',
    ],
    "pam": [
        b"session ", b"required ", b"optional ", b"[success=1 default=ignore] ", b"pam_exec.so ",
        b"type=open_session quiet seteuid /usr/local/bin/ssh-login-notify", b"\\\n", b"\n", b"#", b"@include x", b"-",
        b"pam_selinux.so close", b"\r",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("target", "name"), INPUTS)
def test_an_input_that_is_kept_breaks_no_promise(target, name):
    with open(os.path.join(CORPUS, target, name), "rb") as file:
        TARGETS[target](file.read())


@pytest.mark.parametrize("target", sorted(TARGETS))
@given(data=st.data())
def test_chance_breaks_no_promise(target, data):
    pieces = st.one_of(st.sampled_from(WORDS[target]), st.binary(max_size=8))
    TARGETS[target](b"".join(data.draw(st.lists(pieces, max_size=40))))
