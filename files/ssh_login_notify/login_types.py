"""The types of login that an alert can name (docs/types.md)."""

INTERACTIVE = "SSH (interactive)"
COMMAND = "SSH (command)"
SFTP_OR_SCP = "SFTP or SCP"  # scp speaks SFTP since OpenSSH 9.0, and nothing on the server tells the two apart
SCP = "SCP"
RSYNC = "rsync"
GIT = "git"
TUNNEL = "Tunnel (no session)"
UNKNOWN = "unknown"
TRANSFERS = (SFTP_OR_SCP, SCP, RSYNC, GIT)
