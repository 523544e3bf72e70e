# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The test lab: everything that the scenarios, the bench and the demo share.

    containers   the servers and the receiver, as Docker containers
    people       the accounts on a server, and the key that the tests have
    scenario     start and remove what a Molecule scenario needs
    receiver     webhooks of many kinds that check what they get, keep it, and misbehave on request
    chats        settings of channels at the receiver
    hostile      what strangers choose as names to do harm
    logins       real clients that log in: ssh, scp, sftp, rsync, git
    faults       what can break on a server, and how to break and repair it
    deploy       run the role from within a test
    footprint    which files of a server have changed
    stall        a file on a disk that hangs
    storm        many logins at once, and whether each was reported
    accounting   processor time and memory of the notifier's processes
    inside       scripts that run on a server
    tables       Markdown tables

Import it as `tests.lab`, with the repository's root on the path. Nothing in it imports bench, tools or a scenario.
"""
