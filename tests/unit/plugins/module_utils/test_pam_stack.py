# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PAM line as a function from text to text."""

import re

import pytest
from ansible_collections.loginwatch.pam.plugins.module_utils import pam_stack
from hypothesis import example, given
from hypothesis import strategies as st

PROGRAM = "/usr/local/bin/ssh-login-notify"
RUN = "pam_exec.so type=open_session quiet seteuid /usr/local/bin/ssh-login-notify"
# The single line of earlier versions, and the three lines that belong together now.
LINE = "session optional " + RUN
FIRST = "session [success=2 default=ignore] " + RUN
WITHHOLD = (
    "session [default=ignore] pam_env.so conffile=/usr/local/lib/ssh-login-notify/pam_env.conf readenv=0 user_readenv=0"
)
BLOCK = f"{FIRST}\n{WITHHOLD}\n{LINE}\n"
CLOSE = "session required pam_selinux.so close\n"
PERMIT = "session required pam_permit.so\n"


def reader(files):
    return lambda name: ("/etc/pam.d/" + name, files[name]) if name in files else None


def present(text, files=None, replaces=()):
    return pam_stack.present(text, PROGRAM, replaces, reader(files or {}))


def absent(text, files=None, replaces=()):
    return pam_stack.absent(text, PROGRAM, replaces, reader(files or {}))


def refusal(function, *arguments, **options):
    with pytest.raises(pam_stack.PamStackError) as caught:
        function(*arguments, **options)
    return str(caught.value)


# -- known stacks -----------------------------------------------------------------------------------------------------


def session_rules(path, text, files):
    """Return the rules that libpam runs when a session opens, in order, by a simple parser for known stacks."""
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if not words or words[0] not in ("session", "-session", "@include"):
            continue
        if words[0] == "@include" or words[1] in ("include", "substack"):
            name = words[-1]
            yield from (rule for rule in session_rules(name, files[name], files))
        else:
            yield line


def test_the_block_is_the_first_of_the_session_part_behind_a_leading_close(stack):
    before = list(session_rules("sshd", stack["sshd"], stack))
    after = list(session_rules("sshd", present(stack["sshd"], stack), stack))
    leading = [rule for rule in before[:1] if re.search(r"pam_selinux\.so\s+close", rule)]
    assert after == [*leading, *BLOCK.splitlines(), *before[len(leading) :]]


def test_nothing_else_changes_in_a_known_stack(stack):
    text = present(stack["sshd"], stack)
    assert text.count(BLOCK) == 1
    assert text.replace(BLOCK, "") == stack["sshd"]


def test_present_is_idempotent_and_absent_undoes_it_in_a_known_stack(stack):
    text = present(stack["sshd"], stack)
    assert present(text, stack) == text
    assert absent(text, stack) == stack["sshd"]


def test_only_the_releases_that_are_known_for_it_read_the_user_environment(request, stack):
    found = pam_stack.user_environment_readers("/etc/pam.d/sshd", stack["sshd"], reader(stack))
    known = {"debian-11", "debian-12", "ubuntu-24.04"}
    assert [entry["part"] for entry in found] == (["session"] if request.node.callspec.params["stack"] in known else [])
    for entry in found:
        assert "user_readenv=1" in stack["sshd"].splitlines()[entry["line"] - 1]


# -- placement --------------------------------------------------------------------------------------------------------


def test_without_a_close_the_line_comes_before_the_first_session_rule():
    head = "#%PAM-1.0\nauth required a.so\n"
    assert present(head + PERMIT) == head + BLOCK + PERMIT


@pytest.mark.parametrize(
    "include", ["@include common", "session include common", "-session\tinclude\tcommon", "Session SUBSTACK common"]
)
def test_the_line_comes_before_an_include_that_brings_session_rules(include):
    files = {"common": "auth required a.so\n" + PERMIT}
    assert present(include + "\n" + CLOSE + PERMIT, files) == BLOCK + include + "\n" + CLOSE + PERMIT


def test_an_include_that_brings_no_session_rules_stays_in_front():
    files = {"common-auth": "auth required a.so\n@include deeper\n", "deeper": "auth optional b.so\n"}
    text = "@include common-auth\nauth include common-auth\n" + CLOSE + PERMIT
    assert present(text, files) == text.replace(CLOSE, CLOSE + BLOCK)


