# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of ./dev, one module per subject. Standard library only, because it runs before anything is installed."""
