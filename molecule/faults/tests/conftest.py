# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Select the faults for each server."""

from __future__ import annotations


def pytest_collection_modifyitems(config, items) -> None:
    """On the server without systemd, run only the faults whose outcome can depend on that."""

    def is_worth_it(item) -> bool:
        given = item.callspec.params
        is_plain = "plain" in given["_testinfra_host"].backend.hostname
        return not is_plain or "fault" not in given or given["fault"].without_systemd

    left_out = [item for item in items if not is_worth_it(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