def test_an_include_that_cannot_be_read_is_taken_to_bring_session_rules():
    assert present("@include unknown\n" + CLOSE + PERMIT) == BLOCK + "@include unknown\n" + CLOSE + PERMIT


def test_files_that_include_each_other_come_to_an_end():
    files = {"a": "@include b\n", "b": "@include a\nauth include b\n"}
    assert present("@include a\n" + PERMIT, files) == "@include a\n" + BLOCK + PERMIT


def test_a_close_that_does_not_lead_comes_after_the_line():
    assert present(PERMIT + CLOSE) == BLOCK + PERMIT + CLOSE


@pytest.mark.parametrize("control", ["sufficient", "[success=1 default=ignore]", "[success=done default=bad]", "[ ]"])
def test_a_close_that_may_skip_the_line_comes_after_it(control):
    close = f"session {control} pam_selinux.so close\n"
    assert present(close + PERMIT) == BLOCK + close + PERMIT


def test_pam_selinux_open_is_no_close():
    text = "session required pam_selinux.so open\n" + PERMIT
    assert present(text) == BLOCK + text


def test_a_line_elsewhere_is_moved():
    assert present(CLOSE + PERMIT + BLOCK) == CLOSE + BLOCK + PERMIT
    assert present(BLOCK + CLOSE + PERMIT) == CLOSE + BLOCK + PERMIT


def test_duplicates_collapse():
    assert present(BLOCK + CLOSE + BLOCK + PERMIT + BLOCK) == CLOSE + BLOCK + PERMIT
    assert present(CLOSE + BLOCK + PERMIT + BLOCK) == CLOSE + BLOCK + PERMIT


@pytest.mark.parametrize(
    "variant",
    [
        "session required pam_exec.so /usr/local/bin/ssh-login-notify",
        "session optional pam_exec.so type=open_session quiet seteuid /usr/local/bin/ssh-login-notify --old",
        "session optional pam_exec.so quiet_log type=open_session /usr/local/bin/ssh-login-notify",
        "-session optional /lib/security/pam_exec.so seteuid /usr/local/bin/ssh-login-notify",
        "session optional pam_exec.so type=open_session \\\n  quiet seteuid \\\n  /usr/local/bin/ssh-login-notify --x",
        LINE + "\r",
        LINE,
        FIRST,
        WITHHOLD + "\n" + LINE,
        FIRST + "\n" + LINE,
        FIRST + "\n" + WITHHOLD,
        LINE + "\n" + WITHHOLD + "\n" + FIRST,
        BLOCK + FIRST,
    ],
)
def test_what_is_ours_and_not_as_it_is_written_now_is_replaced(variant):
    assert present(CLOSE + variant + "\n" + PERMIT) == CLOSE + BLOCK + PERMIT
    assert absent(CLOSE + variant + "\n" + PERMIT) == CLOSE + PERMIT


@pytest.mark.parametrize(
    "same",
    [
        BLOCK.replace("optional ", "optional\t "),
        BLOCK.replace("\n", "  # ours\n"),
        BLOCK.replace("quiet", "\\\n quiet"),
        BLOCK.replace("\n", "\n# about ours\n\n"),
        BLOCK.replace("\n", "\nauth required a.so\n"),
    ],
)
def test_spacing_and_comments_of_a_block_in_its_place_are_left_alone(same):
    assert present(CLOSE + same + PERMIT) == CLOSE + same + PERMIT


@pytest.mark.parametrize("between", [PERMIT, "@include common\n", "@include unknown\n", "session include common\n"])
def test_a_block_that_another_rule_tears_apart_is_put_together(between):
    # The jump of the first line would skip the other program's rule.
    files = {"common": PERMIT}
    for torn in (BLOCK.replace(WITHHOLD, between + WITHHOLD), BLOCK.replace(LINE, between + LINE)):
        assert pam_stack.fault(torn + PERMIT, PROGRAM, reader(files)) == "is interrupted by another rule"
        assert present(torn + PERMIT, files) == BLOCK + between + PERMIT
        assert absent(torn + PERMIT, files) == between + PERMIT


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (BLOCK, None),
        ("", "is gone"),
        (WITHHOLD + "\n", "is gone"),
        (BLOCK + BLOCK, "is there more than once"),
        (FIRST + "\n" + WITHHOLD + "\n", "is not complete"),
        (LINE + "\n", "is not complete"),
        (BLOCK.replace(" quiet", ""), "was changed"),
        (BLOCK.replace("success=2", "success=3"), "was changed"),
    ],
)
def test_what_is_wrong_is_named(text, fault):
    assert pam_stack.fault(text + PERMIT, PROGRAM) == fault


