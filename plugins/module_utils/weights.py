# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights that make a login heavy: an alert can have them, and a rule can name them (docs/weights.md).

A login without a weight is light. A heavy login is never folded. It is ignored only by a rule that names each of its
weights, and muted only by a window that covers them (mutes.py).
"""

ROOT = "root"
FIRST = "first"
UNKNOWN_KEY = "unknown_key"
PASSWORD = "password"  # noqa: S105 - the name of a method, no secret
ANOMALY = "anomaly"
FAILURES = "failures"
# The most important first. An alert names them in this order.
WEIGHTS = (ANOMALY, FAILURES, UNKNOWN_KEY, PASSWORD, ROOT, FIRST)
