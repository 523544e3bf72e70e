# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A channel is loaded only if it is used, so a Python that lacks its imports is a fault only there."""

import sys

import pytest
from ssh_login_notify import channels, config

URL = "https://relay.example/not-a-real-secret"


def test_a_python_that_lacks_what_a_kind_needs_is_named_with_the_channel(monkeypatch):
    found = config.Configuration({"channels": [{"name": "ops", "kind": "slack", "url": URL}]})
    monkeypatch.delitem(sys.modules, "ssh_login_notify.channels.slack", raising=False)
    monkeypatch.setitem(sys.modules, "ssh_login_notify.wording", None)
    monkeypatch.delattr("ssh_login_notify.wording", raising=False)
    with pytest.raises(config.ConfigurationError) as caught:
        channels.load(found.channels[0], found, None)
    why = "the channel ops can't be used, because Python can't import ssh_login_notify.wording: "
    assert str(caught.value) == why + "install the distribution's whole python3, and run the role again"
