#!/bin/bash
# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
[ "$PAM_TYPE" = open_session ] || exit 0
. /usr/local/etc/login-alert.conf
curl -s -m 5 -H 'Content-Type: application/json' \
    -d "{\"text\": \"$PAM_USER logged in to $(hostname) from $PAM_RHOST at $(date)\"}" "$SLACK_WEBHOOK_URL" > /dev/null &
