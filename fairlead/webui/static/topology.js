// Services, slices, Pods and nodes as a picture. The dashes on the lines move as fast as the kernel's counters grow.

import { h, s } from "/ui/dom.js";
import { BOX, COLUMNS, SERVICES, layout } from "/ui/layout.js";
import { podState, Rates, slicesByService } from "/ui/model.js";
import { byKey, bytes, matches, nameOf } from "/ui/text.js";

let filter = "", page = 0;

export function show(root, { scope, namespace }) {
  const search = h("input", { type: "search", "aria-label": "Filter Services", placeholder: "Filter Services", value: filter });
  const count = h("span", { class: "faint", role: "status" });
  const back = h("button", { type: "button" }, "Previous"), forth = h("button", { type: "button" }, "Next");
  const picture = h("div", { class: "picture", tabindex: "0", role: "group", "aria-label": "Topology" });
  root.append(h("h2", {}, "Topology"), h("div", { class: "bar" }, search, back, forth, count), h("section", { "aria-label": "Picture" }, picture));
  const rates = new Rates();
  let flows = [], figuresOf = new Map();

  const draw = () => {
    const all = [...services.map.values()].filter((one) => matches(filter, one.k, one.type, ...one.ips)).sort(byKey);
    const pages = Math.max(1, Math.ceil(all.length / SERVICES));
    page = Math.min(page, pages - 1);
    const found = slicesByService(slices.map);
    const from = page * SERVICES;
    const placed = layout(all.slice(from, from + SERVICES), (key) => (found.get(key) ?? []).sort(byKey), [...ingresses.map.values()], pods.map);
    count.textContent = services.error || (all.length ? `${from + 1} to ${Math.min(from + SERVICES, all.length)} of ${all.length} Services` : "No Services here.");
    back.disabled = page === 0;
    forth.disabled = page >= pages - 1;
    const focused = picture.contains(document.activeElement) ? document.activeElement.getAttribute("href") : "";
    picture.replaceChildren(svg(placed));
    if (focused) picture.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    flow();
    root.dataset.ready = [services, slices].every((topic) => topic.synced) ? "yes" : "";
  };

  function svg({ boxes, edges, height }) {
    const places = new Map(boxes.map((box) => [box.id, [COLUMNS[box.column][1], box.y]]));
    flows = [];
    figuresOf = new Map();
    const lines = edges.flatMap((edge) => {
      const [x1, y1] = places.get(edge.from), [x2, y2] = places.get(edge.to);
      const a = x1 + BOX.width, b = y1 + BOX.height / 2, c = y2 + BOX.height / 2, bend = (x2 - a) / 2;
      const d = `M${a} ${b}C${a + bend} ${b} ${x2 - bend} ${c} ${x2} ${c}`;
      const moving = edge.pods.length ? s("path", { class: "flow", d, visibility: "hidden" }) : null;
      if (moving) flows.push({ path: moving, pods: edge.pods, at: 0, speed: 0 });
      return [s("path", { class: "edge", d, "stroke-dasharray": edge.weak ? "4 4" : null }), moving];
    });
    const heads = COLUMNS.map(([name, x]) => s("text", { x, y: 18, class: "faint" }, name));
    return s("svg", { width: 1150, height, viewBox: `0 0 1150 ${height}` }, ...heads, ...lines.filter(Boolean), ...boxes.map(box));
  }

  function box(one) {
    const x = COLUMNS[one.column][1];
    const [title, note, tone, href] = describe(one);
    const second = s("text", { x: x + 9, y: one.y + 31, class: "faint" }, note);
    if (one.kind === "pod") figuresOf.set(one.key, [second, note]);
    const parts = [
      s("title", {}, `${one.kind} ${title} ${note}`),
      s("rect", { class: `box ${tone}`, x, y: one.y, width: BOX.width, height: BOX.height, rx: 6 }),
      s("text", { x: x + 9, y: one.y + 16 }, title.length > 25 ? `${title.slice(0, 24)}…` : title), second,
    ];
    return href ? s("a", { href, "aria-label": `${one.kind} ${title}, ${note}` }, ...parts) : s("g", {}, ...parts);
  }

  function describe(one) {
    switch (one.kind) {
      case "service": return [nameOf(one.key), `${one.service.type} ${one.service.ips[0] ?? one.service.externalName}`, "", `#/service/${one.key}`];
      case "slice": return [nameOf(one.key), `${one.slice.endpoints.length} endpoints ${one.slice.family}`, "", `#/yaml/apis/discovery.k8s.io/v1/namespaces/${one.key.split("/")[0]}/endpointslices/${nameOf(one.key)}`];
      case "pod": return [nameOf(one.key), one.pod ? podState(one.pod)[0] : one.end.state, one.pod ? podState(one.pod)[1] : "", `#/pod/${one.key}`];
      case "address": return [one.end.ip, one.end.state, "", ""];
      case "node": return [one.key, "node", "", `#/yaml/api/v1/nodes/${one.key}`];
      case "way": return [one.text, "", "", one.text.startsWith("http") ? one.text : ""];
      default: return [one.text, "", "", one.key ? `#/service/${one.key}` : ""];
    }
  }

  // Sets widths and speeds from the present rates: a stream of 1 kB/s moves 30 px a second, one of 1 MB/s 90 px.
  function flow() {
    for (const one of flows) {
      const sum = one.pods.reduce((total, key) => total + rates.of(key).received + rates.of(key).sent, 0);
      one.speed = sum >= 1 ? 10 * Math.log10(sum) : 0;
      one.path.setAttribute("visibility", one.speed ? "visible" : "hidden");
      one.path.setAttribute("stroke-width", 1.5 + Math.log10(1 + sum) / 2);
    }
    for (const [key, [text, note]] of figuresOf) {
      const rate = rates.of(key);
      const sum = rate.received + rate.sent;
      text.textContent = sum < 1 ? note : `${bytes(sum)}/s · ${rate.connections.toFixed(1)} conn/s`;
    }
  }

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let last = performance.now(), ended = false;
  function animate(time) {
    if (ended) return;
    const passed = (time - last) / 1000;
    last = time;
    if (!still.matches) {
      for (const one of flows) {
        if (!one.speed) continue;
        one.at -= one.speed * passed;
        one.path.setAttribute("stroke-dashoffset", one.at.toFixed(1));
      }
    }
    requestAnimationFrame(animate);
  }
  scope.onEnd(() => { ended = true; });

  const onTraffic = () => flow();
  onTraffic.figures = ({ traffic }) => rates.take(traffic);
  search.addEventListener("input", () => { filter = search.value; page = 0; draw(); });
  back.addEventListener("click", () => { page--; draw(); });
  forth.addEventListener("click", () => { page++; draw(); });
  const services = scope.open("services", namespace, draw);
  const slices = scope.open("endpointslices", namespace, draw);
  const pods = scope.open("pods", namespace, draw);
  const ingresses = scope.open("ingresses", namespace, draw);
  scope.open("traffic", namespace, onTraffic);
  requestAnimationFrame(animate);
}
