# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures of this scenario."""

from tests.lab.fleet_fixtures import grown_servers, play, servers, verify, webhooks

__all__ = ["grown_servers", "play", "servers", "verify", "webhooks"]
