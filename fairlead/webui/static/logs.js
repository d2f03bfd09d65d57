// The log of a container, followed. At most LINES lines stay in the document.

import { request } from "/ui/api.js";
import { h, onceAFrame, section } from "/ui/dom.js";

const LINES = 5000, TAIL = 500;

export function choose(select, names) {
  const known = [...select.options].map((option) => option.value).join(" ");
  if (known === names.join(" ")) return false;
  select.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
  return true;
}

// Calls `onText` with the pieces of a log until it ends or `signal` aborts.
export async function follow(path, signal, onText) {
  const answer = await request(path, { signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onText(value);
  }
}

export function showLogs(scope, namespace, name) {
  const select = h("select", { "aria-label": "Container of the log" });
  const previous = h("input", { type: "checkbox", id: "previous" });
  const state = h("span", { class: "faint", role: "status" });
  const text = h("pre", { class: "log", tabindex: "0", role: "group", "aria-label": "Log" });
  let lines = [""], aborter = null;

  const draw = onceAFrame(() => {
    const atEnd = text.scrollTop + text.clientHeight >= text.scrollHeight - 40;
    text.textContent = lines.join("\n");
    if (atEnd) text.scrollTop = text.scrollHeight;
  });

  async function start() {
    aborter?.abort();
    aborter = new AbortController();
    const { signal } = aborter;
    lines = [""];
    draw();
    state.textContent = "following";
    const query = new URLSearchParams({ container: select.value, tailLines: TAIL });
    if (previous.checked) query.set("previous", "true");
    else query.set("follow", "true");
    try {
      await follow(`/api/v1/namespaces/${namespace}/pods/${name}/log?${query}`, signal, (piece) => {
        const more = piece.split("\n");
        lines[lines.length - 1] += more[0];
        lines.push(...more.slice(1));
        if (lines.length > LINES) lines = lines.slice(-LINES);
        draw();
      });
      state.textContent = "ended";
    } catch (error) {
      if (!signal.aborted) state.textContent = error.message;
    }
  }
  select.addEventListener("change", start);
  previous.addEventListener("change", start);
  scope.onEnd(() => aborter?.abort());
  return {
    element: section("Log", h("div", { class: "bar" }, select, previous, h("label", { for: "previous" }, "of the previous run"), state), text),
    containers(names) {
      if (choose(select, names)) start();
    },
  };
}
