"""The types of login that an alert can name (docs/types.md)."""

INTERACTIVE = "SSH (interactive)"
COMMAND = "SSH (command)"
SFTP_OR_SCP = "SFTP or SCP"  # scp speaks SFTP since OpenSSH 9.0, and nothing on the server tells the two apart
SCP = "SCP"
RSYNC = "rsync"
GIT = "git"
TUNNEL = "Tunnel (no session)"
UNKNOWN = "unknown"
# Of sessions that were over before they had shown more than this.
COMMAND_OVER = "SSH (command, over at once)"
SOMETHING_OVER = "SSH (command or transfer, over at once)"
TERMINAL_OVER = "SSH (with a terminal, over at once)"
TRANSFERS = (SFTP_OR_SCP, SCP, RSYNC, GIT)
