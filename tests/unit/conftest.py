# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all unit tests share: the shorter run for a version between two that have the whole one."""


def pytest_addoption(parser):
    text = "for a Python or an Ansible beside those that have the whole run: the first case of each test, no long one"
    parser.addoption("--between", action="store_true", help=text)


def pytest_collection_modifyitems(config, items):
    """With --between, leave out what two other versions run: all but the first case of a test, and the long tests.

    A case seldom differs by version. A long test is marked `whole`, and is about rules of our own, such as how many
    alerts may wait. What the interpreter has a part in is not marked: processes, TLS, the installed program.
    """
    if not config.getoption("--between"):
        return
    kept, left_out, seen = [], [], set()
    for item in items:
        name = item.nodeid.partition("[")[0]
        (left_out if name in seen or item.get_closest_marker("whole") else kept).append(item)
        seen.add(name)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept
