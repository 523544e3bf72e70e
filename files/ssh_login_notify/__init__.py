"""The package behind ssh-login-notify, one module a stage or subject; standard library only, Python 3.6 and later.

The way of a login, in the order of the modules:

    capture     what the hook wrote down: a header and the raw environment
    processes   what /proc tells about a process
    kind        what the login is for, read from the processes below its sshd
    observer    takes captures, watches until the kind is clear, hands over finished alerts
    finisher    makes the alert of a capture whose kind is clear
    authinfo    by whose key: sshd's SSH_AUTH_INFO_0
    alert       the finished alert: its fields, and its form in the spool
    spool       the directories between the stages
    overflow    where alerts go that the spool does not take
    ballast     and where those go for which no disk has room
    sender      takes alerts, sends them, keeps those that must wait
    state       what the sender last did
    rules       whose key it is, and which logins need no message
    slack       an alert as a Slack message, and Slack's answers in words that name the mend
    transport   one HTTPS POST
    labels      whether SELinux lets sshd write where it must
    units       systemd's units
    cli         test, status, flush
    settings    which values the configuration takes; the role has the same rules
    preflight   whether a host is fit for the notifier: run by the role, and not installed
"""

VERSION = "0.1.0"
