// Copyright: (c) 2026, the loginwatch founders
// SPDX-License-Identifier: GPL-3.0-or-later
// Shows what /api/messages returns. Every text becomes a text node: no HTML is ever made from a message.
"use strict";

const query = new URLSearchParams(location.search);
const picture = query.has("picture");
const list = document.getElementById("messages");
const shown = new Map();
let last = 0;
let refused = 0;
let day = null;

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function avatar() {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 36 36");
  svg.setAttribute("class", "avatar");
  svg.setAttribute("aria-hidden", "true");
  const shapes = [
    ["rect", { width: 36, height: 36, rx: 8 }],
    ["path", { class: "eye", d: "M5 18c4-6.5 8.3-9.2 13-9.2S27 11.5 31 18c-4 6.5-8.3 9.2-13 9.2S9 24.5 5 18Z" }],
    ["path", { class: "key", d: "M18 12.8a4.2 4.2 0 0 1 1.9 7.95V24h-3.8v-3.25A4.2 4.2 0 0 1 18 12.8Z" }],
  ];
  for (const [name, attributes] of shapes) {
    const shape = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    svg.append(shape);
  }
  return svg;
}

function unescape(text) {
  return text.replace(/&(amp|lt|gt);/g, (_, name) => ({ amp: "&", lt: "<", gt: ">" })[name]);
}

