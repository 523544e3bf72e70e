# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of ./dev, one module a subject. Standard library only: it runs before anything is installed."""