def test_the_lines_can_all_be_found_by_the_name_of_the_program():
    # So a person who removes them with grep or sed does not leave the jump behind.
    assert all("ssh-login-notify" in line for line in pam_stack.rule_lines(PROGRAM))


@pytest.mark.parametrize(
    "foreign",
    [
        "#" + LINE,
        LINE + "-too",
        LINE.replace("session", "auth"),
        "session optional pam_exec.so /usr/bin/wrap /usr/local/bin/ssh-login-notify",
        "session optional pam_other.so /usr/local/bin/ssh-login-notify",
    ],
)
def test_lines_that_only_resemble_ours_stay(foreign):
    assert present(CLOSE + PERMIT + foreign + "\n") == CLOSE + BLOCK + PERMIT + foreign + "\n"
    assert absent(CLOSE + PERMIT + foreign + "\n") == CLOSE + PERMIT + foreign + "\n"


def test_lines_of_earlier_programs_are_replaced():
    old = "session optional pam_exec.so seteuid /root/a.sh now\nsession optional pam_exec.so /bin/sh /root/b.sh\n"
    kept = "session optional pam_exec.so /bin/sh /root/c.sh\n"
    replaces = ["/root/a.sh", "/bin/sh /root/b.sh", ""]
    assert present(CLOSE + old + kept, replaces=replaces) == CLOSE + BLOCK + kept
    assert absent(CLOSE + old + kept, replaces=replaces) == CLOSE + kept


# -- line ends and odd spelling ---------------------------------------------------------------------------------------


def test_in_a_file_with_crlf_only_our_own_line_has_a_plain_end():
    # With a carriage return, libpam would look for a program whose name ends in one, and would not accept "close\\r".
    text = "#%PAM-1.0\r\n" + CLOSE.replace("\n", "\r\n") + PERMIT.replace("\n", "\r\n")
    assert present(text) == text.replace("session", BLOCK + "session", 1)
    spaced = text.replace("close\r\n", "close \r\n")
    assert present(spaced) == spaced.replace("close \r\n", "close \r\n" + BLOCK)


@pytest.mark.parametrize("text", [CLOSE.rstrip("\n"), PERMIT.rstrip("\n"), PERMIT + CLOSE.rstrip("\n")])
def test_a_missing_last_line_feed_stays_missing(text):
    assert not present(text).endswith("\n")
    assert absent(present(text)) == text


def test_a_continued_close_is_not_torn_apart():
    close = "session required \\\n   pam_selinux.so \\\n   close  # done\n"
    assert present(close + PERMIT) == close + BLOCK + PERMIT


def test_a_comment_is_never_continued():
    assert present("# about \\\n" + PERMIT) == "# about \\\n" + BLOCK + PERMIT


def test_words_in_brackets_are_one_word():
    rule = pam_stack.parse("-Session [success=ok default=bad]pam_x.so [a b\\] c] d[e f]\n")[0]
    assert rule.words == ["-Session", "success=ok default=bad", "pam_x.so", "a b] c", "d[e", "f]"]
    assert rule.facility == "session"


def test_find_gives_the_last_line_as_it_stands():
    last = "  " + LINE.replace("quiet", "\\\n\tquiet") + " # ours"
    assert pam_stack.find(CLOSE + BLOCK.replace(LINE, last) + PERMIT, PROGRAM) == last
    assert pam_stack.find(CLOSE + PERMIT + WITHHOLD, PROGRAM) is None


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "auth required a.so\n", BLOCK, "@include unknown\n", "@include empty\n"]
)
def test_ours_is_never_the_only_session_rule(text):
    assert "no other session rules" in refusal(present, text, {"empty": "auth required a.so\n"})


def test_absent_refuses_to_leave_a_stack_without_session_rules():
    assert "no other session rules" in refusal(absent, "auth required a.so\n" + BLOCK)


@pytest.mark.parametrize("after", ["", "\n", "# comment\n" + PERMIT])
def test_a_rule_whose_end_libpam_versions_see_differently_is_refused(after):
    text = CLOSE + PERMIT + "password required a.so \\\n" + after
    assert "line 3 ends in a backslash" in refusal(present, text)
    assert "line 6 ends in a backslash" in refusal(absent, BLOCK + text)
    assert absent(text) == text


@pytest.mark.parametrize("jump", ["[success=1 default=ignore]", "[default=2]", "[success=ok  user_unknown= 3]"])
def test_a_line_that_a_jump_counts_is_not_taken_out(jump):
    text = CLOSE + f"session {jump} pam_succeed_if.so user = git\n" + BLOCK + PERMIT
    assert "skipped by the jump in line 2" in refusal(present, text)
    assert "skipped by the jump in line 2" in refusal(absent, text)


def test_a_line_that_jumps_is_not_taken_out():
    text = CLOSE + LINE.replace("optional", "[success=1 default=ignore]") + "\n" + PERMIT + PERMIT
    assert "itself skips rules" in refusal(present, text)


def test_a_jump_that_ends_before_the_line_does_no_harm():
    rules = "session [default=1] pam_succeed_if.so user = git\n" + PERMIT
    assert present(CLOSE + rules + BLOCK) == CLOSE + BLOCK + rules


def test_an_include_between_jump_and_line_is_not_counted():
    text = "session [default=1] a.so\nsession include common\n" + BLOCK
    assert "skipped by the jump" in refusal(present, text, {"common": PERMIT})


@pytest.mark.parametrize("program", ["", "notify", "/a b", "/a#b", "/a[b", "/a\\b", "/a\nb", "/a\x00", "/a\x7f"])
def test_a_program_that_a_line_cannot_name_is_refused(program):
    for function in (pam_stack.present, pam_stack.absent):
        assert "Use an absolute path" in refusal(function, PERMIT, program)


@pytest.mark.parametrize("data", [b"\x7fELF", b"session\x00", b"\x1f\x8b\x08", "session".encode("utf-16")])
def test_what_is_not_text_is_refused(data):
    assert "is not text" in refusal(pam_stack.decode, data)


# -- the user's environment -------------------------------------------------------------------------------------------


def test_includes_and_both_parts_are_searched_for_the_user_environment():
    files = {
        "auth": "auth required pam_env.so\nauth required pam_env.so \\\n user_readenv=1\n"
        "account required pam_env.so user_readenv=1\n",
        "session": "@include deep\n@include deep\n",
        "deep": "session required pam_env.so user_readenv=1\n# session required pam_env.so user_readenv=1\n",
        "substack": "session optional /lib/security/pam_env.so user_readenv=0 user_readenv=01\n",
    }
    text = "auth include auth\n@include session\nsession substack substack\nsession include missing\n" + PERMIT
    assert pam_stack.user_environment_readers("/etc/pam.d/sshd", text, reader(files)) == [
        {"file": "/etc/pam.d/auth", "line": 2, "part": "auth"},
        {"file": "/etc/pam.d/deep", "line": 1, "part": "session"},
        {"file": "/etc/pam.d/substack", "line": 1, "part": "session"},
    ]


@pytest.mark.parametrize(
    "arguments", ["", "user_readenv=0", "user_readenv=", "user_readenv=x1", "user_readenv=1 user_readenv=0"]
)
def test_a_pam_env_that_leaves_the_user_environment_alone_is_not_reported(arguments):
    assert pam_stack.user_environment_readers("sshd", f"session required pam_env.so {arguments}\n") == []


# -- properties -------------------------------------------------------------------------------------------------------

PIECES = [
    CLOSE,
    PERMIT,
    BLOCK,
    LINE,
    FIRST + "\n",
    WITHHOLD + "\n",
    LINE + "\n",
    LINE.replace("optional", "required") + "\n",
    LINE.replace(" pam_exec", "\\\n pam_exec") + "\n",
    "session [success=1 default=ignore] a.so\n",
    "session",
    "auth required b.so\n",
    "@include known\n",
    "@include unknown\n",
    "session include known\n",
    "session substack unknown\n",
    "# comment\n",
    "\r\n",
    "\n",
    " ",
    "\t",
    "\\",
    "\\\n",
    "#",
    "[",
    "]",
    "\x0b",
    "\x0c",
    "\x85",
    "\u2028",
    "\udcff",
]
TEXTS = st.one_of(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.text(max_size=80))
FILES = {"known": "auth required a.so\n" + PERMIT}


def or_refused(function, *arguments):
    """Return the result, or None if the text is refused. Any other exception fails the test."""
    try:
        return function(*arguments)
    except pam_stack.PamStackError:
        return None


