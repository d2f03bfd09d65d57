// A packet's way drawn as a path, and the rules of a Service in words.

import { getJson, request } from "/ui/api.js";
import { h, s, section } from "/ui/dom.js";

const BOX = { width: 180, height: 42, step: 54 }, GAP = 50;
const TONES = { pod: "good", node: "good", outside: "good", refused: "bad", dropped: "bad", unreachable: "bad", unknown: "warn" };
const MOST_ENDS = 12;

export function showTrace(scope, namespace, name) {
  const from = h("input", { list: "senders", value: "host", "aria-label": "Sender: host, node/NAME, pod/NAME or an address", spellcheck: "false" });
  const senders = h("datalist", { id: "senders" });
  const port = h("select", { "aria-label": "Port of the Service" });
  const family = h("select", { "aria-label": "Address family", hidden: true }, ...["ipv4", "ipv6"].map((value) => h("option", { value }, value.replace("ipv", "IPv"))));
  const live = h("input", { type: "checkbox", id: "live" });
  const button = h("button", { type: "submit", class: "primary" }, "Trace");
  const result = h("div", { "aria-live": "polite" });
  const form = h("form", { class: "bar" }, h("span", {}, "From"), from, senders, h("span", {}, "to port"), port, family, live, h("label", { for: "live" }, "send a real packet"), button);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    const [number, protocol] = port.value.split("/");
    const query = new URLSearchParams({ namespace, from: from.value, to: `svc/${name}${number ? `:${number}` : ""}`, protocol: protocol?.toLowerCase() ?? "" });
    if (!family.hidden) query.set("family", family.value);
    try {
      const answer = await request(`/ui/trace?${query}`, { method: live.checked ? "POST" : "GET" });
      result.replaceChildren(...drawTrace(await answer.json(), from.value, name));
    } catch (error) {
      result.replaceChildren(h("p", { class: "bad" }, error.message));
    }
    button.disabled = false;
  });
  const services = scope.open("services", namespace, () => {
    const service = services.map.get(`${namespace}/${name}`);
    family.hidden = (service?.ips ?? []).length < 2;
    const numbers = (service?.ports ?? []).map((one) => `${one.port}/${one.protocol}`);
    if ([...port.options].map((option) => option.value).join() !== numbers.join()) {
      port.replaceChildren(...numbers.map((number) => h("option", { value: number }, number)));
    }
  });
  const suggest = () => senders.replaceChildren(...["host", ...[...nodes.map.keys()].map((key) => `node/${key}`),
    ...[...pods.map.values()].slice(0, 200).map((pod) => `pod/${pod.k.split("/")[1]}`)].map((value) => h("option", { value })));
  const nodes = scope.open("nodes", "", suggest);
  const pods = scope.open("pods", namespace, suggest);
  return section("Trace", form, result);
}

// Returns the path as a picture, and the rules on the way to the chosen end.
function drawTrace(trace, from, name) {
  const ends = (trace.kernel ?? trace.plan).slice(0, MOST_ENDS);
  const detail = h("div", {});
  const choose = (end) => detail.replaceChildren(...describe(end));
  const verdict = trace.agrees === null
    ? h("p", { class: "faint" }, "Over the plan: the rules of the kernel could not be read.")
    : h("p", { class: trace.agrees ? "good" : "bad" }, trace.agrees ? "Plan and kernel agree." : `Plan and kernel differ: ${trace.differences.join("; ")}`);
  if (ends.length) choose(ends[0]);
  return [verdict, ...(trace.live ? describeLive(trace.live) : []), trace.to.note ? h("p", { class: "faint" }, trace.to.note) : null,
    h("div", { class: "picture", tabindex: "0", role: "group", "aria-label": "Path of the packet" }, picture(trace, from, name, ends)),
    h("div", { class: "bar" }, ...ends.map((end) => endButton(end, () => choose(end)))), detail].filter(Boolean);
}

const OUTCOMES = { answered: "was answered", refused: "was refused", silent: "got no answer", unreachable: "could not be sent" };
const RULES = { agree: "the same rules", "not permitted": "not permitted here", "another port": "not followed, because masquerading chose another source port" };

// Returns what became of the packet that was sent, and whether the kernel's own trace has the predicted rules.
function describeLive(live) {
  const reached = live.endpoint ? `; connection tracking: ${live.endpoint}, which sees ${live.seenAs}` : "";
  const detail = live.detail ? ` (${live.detail})` : "";
  return [
    h("p", { class: live.agrees ? "good" : "bad" }, `A real packet from port ${live.sourcePort} ${OUTCOMES[live.outcome]}${detail}${reached}: ${live.predicted ? "as predicted" : "NOT as predicted"}.`),
    live.outcome === "refused" && live.endpoint ? h("p", { class: "warn" }, `The rules delivered it: nothing listens at ${live.endpoint}.`) : null,
    ...Object.entries(live.rules).map(([node, text]) => h("p", { class: "faint" }, `The kernel's own trace on ${node}: ${RULES[text] ?? text}.`)),
  ].filter(Boolean);
}

const label = (end) => end.pod?.split("/")[1] ?? (end.address ? `${end.address}:${end.port}` : end.kind);
const share = (end) => `${Math.round(end.probability * 1000) / 10} %`;
const endButton = (end, work) => h("button", { type: "button", onclick: work }, `${label(end)}, ${share(end)}`);

