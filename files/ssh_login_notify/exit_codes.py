# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exit codes of the program: those of monitoring plugins, and one for systemd."""

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
# EX_TEMPFAIL (sysexits.h). Not 1, because Python exits with 1 if it can't even start the program.
TRY_LATER = 75
