# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a login heavy: the weights that an alert can have, and that a rule can name (docs/weights.md).

A login without a weight is light. No rule, no mute and no repeat suppresses a heavy login, unless a rule names each of
its weights.
"""

ROOT = "root"
FIRST = "first"
UNKNOWN_KEY = "unknown_key"
PASSWORD = "password"  # noqa: S105 - the name of a method, no secret
ANOMALY = "anomaly"
FAILURES = "failures"
# The one that says most first: this is the order in which an alert names them.
WEIGHTS = (ANOMALY, FAILURES, UNKNOWN_KEY, PASSWORD, ROOT, FIRST)
