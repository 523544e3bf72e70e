# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all unit tests share: the shorter run for a version between two that have the whole one."""


def pytest_addoption(parser):
    text = "for a Python or an Ansible beside those that have the whole run: each test with the first of its cases only"
    parser.addoption("--between", action="store_true", help=text)


def pytest_collection_modifyitems(config, items):
    """With --between every test runs, but not every case: a case seldom differs by version, and all run on two."""
    if not config.getoption("--between"):
        return
    kept, left_out, seen = [], [], set()
    for item in items:
        name = item.nodeid.partition("[")[0]
        (left_out if name in seen else kept).append(item)
        seen.add(name)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept
