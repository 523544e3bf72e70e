# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""failure_reason: the message of the failed task, not only the fact that it failed."""

import pytest
from ansible_collections.loginwatch.pam.plugins.filter.failure_reason import FilterModule, failure_reason

CODE = "non-zero return code"
# `raw` gets a terminal from ssh, which then writes only its own messages to stderr.
SSH = (
    "Warning: Permanently added '192.0.2.1' (ED25519) to the list of known hosts.\r\n"
    "** WARNING: connection is not using a post-quantum key exchange algorithm.\n"
    "Shared connection to 192.0.2.1 closed.\r\n"
)


def test_it_is_registered():
    assert FilterModule().filters() == {"failure_reason": failure_reason}


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"failed": True, "msg": "Nothing was changed."}, "Nothing was changed."),
        ({"failed": True, "msg": CODE, "stderr": "mv: no space\n", "stdout_lines": ["x"]}, "mv: no space."),
        ({"failed": True, "msg": CODE, "stderr": " ", "stdout_lines": ["cp: error", "1"]}, "cp: error 1."),
        ({"failed": True, "msg": CODE, "stdout_lines": ["from a terminal"]}, "from a terminal."),
        ({"failed": True, "msg": CODE, "stderr": SSH, "stdout_lines": ["not root"]}, "not root."),
        ({"failed": True, "msg": CODE, "stderr": SSH + "mv: no space\n", "stdout_lines": ["x"]}, "mv: no space."),
        ({"failed": True, "msg": CODE, "stderr": ""}, 'The task "Copy" failed.'),
        ({"failed": True}, 'The task "Copy" failed.'),
        ({"failed": True, "msg": ["a", "b"]}, "['a', 'b']."),
    ],
)  # fmt: skip
def test_the_reason_of_a_task(result, reason):
    assert failure_reason(result, "Copy") == reason


def test_of_a_loop_only_the_items_that_failed_count():
    items = [
        {"failed": False, "msg": "all right"},
        {"failed": True, "msg": "sshd was left unchanged."},
        {"msg": "all right"},
        {"failed": True, "msg": CODE, "stderr": "no space left"},
        {"failed": True, "msg": "login was left unchanged."},
    ]
    result = {"failed": True, "msg": "One or more items failed", "results": items}
    assert failure_reason(result, "Edit") == "no space left. sshd was left unchanged. login was left unchanged."