@given(TEXTS)
@example(PERMIT + LINE)
def test_present_is_idempotent(text):
    once = or_refused(present, text, FILES)
    if once is not None:
        assert present(once, FILES) == once


@given(TEXTS)
@example(CLOSE.rstrip("\n"))
@example("session include known\r")
def test_absent_undoes_present(text):
    once = or_refused(present, text, FILES)
    if once is not None and not any(map(is_ours, pam_stack.parse(text))):
        assert absent(once, FILES) == text


@given(TEXTS)
def test_no_other_rule_changes(text):
    for function in (present, absent):
        after = or_refused(function, text, FILES)
        if after is not None:
            assert foreign_rules(after) == foreign_rules(text)


def is_ours(rule):
    command = next((word.rstrip("\r") for word in rule.arguments if word.startswith("/")), "")
    withholds = rule.module == "pam_env.so" and pam_stack.WITHHOLDING in rule.arguments
    return rule.facility == "session" and (withholds or (rule.module == "pam_exec.so" and command == PROGRAM))


def foreign_rules(text):
    lines = re.findall(r"[^\n]*\n|[^\n]+\Z", text)
    ours = {index for rule in pam_stack.parse(text) if is_ours(rule) for index in range(rule.start, rule.end)}
    # Only the missing line feed of the last line may be added.
    return "".join(line for index, line in enumerate(lines) if index not in ours).rstrip("\n")


@given(TEXTS)
def test_after_present_there_is_one_block_and_after_absent_none(text):
    after = or_refused(present, text, FILES)
    if after is not None:
        rules = [rule.words for rule in pam_stack.parse(after) if is_ours(rule)]
        assert rules == [rule.words for rule in pam_stack.parse(BLOCK)]
    gone = or_refused(absent, text, FILES)
    assert gone is None or not any(map(is_ours, pam_stack.parse(gone)))


@given(st.binary(max_size=60))
def test_bytes_survive_the_way_through_text(data):
    text = or_refused(pam_stack.decode, data)
    assert text is None or pam_stack.encode(text) == data


@given(TEXTS)
def test_reading_never_fails(text):
    assert isinstance(pam_stack.parse(text), list)
    pam_stack.find(text, PROGRAM)
    pam_stack.user_environment_readers("sshd", text, reader(FILES))


# -- comments of other tools ------------------------------------------------------------------------------------------

# The usual spellings, by tool.
HEADERS = {
    "Ansible": [
        "Ansible managed", "ANSIBLE MANAGED FILE", "Ansible-managed, do not edit",
        "Ansible managed: /x/sshd.j2 modified on 2026-01-02 10:00:00 by root on control",
        "This file is managed by Ansible.", "Managed by ansible role foo",
        "This file was generated with Ansible", "Configured by our Ansible playbook", "File is managed using Ansible",
        "DO NOT EDIT! This file is maintained by Ansible", "Deployed via Ansible", "ansible_managed",
    ],
    "Puppet": [
        "This file is managed by Puppet. DO NOT EDIT.", "This file is being maintained by Puppet.", "MANAGED BY PUPPET",
        "HEADER: This file was autogenerated at 2026-01-02 10:00:00 +0100 by puppet.", "Puppet managed file",
        "File managed with puppet", "This file is under Puppet control", "This file is under the control of Puppet",
        "*** Managed by the Puppet agent ***", "Puppet manages this file", "managed centrally by puppet",
    ],
    "Chef": [
        "Generated by Chef", "Dynamically generated by Chef for web-3",
        "This file is managed by Chef, local changes are lost",
        "This file was generated by Chef Infra Client", "Autogenerated by Chef", "Rendered by Chef", "Managed by Cinc",
        "Chef managed", "This file is controlled by Chef", "MANAGED BY CHEF",
    ],
    "Salt": [
        "This file is managed by Salt", "File managed by Salt at <salt://pam/sshd>",
        "Managed by SaltStack. Do not edit",
        "This file managed by salt-minion", "Salt managed", "salt-managed file", "Generated by SaltStack",
    ],
    "CFEngine": [
        "This file is managed by CFEngine", "THIS FILE IS MAINTAINED BY CFENGINE", "CFEngine managed file",
        "promised by CFEngine", "Distributed by cf-agent",
    ],
    "authselect": ["Generated by authselect on Mon Nov 23 10:00:00 2026"],
    "Rudder": ["This file is managed by Rudder"],
    "another tool": [
        "DO NOT EDIT", "Do not edit this file by hand", "Do not modify", "Don't change this file!",
        "THIS FILE IS AUTOMATICALLY GENERATED", "auto-generated", "This file is autogenerated",
        "Local changes will be overwritten", "Any modifications of this file will be lost",
    ],
}  # fmt: skip
NO_HEADERS = [
    "PAM configuration for the Secure Shell service", "This line is managed by pam-auth-update",
    "installed below /etc/ansible",
    "As of pam 1.0.1-6, this file is managed by pam-auth-update by default.", "Do not edit, pam-auth-update does",
    "This file is not managed by Puppet", "No longer managed by Chef.", "see the Ansible role", "salt and pepper",
    "Standard Un*x authentication.", "Print the message of the day upon successful login.", "edit this as you like",
    "Puppet was here", "The ansible user needs no password", "under /opt/puppet", "unmanaged by Ansible",
    "SELinux needs to intervene at login time to ensure that the process starts in the proper default security context."
    " Only sessions which are intended to run in the user's context should be run after this.",
]  # fmt: skip


