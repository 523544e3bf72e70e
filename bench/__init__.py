# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the cost of an alert to a login, and how often the login's type is right: `./dev bench`.

Each module measures one subject. The servers, clients and receiver are those of the tests (tests/lab).
"""
