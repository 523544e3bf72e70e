# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page in a real browser: it shows the messages, and nothing in a message has an effect there."""

import re
import struct
import subprocess
import sys
import time
from html import unescape
from pathlib import Path

import pytest
import requests
from conftest import PATH, ROOT, start, stop

from tests.lab.receiver import pages
from tests.lab.receiver.client import Receiver as Client
from tests.lab.receiver.sample import FIELDS, ID, alert
from tests.lab.receiver.screenshot import FLAGS, chromium, take

# What a browser would run if it got into the page as HTML. Each sets the title, which the test can see.
HOSTILE = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<svg onload=\"document.title='owned'\">",
    '"><iframe src="javascript:top.document.title=\'owned\'">',
    "</script><script>document.title='owned'</script>",
    "javascript:document.title='owned'",
    "{{constructor.constructor('document.title=1')()}}",
    "&lt;script&gt;document.title='owned'&lt;/script&gt;",
]

ESTABLISHED = "01"  # proc_net_tcp(5)
LOADED_SECONDS = 60.0


@pytest.fixture
def shown(client):
    def show(query="?picture"):
        return chromium(f"{client.url}/{query}", "--dump-dom")

    return show


def refused(attack):
    """Return a message that the receiver refuses, with the attack in everything that the page shows of it."""
    return {"text": attack + "<", "blocks": [{"type": attack}]}


def visible(dom):
    """Return the text of a dumped document, without scripts and styles."""
    return unescape(re.sub(r"<[^>]*>", "", re.sub(r"(?s)<(script|style|noscript)\b.*?</\1>", "", dom)))


def test_an_alert_is_shown_whole(client, post, shown):
    post(json=alert())
    dom = shown()
    labels = [label for label in FIELDS if label not in ("Person", "User", "Server")]
    for text in [*labels, *FIELDS.values(), "Ada Lovelace as deploy on web-3", f"id {ID}", "loginwatch"]:
        assert text in visible(dom)
    assert dom.count("<article>") == 1
    assert "<title>(1) #logins</title>" in dom


def test_marks_are_shown_as_slack_shows_them(client, post, shown):
    post(json={"text": "*b* _i_ ~s~ `c` <https://a.example|link> <!channel> a*b*c &amp;lt;"})
    dom = shown()
    for html in (
        "<b>b</b>", "<i>i</i>", "<s>s</s>", "<code>c</code>", ">link</a>", '<span class="mention">@channel</span>',
        "a*b*c &amp;lt;",
    ):  # fmt: skip
        assert html in dom
    assert 'href="https://a.example"' in dom


def test_a_time_is_shown_as_the_readers_clock_has_it(client, post, shown):
    known = "<!date^1763884801^{date_num} {time_secs} your time|08:00 UTC>"
    unknown = "<!date^1^{ago}|long &lt;b&gt; ago>"
    post(json={"text": f"{known} {unknown}"})
    text = visible(shown())
    assert re.search(r"2025-11-2[234] \d{1,2}:\d\d:\d\d( [AP]M)? your time long <b> ago", text.replace("\u202f", " "))


@pytest.mark.parametrize("escaped", [True, False])
def test_hostile_messages_do_nothing(client, post, shown, escaped):
    """Escaped, each is an alert about a hostile name. Unescaped, it is refused, and shown among the refused ones."""
    for attack in HOSTILE:
        post(json=alert(**dict.fromkeys(FIELDS, attack)) if escaped else refused(attack))
    assert [message.fields["User"] for message in client.messages()] == (HOSTILE if escaped else [])
    dom = shown()
    assert "owned" not in re.search("<title>(.*?)</title>", dom).group(1)
    # Only the page's own elements exist. The attack is among the texts.
    assert re.findall(r"<(script|img|iframe)\b", dom) == ["script"]
    assert "onload=" not in re.sub(r">[^<]*<", "><", dom)
    text = visible(dom)
    assert [attack for attack in HOSTILE if attack not in text] == []


def test_a_link_to_a_script_is_no_link(client, post, shown, running):
    """The receiver refuses such a message. If one got past it, the page would still not make it clickable."""
    post(json={"text": "<https://a.example|click>"})
    (message,) = client.messages()
    hostile = {**message.raw, "payload": {"text": "<javascript:document.title='owned'|click>"}}
    running.store.add({key: value for key, value in hostile.items() if key != "number"})
    dom = shown()
    assert dom.count(">click<") == 2
    assert re.findall("<a href=[^ ]*", dom) == ['<a href="https://a.example"']


def test_what_was_not_posted_stands_aside(client, post, shown):
    post(json={"text": "a < b"})
    client.behave({"mode": "status", "status": 503})
    post(json=alert())
    dom = shown()
    assert "<article>" not in dom
    assert "Not posted, answered 400 invalid_payload (text: unescaped <" in visible(dom)
    assert "Not posted, answered 503 status 503: Ada Lovelace as deploy on web-3" in visible(dom)


def connections(address):
    """Return how many clients are connected to a listener. A page that has been loaded waits for the next message."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(local.endswith(port) and state == ESTABLISHED for _number, local, _remote, state, *_others in lines)


def test_the_page_updates_by_itself_and_says_when_it_cannot(tmp_path):
    """The browser stays open: its virtual time stops during a request, and it exits after that time."""
    process, addresses = start(tmp_path / "state")
    url = f"http://{addresses['http']}"
    client = Client(url)
    requests.post(url + PATH, json={"text": "the first"}, timeout=10)
    command = ["chromium", *FLAGS, f"--user-data-dir={tmp_path}", "--virtual-time-budget=9000", "--dump-dom", url + "/"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as browser:
        deadline = time.monotonic() + LOADED_SECONDS
        while not connections(addresses["http"]) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(3)
        client.clear()
        requests.post(url + PATH, json={"text": "the second"}, timeout=10)
        time.sleep(2)
        stop(process)
        dom = browser.communicate(timeout=60)[0]
    assert "the second" in dom
    assert "the first" not in dom
    assert "receiver not reachable" in dom


def test_the_page_runs_nothing_but_its_own_script(client):
    for path, (kind, content) in pages.FILES.items():
        answer = requests.get(client.url + path, timeout=10)
        assert (answer.content, answer.headers["Content-Type"]) == (content, kind)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert "unsafe" not in str(policy)


def test_the_page_needs_nothing_from_elsewhere():
    for _, content in pages.FILES.values():
        addresses = re.findall(rb"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", content)
        assert [address for address in addresses if address != b"http://www.w3.org"] == []


def test_a_picture_is_cropped_to_the_message_and_crisp(client, post, tmp_path):
    post(json={"text": "another"})
    post(json=alert())
    output = tmp_path / "docs" / "alert.png"
    take(client.url, output, last=1, width=600)
    header = output.read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", header[16:24])
    assert width == 1200
    assert 500 < height < 1200


def test_the_picture_of_the_readme_can_be_made_anew(tmp_path):
    command = [sys.executable, "-m", "tests.lab.receiver.screenshot", "--output", str(tmp_path / "alert.png")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(tmp_path / "alert.png").stat().st_size > 10_000


def test_a_missing_chromium_is_one_clear_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="apt-get install chromium"):
        chromium("http://127.0.0.1:1/")