@pytest.mark.parametrize(
    "form", ["# {}", "## {} ##", "#%PAM-1.0\n#\n#   {}\n#", PERMIT + "# {}", PERMIT[:-1] + " # {}"]
)
def test_a_header_of_a_tool_is_known_and_names_the_tool(form):
    for tool, comments in HEADERS.items():
        for comment in comments:
            said = pam_stack.written_by(form.format(comment) + "\n" + PERMIT)
            assert said is not None, comment
            assert said == comment.strip("* ")
            assert pam_stack.tool_of(said) == tool, comment


@pytest.mark.parametrize("comment", NO_HEADERS)
def test_a_comment_that_is_no_header_is_none(comment):
    assert pam_stack.written_by(f"# {comment}\n{PERMIT}") is None
    assert pam_stack.written_by(f"{PERMIT[:-1]} # {comment}\n") is None


def test_a_header_in_two_lines_is_known_and_the_tools_name_is_worth_more():
    assert pam_stack.written_by("# DO NOT EDIT\n# This file is managed\n# by Puppet.\n" + PERMIT) == (
        "This file is managed by Puppet."
    )
    assert pam_stack.written_by("# This file is managed\n\n# by Puppet.\n" + PERMIT) is None


BLOCKS = [
    ("# BEGIN ANSIBLE MANAGED BLOCK", "# END ANSIBLE MANAGED BLOCK"),
    ("# BEGIN ANSIBLE MANAGED BLOCK: 2fa", "# END ANSIBLE MANAGED BLOCK: 2fa"),
    ("# Ansible managed: 2fa start", "# Ansible managed: 2fa stop"),
    ("### Managed by Ansible >>>", "### Managed by Ansible <<<"),
    ("#-- start managed by Salt --", "#-- end managed by Salt --"),
    ("# {Begin} managed by Puppet", "# {End} managed by Puppet"),
]


@pytest.mark.parametrize(("first", "last"), BLOCKS)
@pytest.mark.parametrize("rule", ["auth required pam_x.so\n", "session required pam_x.so\n"])
def test_a_block_of_a_tool_is_no_reason_to_stop_and_the_lines_stay_outside(first, last, rule):
    """The tool rewrites the lines between its marks."""
    first, last = (mark.replace("{Begin}", "Begin").replace("{End}", "End") for mark in (first, last))
    block = f"{first}\n{rule}{last}\n"
    for text in (block + PERMIT, PERMIT + block, f"# x\n\n{block}\n{PERMIT}", CLOSE + block + PERMIT):
        edited = present(text)
        assert block in edited
        assert pam_stack.written_by(edited) is None
        assert present(edited) == edited
        assert absent(edited) == text


@pytest.mark.parametrize(("first", "last"), BLOCKS[:5])
def test_a_block_that_the_lines_have_to_be_in_is_one(first, last):
    edited = present(f"{first}\nauth required pam_x.so\n{PERMIT}{last}\n{PERMIT}")
    assert pam_stack.written_by(edited) == first.strip("# ")


def test_a_header_above_a_block_counts():
    assert pam_stack.written_by("# Ansible managed\n# BEGIN ANSIBLE MANAGED BLOCK\n# END ANSIBLE MANAGED BLOCK\n") == (
        "Ansible managed"
    )
