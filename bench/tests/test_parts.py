# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`./dev bench --help` lists every part that there is."""

from __future__ import annotations

import re

import pytest

from bench.__main__ import PARTS
from tools import main


def test_the_help_of_dev_lists_every_part(capsys):
    with pytest.raises(SystemExit):
        main.main(["bench", "--help"])
    assert set(PARTS) <= set(re.findall(r"\w+", capsys.readouterr().out))
