// A terminal in a container: exec over WebSocket (v5.channel.k8s.io), drawn from a Screen.

import { socket } from "/ui/api.js";
import { h, onceAFrame, section } from "/ui/dom.js";
import { choose } from "/ui/logs.js";
import { Screen } from "/ui/screen.js";

const STDIN = 0, STDOUT = 1, STDERR = 2, ERROR = 3, RESIZE = 4;
const ROWS = 24;
const KEYS = {
  Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b", Delete: "\x1b[3~", Insert: "\x1b[2~",
  PageUp: "\x1b[5~", PageDown: "\x1b[6~", F1: "\x1bOP", F2: "\x1bOQ", F3: "\x1bOR", F4: "\x1bOS",
  F5: "\x1b[15~", F6: "\x1b[17~", F7: "\x1b[18~", F8: "\x1b[19~", F9: "\x1b[20~", F10: "\x1b[21~",
};
const CURSOR_KEYS = { ArrowUp: "A", ArrowDown: "B", ArrowRight: "C", ArrowLeft: "D", Home: "H", End: "F" };

// Returns the bytes of a key, or "" for a key that is not the terminal's. Shift+Tab leaves the terminal.
export function keyText(event, applicationKeys) {
  if (event.metaKey || (event.key === "Tab" && event.shiftKey)) return "";
  if (CURSOR_KEYS[event.key]) return `\x1b${applicationKeys ? "O" : "["}${CURSOR_KEYS[event.key]}`;
  if (KEYS[event.key]) return KEYS[event.key];
  if (event.key.length !== 1) return "";
  if (event.ctrlKey && event.shiftKey) return "";
  if (event.ctrlKey) {
    const code = event.key.toUpperCase().charCodeAt(0);
    return code >= 64 && code < 96 ? String.fromCharCode(code - 64) : event.key === " " ? "\0" : "";
  }
  return event.altKey ? `\x1b${event.key}` : "";
}

function draw(element, screen) {
  const atEnd = element.scrollTop + element.clientHeight >= element.scrollHeight - 40;
  element.replaceChildren(...screen.lines().map((runs) => h("div", {}, ...runs.map(span), runs.some((run) => run.text) ? null : " ")));
  if (atEnd) element.scrollTop = element.scrollHeight;
}

function span({ text, style, cursor }) {
  const made = h("span", { class: cursor ? "cursor" : null }, text);
  const inverse = style.flags.includes("inverse");
  const [fg, bg] = inverse ? [style.bg || "#10151b", style.fg || "#e6edf3"] : [style.fg, style.bg];
  if (!cursor && fg) made.style.color = fg;
  if (!cursor && bg) made.style.backgroundColor = bg;
  if (style.flags.includes("bold")) made.style.fontWeight = "bold";
  if (style.flags.includes("dim")) made.style.opacity = "0.7";
  if (style.flags.includes("italic")) made.style.fontStyle = "italic";
  if (style.flags.includes("underline")) made.style.textDecoration = "underline";
  if (style.flags.includes("strike")) made.style.textDecoration = "line-through";
  return made;
}

export function showTerminal(scope, namespace, name) {
  const select = h("select", { "aria-label": "Container of the terminal" });
  const command = h("input", { "aria-label": "Command", value: "sh", spellcheck: "false" });
  const open = h("button", { type: "button", class: "primary" }, "Open terminal");
  const state = h("span", { class: "faint", role: "status" });
  const view = h("div", { class: "terminal", role: "log", "aria-live": "off", "aria-label": "Screen of the terminal", tabindex: "0", hidden: true });
  const keys = h("textarea", { "aria-label": "Input of the terminal; Shift and Tab leave it", autocapitalize: "off", autocomplete: "off", spellcheck: "false", rows: "1", hidden: true });
  keys.style.minHeight = "2.2rem";
  let connection = null, screen = null;

  const send = (channel, text) => {
    if (connection?.readyState !== WebSocket.OPEN) return;
    const body = new TextEncoder().encode(text);
    const message = new Uint8Array(body.length + 1);
    message[0] = channel;
    message.set(body, 1);
    connection.send(message);
  };
  const redraw = onceAFrame(() => draw(view, screen));

  function fit() {
    if (!screen || view.hidden) return;
    const probe = h("span", {}, "m".repeat(40));
    view.append(probe);
    const cell = probe.getBoundingClientRect().width / 40;
    probe.remove();
    const columns = Math.max(20, Math.floor((view.clientWidth - 18) / cell));
    screen.resize(columns, ROWS);
    send(RESIZE, JSON.stringify({ Width: columns, Height: ROWS }));
    redraw();
  }

  function start() {
    connection?.close();
    const query = new URLSearchParams({ container: select.value, stdin: "true", stdout: "true", tty: "true" });
    for (const word of command.value.split(/\s+/).filter(Boolean)) query.append("command", word);
    const mine = socket(`/api/v1/namespaces/${namespace}/pods/${name}/exec?${query}`, "v5.channel.k8s.io");
    connection = mine;
    mine.binaryType = "arraybuffer";
    screen = new Screen(80, ROWS, (text) => send(STDIN, text));
    view.hidden = keys.hidden = false;
    state.textContent = "connecting";
    const decoder = new TextDecoder();
    mine.onopen = () => {
      state.textContent = "connected";
      fit();
      keys.focus();
    };
    mine.onmessage = ({ data }) => {
      const bytes = new Uint8Array(data), rest = bytes.subarray(1);
      if (bytes[0] === STDOUT || bytes[0] === STDERR) screen.write(decoder.decode(rest, { stream: true }));
      else if (bytes[0] === ERROR) state.textContent = outcome(new TextDecoder().decode(rest));
      redraw();
    };
    mine.onclose = () => {
      if (connection !== mine) return;
      if (["connecting", "connected"].includes(state.textContent)) state.textContent = "closed";
    };
  }

  keys.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const text = keyText(event, screen?.applicationKeys);
    if (!text) return;
    event.preventDefault();
    send(STDIN, text);
  });
  keys.addEventListener("input", (event) => {
    if (event.isComposing) return;
    const text = keys.value.replaceAll("\n", "\r");
    keys.value = "";
    const pasted = event.inputType === "insertFromPaste" && screen.bracketed;
    send(STDIN, pasted ? `\x1b[200~${text}\x1b[201~` : text);
  });
  keys.addEventListener("compositionend", () => {
    send(STDIN, keys.value);
    keys.value = "";
  });
  view.addEventListener("click", () => {
    if (!String(getSelection())) keys.focus();
  });
  open.addEventListener("click", start);
  const resized = new ResizeObserver(onceAFrame(fit));
  resized.observe(view);
  scope.onEnd(() => {
    resized.disconnect();
    connection?.close();
  });
  return {
    element: section("Terminal", h("div", { class: "bar" }, select, command, open, state), view, keys),
    containers: (names) => choose(select, names),
  };
}

function outcome(text) {
  try {
    const status = JSON.parse(text);
    return status.status === "Success" ? "ended" : `ended: ${status.message}`;
  } catch {
    return "ended";
  }
}
