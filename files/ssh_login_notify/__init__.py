# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package behind ssh-login-notify: one module per stage or subject. Standard library only, Python 3.6 or later.

How a login becomes a message, in the order of the modules:

    handover          from the hook's child to the observer
    capture           what the hook wrote down: a header and the raw environment
    exits             what the kernel reports about processes that have ended
    processes         what /proc shows about a process
    titles            the titles that sshd gives its processes
    command_line      what a command line, or a program's arguments, reveal about a login
    sshds             every sshd that accepts logins on this host
    sshd_start        the command line that starts an sshd, and its options
    subsystem         the SFTP server that sshd's configuration names
    session_child     what one child of a session's server reveals about the session
    connection        one SSH connection: the login's type, read from the processes below its sshd
    observer          takes captures, and watches their connections until the type is clear
    finisher          makes the alert of a capture whose type is clear
    peer              where the client is: sshd's SSH_CONNECTION, and PAM_RHOST
    pam_environment   the variables that the administrator has set for every login
    authinfo          how the user authenticated, and with which key: sshd's SSH_AUTH_INFO_0
    alert             the finished alert: its fields, and its form in the spool
    ledger            a line for each known login, for the audit
    outbox            hands a finished alert to the sender
    spool             the directories between the stages
    overflow          holds alerts that do not fit into the spool
    ballast           reserved space for alerts when no disk has room
    open_connections  the connections that were reported and are still open
    follower          checks these connections again and again

    sender            starts as root, repairs, becomes the system user, and delivers the waiting alerts
    recovery          the repairs that the sender makes first
    delivery          one run over the queue of a channel: which alert is next, and what an answer means for it
    channels/         one module for each kind of channel: makes the message, sends it, reads the answer
    wording           the words of a message, in plain text
    outlets           the place of each channel in the spool, if there are several
    routing           which alert goes to which of these channels
    couriers          a process for each of these channels, which delivers its alerts
    child             a function that runs in a process of its own
    queue             the waiting alerts, in the spool and outside
    retries           the alerts that have failed, and when each is due
    state             what the sender last did
    triage            which logins need a message
    judge             how heavy a login is, and why
    lookups           what is looked up for an alert that gets a message
    context           the results of these lookups, as fields of the alert
    ec2               which EC2 instance this host is
    instance_connect  who sent a key of EC2 Instance Connect
    reverse_dns       the DNS name of a client's address
    geo_database      the country and the network of an address, from files on this host
    memory            what was seen on this host before: keys, networks, types
    identity          what distinguishes one login from another
    rules             whose key it is, and which logins need no message
    groups            whether an account is in a group
    repeats           logins that are folded into one that was reported
    root_reader       a child that stays root, and answers questions about a login
    failures          how often an address failed to log in before, according to the system's log
    sshd_log          sshd's own lines in that log
    mutes             which logins root has muted for some minutes: those like the login of the connection it ran in
    own_connection    that connection, and its login
    summary           the daily summary of the logins that had no message of their own
    document          an alert as a JSON document, for programs
    ecs, ocsf         an alert as an event of the Elastic Common Schema, or of OCSF
    transport         one HTTPS POST

What people and timers run:

    command           starts a command, and loads only what it needs
    cli               parses the command line, and prints
    trial             a test alert that bypasses the spool
    audit             compares sshd's log with the known logins
    known             the logins that the notifier knows of
    suspects          a login that the log has and the notifier does not know of
    sshd_history      the log for the audit: the journal, or a file and its rotated predecessors
    sshd_lines        what sshd logs about a login that it has accepted
    sshd_sessions     which process of sshd has which login, and which sshd opens PAM sessions
    proof             keeps the proof up to date, and reports missed logins
    completeness      how the proof is reported: as a problem, and as a sentence of the daily summary
    health            what is wrong on this host
    channel_health    what is wrong with the delivery to each channel
    self_check        queues a message when that changes
    tamper            checks twice a minute whether anything has changed, and runs the self-check if so
    last_check        when the self-check last ran
    kept              what tamper and sshd_settings keep from one run to the next
    sshd_settings     whether sshd's settings have changed
    suppressed        lines of sshd that journald has dropped
    logged_in         who is logged in now
    counts            how many logins there were, by type and weight
    metrics           a file with these and other figures for Prometheus
    heartbeat         a sign of life that passes through every stage of an alert

What the role runs, and does not install:

    preflight         whether a host is fit for the notifier

What the collection's modules run, and the sender for a key's comment:

    account_keys      which keys open which accounts, by the settings of each sshd
    account_files     files of accounts, read as sshd reads them
    authorized_keys   the lines of these files

Modules that the others share: build, paths, exit_codes, problem, text, journal, config, privileges, installation,
labels, trust, units, boot, pam_files, languages. Some are shared with the collection's modules by links: pam_stack,
pam_line, client_networks, certificate_patterns, settings, channel_settings, link_template, login_rules, login_times,
login_types, weights.
"""

VERSION = "0.1.0"