function picture(trace, from, name, ends) {
  const columns = [[{ key: "from", title: from, note: trace.from.address, tone: "" }], [{ key: "to", title: name, note: trace.to.addresses.map((one) => `${one.address}:${one.port}`).join(" "), tone: "" }]];
  const edges = [["0 from", "1 to", ""]];
  const place = (column, box) => {
    columns[column] ??= [];
    if (!columns[column].some((one) => one.key === box.key)) columns[column].push(box);
    return `${column} ${box.key}`;
  };
  const longest = Math.max(0, ...ends.map((end) => end.hops.length));
  for (const end of ends) {
    let at = "1 to";
    end.hops.forEach((hop, index) => {
      const next = place(2 + index, { key: hop.node, title: hop.node, note: `${hop.mode}: ${hop.steps.filter((step) => step.matched).length} rules match`, tone: "" });
      edges.push([at, next, ""]);
      at = next;
    });
    const masked = end.masqueradedBy ? `, sees ${end.seenAs}` : "";
    const last = place(2 + longest, { key: `${end.kind} ${end.address} ${end.port} ${end.reason}`, title: label(end), note: `${end.kind}${masked}`, tone: TONES[end.kind] ?? "warn" });
    edges.push([at, last, share(end)]);
  }
  const rows = Math.max(...columns.map((column) => column?.length ?? 0), 1);
  const height = rows * BOX.step + 10;
  const places = new Map();
  const boxes = columns.flatMap((column, index) => (column ?? []).map((box, row) => {
    const x = 8 + index * (BOX.width + GAP), y = 8 + row * BOX.step + ((rows - column.length) * BOX.step) / 2;
    places.set(`${index} ${box.key}`, [x, y]);
    return s("g", {}, s("title", {}, `${box.title} ${box.note}`), s("rect", { class: `box ${box.tone}`, x, y, width: BOX.width, height: BOX.height, rx: 6 }),
      s("text", { x: x + 9, y: y + 17 }, short(box.title)), s("text", { x: x + 9, y: y + 34, class: "faint" }, short(box.note, 34)));
  }));
  const drawn = new Set();
  const lines = edges.flatMap(([a, b, text]) => {
    if (drawn.has(`${a} ${b}`)) return [];
    drawn.add(`${a} ${b}`);
    const [x1, y1] = places.get(a), [x2, y2] = places.get(b);
    const from = x1 + BOX.width, mid = (from + x2) / 2, ya = y1 + BOX.height / 2, yb = y2 + BOX.height / 2;
    return [s("path", { class: "edge", d: `M${from} ${ya}C${mid} ${ya} ${mid} ${yb} ${x2} ${yb}` }),
      text ? s("text", { class: "faint", x: x2 - 6, y: yb - 5, "text-anchor": "end" }, text) : null];
  });
  const width = 8 + columns.length * (BOX.width + GAP);
  return s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${from} to ${name}: ${ends.map((end) => `${label(end)} ${share(end)}`).join(", ")}` }, ...lines.filter(Boolean), ...boxes);
}

const short = (text, most = 28) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function describe(end) {
  return [h("h4", {}, `${label(end)}: ${end.reason}`), h("ol", { class: "steps" }, ...end.hops.flatMap((hop) => [
    h("li", {}, h("strong", {}, `${hop.node} (${hop.mode}) `), `${hop.source} → ${hop.target}:${hop.port}`),
    ...hop.steps.map((step) => h("li", { class: step.matched ? null : "faint" },
      `${step.matched ? "✓" : "–"} ${step.chain}: ${step.words || step.rule}`, step.effects.length ? h("span", { class: "good" }, ` → ${step.effects.join(", ")}`) : null)),
  ]))];
}

export function showRules(namespace, name) {
  const result = h("div", { "aria-live": "polite" });
  const raw = h("input", { type: "checkbox", id: "raw" });
  const button = h("button", { type: "button" }, "Show the rules");
  let lines = null;
  const draw = () => {
    const nodes = [...new Set(lines.map((line) => line.node))];
    result.replaceChildren(...nodes.map((node) => h("details", { open: true }, h("summary", {}, `${node}: ${lines.find((line) => line.node === node).mode}`),
      h("ul", {}, ...lines.filter((line) => line.node === node).map((line) =>
        h("li", {}, h("span", { class: "faint" }, `${line.place}: `), raw.checked ? h("code", {}, line.text) : line.words || line.text))))));
    if (!lines.length) result.replaceChildren(h("p", { class: "faint" }, "No rules: the Service has no address in the cluster."));
  };
  button.addEventListener("click", async () => {
    try {
      const found = await getJson(`/ui/rules?${new URLSearchParams({ namespace, name })}`);
      ({ lines } = found);
      draw();
      if (found.more) result.append(h("p", { class: "faint" }, `${found.more} more lines: fairlead rules svc/${name} -n ${namespace}`));
    } catch (error) {
      result.replaceChildren(h("p", { class: "bad" }, error.message));
    }
  });
  raw.addEventListener("change", () => lines && draw());
  return section("Rules", h("div", { class: "bar" }, button, raw, h("label", { for: "raw" }, "as the kernel lists them")), result);
}
