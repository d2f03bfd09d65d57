// The section that says why an object does not work, and tries connections to a Service from one of its namespace's Pods.

import { getJson } from "/ui/api.js";
import { h, section } from "/ui/dom.js";

const MARKS = { ok: ["✓", "good"], note: ["!", "warn"], fault: ["✗", "bad"], unknown: ["?", "warn"] };

// `scope` follows the Pods from which connections can be tried; only Services have them.
export function showWhy(namespace, name, { kind = "svc", scope } = {}) {
  const result = h("div", { "aria-live": "polite" }, "Checking …");
  const again = h("button", { type: "submit" }, "Check again");
  const from = h("select", { "aria-label": "Pod from which connections are tried" }, h("option", { value: "" }, "no connection"));
  const http = h("input", { type: "checkbox", id: "http" });
  const form = h("form", { class: "bar" }, scope && kind === "svc" ? [h("span", {}, "Try from"), from, http, h("label", { for: "http" }, "with an HTTP request")] : null, again);
  async function check() {
    again.disabled = true;
    const query = new URLSearchParams({ namespace, name, kind });
    if (from.value) query.set("from", from.value);
    if (from.value && http.checked) query.set("http", "1");
    try {
      result.replaceChildren(...render(await getJson(`/ui/why?${query}`)));
    } catch (error) {
      result.replaceChildren(h("p", { class: "bad" }, error.message));
    }
    again.disabled = false;
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    check();
  });
  if (scope && kind === "svc") {
    const pods = scope.open("pods", namespace, () => {
      const chosen = from.value;
      const names = [...pods.map.values()].filter((pod) => pod.phase === "Running").map((pod) => `pod/${pod.k.split("/")[1]}`).sort().slice(0, 200);
      from.replaceChildren(...["", ...names].map((value) => h("option", { value, selected: value === chosen }, value || "no connection")));
    });
  }
  check();
  return section("Why", result, form);
}

function render(found) {
  const [mark, tone] = MARKS[found.verdict] ?? MARKS.unknown;
  return [
    h("p", { class: `verdict ${tone}` }, `${mark} ${found.sentence}`),
    ...found.evidence.map((text) => h("p", { class: "faint" }, text)),
    found.cure ? h("pre", { tabindex: "0", role: "group", "aria-label": "Cure" }, found.cure) : null,
    h("ul", { class: "chain" }, ...found.checks.map((check) => {
      const [sign, color] = MARKS[check.status] ?? MARKS.unknown;
      return h("li", { class: color, "data-mark": sign }, h("span", { class: "faint" }, `${check.stage}: `), check.cause || check.lookedAt);
    })),
  ].filter(Boolean);
}
