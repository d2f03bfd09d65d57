// The section that says why a Service does not work.

import { getJson } from "/ui/api.js";
import { h, section } from "/ui/dom.js";

const MARKS = { ok: ["✓", "good"], note: ["!", "warn"], fault: ["✗", "bad"], unknown: ["?", "warn"] };

export function showWhy(namespace, name) {
  const result = h("div", { "aria-live": "polite" }, "Checking …");
  const again = h("button", { type: "button" }, "Check again");
  async function check() {
    again.disabled = true;
    try {
      const found = await getJson(`/ui/why?namespace=${encodeURIComponent(namespace)}&name=${encodeURIComponent(name)}`);
      result.replaceChildren(...render(found));
    } catch (error) {
      result.replaceChildren(h("p", { class: "bad" }, error.message));
    }
    again.disabled = false;
  }
  again.addEventListener("click", check);
  check();
  return section("Why", result, h("p", {}, again));
}

function render(found) {
  const [mark, tone] = MARKS[found.verdict] ?? MARKS.unknown;
  return [
    h("p", { class: `verdict ${tone}` }, `${mark} ${found.sentence}`),
    ...found.evidence.map((text) => h("p", { class: "faint" }, text)),
    found.cure ? h("pre", { tabindex: "0", "aria-label": "Cure" }, found.cure) : null,
    h("ul", { class: "chain" }, ...found.checks.map((check) => {
      const [sign, color] = MARKS[check.status] ?? MARKS.unknown;
      return h("li", { class: color, "data-mark": sign }, h("span", { class: "faint" }, `${check.stage}: `), check.cause || check.lookedAt);
    })),
  ].filter(Boolean);
}
