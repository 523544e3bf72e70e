# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The test lab: the code that the scenarios, the benchmarks and the demo share.

    backend      testinfra's connection to a server
    containers   the servers and the receiver, as Docker containers
    people       the accounts on a server, and the tests' SSH key
    scenario     starts and removes the containers of a Molecule scenario
    receiver     webhooks of many kinds that check what they get, keep it, and misbehave on request
    chats        settings of channels at the receiver
    hostile      hostile names and key ids
    logins       real clients that log in: ssh, scp, sftp, rsync, git
    faults       faults of a server, and how to cause and repair them
    deploy       runs the role from within a test
    footprint    lists the files of a server that have changed
    stall        a file on a disk that hangs
    storm        many logins at once, and whether each was reported
    accounting   processor time and memory of the notifier's processes
    inside       scripts that run on a server
    tables       Markdown tables

Import it as `tests.lab`, with the repository's root on the path. It imports nothing from bench, tools or a scenario.
"""
