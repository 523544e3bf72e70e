# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and key ids that do harm if they are shown unescaped. This also runs on Python 3.6."""

# Slack's markup, HTML.
MARKS = "<!channel> <https://evil.example|click> &amp; <b>`x`</b> *b* _i_ ~s~ :bomb: {{1}}"
# A new line, colours, text that runs backwards, invisible characters, invalid UTF-8.
CONTROLS = "\n1 login user=root\r\t\x07\x1b[2J\x1b]0;title\x07\u202egnp.exe\u2066\u200b\u2028\x7f\x9b\udcff"
# A closing quote, then a serial number, an authority, a person and a note, as a message shows them.
WORDS = MARKS + '", serial 4711, CA SHA256:GOOD) · Person: Alice (on call) · Note: "reviewed'
# What other chats interpret: mentions, links, formatting, times, lists, and the end of code.
CHATS = {
    "mentions": "@everyone @here @channel @all <@123> <@&123> <@!123> <#123> <at>Ada</at> <users/all> <!here> <@U123>",
    "links": "https://evil.example/x [click](https://evil.example) <https://evil.example> HTTPS://EVIL.EXAMPLE",
    "an address of mail": "mailto:a@b.io <mailto:a@b.io>",
    "bare links": "evil.com www.evil.com a@evil.com tel:+491234567890 t.me/evil #tag /start $USD",
    "formatting": "**b** __u__ ***x*** ~~s~~ ||spoiler|| ==m== `c` ``d`` ```\\e``` \\*f\\*",
    "HTML": '<u>g</u> <font color="#f00">h</font> <script>alert(1)</script> &lt;b&gt; &#60;b&#62; &nbsp;',
    "times": "<t:0:F> {{DATE(2017-02-14T06:08:00Z, SHORT)}} {{{TIME(2017-02-14T06:08:00Z)}}",
    "templates": "${name} @{triggerBody()} %(x)s {0}",
    "a heading": "# heading",
    "a small one": "-# small",
    "a quotation": "> quoted",
    "a list": "- item",
    "a numbered list": "1. item",
    "a digest's line": "root: SSH · id 1763884801.123456-4242",
    "backticks": "`",
    "backticks at both ends": "``a`b```",
    "backslashes": "\\\\`\\",
    "an image": "![x](https://evil.example/x.png) | a | b |",
    "emoji": ":bomb: <:bomb:123> <a:bomb:123> \U0001f534 \U0001f468\u200d\U0001f469",
    "blanks": "  a  ",
    "astral": "\U0001f511" * 9,
}  # fmt: skip
TEXTS = dict(CHATS, marks=MARKS, controls=MARKS + CONTROLS, words=WORDS)
