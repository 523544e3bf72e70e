# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package behind ssh-login-notify, one module a stage or subject. Standard library only, Python 3.6 and later.

The way of a login, in the order of the modules:

    handover          from the hook's child to the observer
    capture           what the hook wrote down: a header and the raw environment
    exits             what the kernel tells about processes that have ended
    processes         what /proc tells about a process
    titles            what sshd writes into the titles of its processes
    command_line      what a command line, or a program's arguments, say about a login
    sshd_start        the command line that starts an sshd, and its options
    subsystem         the SFTP server that sshd's configuration names
    session_child     what one child of a session's server says about it
    connection        one SSH connection: the login's type, read from the processes below its sshd
    observer          takes captures, watches their connections until the type is clear
    finisher          makes the alert of a capture whose type is clear
    peer              where the client is: sshd's SSH_CONNECTION, and PAM_RHOST
    pam_environment   which variables the administrator has set in every login
    authinfo          how the user authenticated, and with which key: sshd's SSH_AUTH_INFO_0
    alert             the finished alert: its fields, and its form in the spool
    outbox            the way of a finished alert to the sender
    spool             the directories between the stages
    overflow          where alerts go that the spool does not take
    ballast           and where those go for which no disk has room
    open_connections  the connections that were reported and are still open
    follower          looks at those again and again

    sender            starts as root, repairs, becomes the system user, and delivers what waits
    recovery          what the sender repairs first
    delivery          one run over the queue of a channel: what is next, and what an answer means for it
    channels/         one module for each kind of channel: makes the message, sends it, reads the answer
    wording           what a message says, in plain text
    outlets           where there are several channels: the place of each in the spool
    routing           which alert goes to which of them
    couriers          a process for each of them that delivers
    child             a function at work in such a process
    queue             the alerts that wait, in the spool and outside
    retries           the alerts that have failed, and when each is due
    state             what the sender last did
    triage            which logins need a message
    judge             how heavy a login is, and why
    lookups           what is looked up for an alert that gets a message
    context           what was found, as an alert has it
    ec2               which instance of EC2 this host is
    instance_connect  who has sent a key of EC2 Instance Connect
    reverse_dns       the name by DNS of a client's address
    geo_database      the country and the network of an address, by files on this host
    memory            what was seen on this host before: keys, networks, types
    identity          what tells one login from another
    rules             whose key it is, and which logins need no message
    repeats           logins that are folded into one that was reported
    root_reader       a child that stays root, and is asked for facts about a login
    failures          how often an address has failed to log in before, by the system's log
    mutes             which logins root has muted for some minutes, for the connection in which it ran
    own_connection    that connection, and its login
    transport         one HTTPS POST

What people and timers ask for:

    command           starts a command, and loads only what it needs
    cli               parses the command line, and prints
    trial             a test alert, past the spool
    health            what is wrong on this host
    channel_health    what is wrong with the delivery to each channel
    self_check        tells the channel when that changes
    heartbeat         a sign of life, all the way

What the role runs, and does not install:

    preflight         whether a host is fit for the notifier

What the collection's modules run, and the sender for a hint:

    account_keys      which keys open which accounts, by the settings of each sshd
    account_files     files of accounts, read as sshd reads them
    authorized_keys   the lines of these files

Leaves that the others share: build, paths, exit_codes, problem, text, journal, config, privileges, installation,
labels, trust, units, boot, languages, and, linked with the collection's own, pam_stack, client_networks,
certificate_patterns, settings, channel_settings, link_template, login_types, weights.
"""

VERSION = "0.1.0"