// One of Slack's <…>: a link, a mention, a date.
// A date is shown in the reader's time zone, with the tokens that alerts use; otherwise the message's fallback is
// shown.
function dateOf(target, instead) {
  const [, seconds, format = ""] = target.split("^");
  const date = new Date(seconds * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const tokens = {
    date_num: `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`,
    time_secs: date.toLocaleTimeString([], { hour: "numeric", minute: "2-digit", second: "2-digit" }),
  };
  const isKnown = [...format.matchAll(/\{(\w+)\}/g)].every(([, name]) => name in tokens);
  return isKnown ? unescape(format).replace(/\{(\w+)\}/g, (_, name) => tokens[name]) : instead;
}

function angled(inside) {
  const [target, label] = inside.split("|", 2);
  if (/^(https?:\/\/|mailto:)/.test(target)) {
    const link = element("a", null, unescape(label || target));
    link.href = unescape(target);
    link.rel = "noreferrer noopener";
    return link;
  }
  if (/^!date\^/.test(target)) return dateOf(target, unescape(label || ""));
  return element("span", "mention", unescape(label || target.replace(/^!(subteam\^)?/, "@")));
}

const MARKS = /<([^<>]+)>|(?<!\w)(?:\*([^*\n]+)\*|_([^_\n]+)_|~([^~\n]+)~|`([^`\n]+)`)(?!\w)/g;
const TAGS = ["b", "i", "s", "code"];

function mrkdwn(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(MARKS)) {
    nodes.push(unescape(text.slice(end, match.index)));
    end = match.index + match[0].length;
    if (match[1] !== undefined) {
      nodes.push(angled(match[1]));
    } else {
      const kind = match.slice(2).findIndex((part) => part !== undefined);
      nodes.push(element(TAGS[kind], null, unescape(match[kind + 2])));
    }
  }
  nodes.push(unescape(text.slice(end)));
  return nodes;
}

function nodesOf(thing) {
  if (!thing || typeof thing.text !== "string") return [""];
  return thing.type === "mrkdwn" ? mrkdwn(thing.text) : [unescape(thing.text)];
}

function richText(part) {
  if (typeof part.text === "string") return part.text;
  if (!Array.isArray(part.elements)) return part.url || part.name || part.range || "";
  return part.elements.map(richText).join(part.type === "rich_text_list" ? "\n" : "");
}

const BLOCKS = {
  header: (block) => element("div", "block header", ...nodesOf(block.text)),
  section: (block) => {
    const made = element("div", "block section");
    if (block.text) made.append(element("div", "text", ...nodesOf(block.text)));
    if (block.fields) made.append(element("div", "fields", ...block.fields.map((field) => element("div", null, ...nodesOf(field)))));
    return made;
  },
  context: (block) => element("div", "block context", ...block.elements.map((part) => element("span", null, ...nodesOf(part)))),
  divider: () => element("hr"),
  rich_text: (block) => element("div", "block section", richText(block)),
};

function time(seconds) {
  const date = new Date(seconds * 1000);
  const made = element("time", null, date.toLocaleTimeString([], { hour: "numeric", minute: "2-digit" }));
  made.dateTime = date.toISOString();
  made.title = date.toLocaleString();
  return made;
}

function dayLine(seconds) {
  const date = new Date(seconds * 1000);
  const name = date.toLocaleDateString([], { weekday: "long", month: "long", day: "numeric" });
  if (name === day) return null;
  day = name;
  const today = date.toDateString() === new Date().toDateString();
  return element("div", "day", element("span", null, today ? "Today" : name));
}

// What a service shows next to the sender's name, by the kind of channel.
const BADGES = { email: "mail", teams: "Workflows", mattermost: "BOT", telegram: "bot", google_chat: "App", discord: "APP" };
const SHORT = 40;

// The parts that the receiver has extracted from a message of a service other than Slack (looks.py).
const PARTS = {
  title: (part) => element("div", "title", part.text),
  field: (part) => {
    const value = element("span", "value", part.text);
    if (part.local !== null) value.append(" · ", element("span", "local", new Date(part.local * 1000).toLocaleString([], { dateStyle: "full", timeStyle: "short" })));
    return element("div", part.text.length > SHORT || part.local !== null ? "pair long" : "pair", element("span", "label", part.label), value);
  },
  line: (part) => element("div", "line", part.text),
  note: (part) => element("div", "note", part.text),
  button: (part) => {
    const link = element("a", "button", part.text);
    if (/^https:\/\//.test(part.url)) link.href = part.url;
    link.rel = "noreferrer noopener";
    return link;
  },
};

function asCard(look) {
  const card = element("div", "card");
  if (/^#[0-9a-f]{6}$/i.test(look.colour || "")) card.style.setProperty("--edge", look.colour);
  for (const part of look.parts) card.append(PARTS[part.role](part));
  return card;
}

function asPosted(message) {
  const kind = message.channel.split("/")[0];
  const badge = message.look ? BADGES[kind] : "APP";
  const head = element("p", "head", element("span", "name", kind === "email" ? message.payload.From : "loginwatch"));
  if (badge) head.append(element("span", "badge", badge));
  head.append(time(message.received_at));
  const content = element("div", "content", head);
  if (message.look) {
    if (message.subject) content.append(element("p", "subject", message.subject));
    content.append(asCard(message.look));
    return element("article", `look ${kind}`, avatar(), content);
  }
  const blocks = message.payload.blocks || [];
  for (const block of blocks) {
    const make = BLOCKS[block.type];
    if (make) content.append(make(block));
  }
  if (!blocks.length) content.append(element("div", "block section", ...mrkdwn(message.payload.text)));
  return element("article", null, avatar(), content);
}

function asRefused(message) {
  const { status, body } = message.answer;
  const reason = message.problems.length ? ` (${message.problems.join("; ")})` : "";
  const text = `Not posted, answered ${status === null ? body : `${status} ${body}`}${reason}: ${message.header || message.text || "?"}`;
  return element("p", "refused", text);
}

function show(message) {
  const nodes = [];
  if (message.delivered) {
    nodes.push(dayLine(message.received_at), asPosted(message));
  } else {
    refused += 1;
    nodes.push(asRefused(message));
  }
  const added = nodes.filter(Boolean);
  shown.set(message.number, added);
  list.append(...added);
}

function forget(upTo) {
  for (const [number, nodes] of shown) {
    if (number > upTo) continue;
    nodes.forEach((node) => node.remove());
    shown.delete(number);
  }
  if (!shown.size) {
    day = null;
    refused = 0;
  }
}

function update(answer) {
  const atBottom = innerHeight + scrollY >= document.documentElement.scrollHeight - 40;
  forget(answer.cleared);
  let messages = answer.messages;
  // One kind of channel, `discord`, or one channel, `discord/ops`.
  const wanted = query.get("channel");
  if (wanted) messages = messages.filter(({ channel }) => channel === wanted || channel.split("/")[0] === wanted);
  if (query.has("last")) messages = messages.filter((message) => message.delivered).slice(-Number(query.get("last")));
  messages.forEach(show);
  last = answer.last;
  document.getElementById("empty").hidden = shown.size > 0;
  const button = document.getElementById("refused");
  button.hidden = refused === 0;
  button.textContent = `${refused} not posted`;
  const count = list.querySelectorAll("article").length;
  document.title = count ? `(${count}) #logins` : "#logins";
  if (atBottom && !picture) scrollTo(0, document.documentElement.scrollHeight);
}

document.getElementById("refused").addEventListener("click", (event) => {
  const on = document.body.classList.toggle("with-refused");
  event.currentTarget.setAttribute("aria-pressed", String(on));
});

async function poll() {
  const state = document.getElementById("connection");
  for (let wait = 0; ; wait = 25) {
    try {
      const answer = await fetch(`/api/messages?after=${last}&wait=${wait}`);
      update(await answer.json());
      state.className = "";
      state.textContent = "live";
    } catch (error) {
      state.className = "lost";
      state.textContent = "receiver not reachable";
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
    if (picture) break;
  }
  // screenshot.py reads the height of the picture here.
  document.documentElement.dataset.height = Math.ceil(list.getBoundingClientRect().bottom);
}

document.body.classList.toggle("picture", picture);
document.body.classList.toggle("of-channel", query.has("channel"));
poll();
