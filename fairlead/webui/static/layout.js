// Places the boxes of the topology: five columns, one band for each Service. Pure, and bounded: a page shows at most
// SERVICES Services, with at most SLICES slices and PODS Pods each; the rest is counted.

import { endpoints, podKey } from "/ui/model.js";
import { nameOf } from "/ui/text.js";

export const SERVICES = 10, SLICES = 3, PODS = 8;
export const COLUMNS = [["Ways in", 10], ["Services", 240], ["Slices", 470], ["Pods", 680], ["Nodes", 960]];
export const BOX = { width: 180, height: 38, step: 48, gap: 22 };

// Returns {boxes, edges, height}. A box: {id, column, y, kind, key, more}; an edge: {from, to, pods}: the Pods whose
// traffic it carries.
export function layout(services, slicesOf, ingresses, pods) {
  const boxes = [], edges = [], nodes = new Map(), shownPods = new Map();
  let top = 34;
  for (const service of services) {
    const id = `service ${service.k}`;
    const ways = waysIn(service, ingresses);
    const slices = slicesOf(service.k);
    const shown = slices.slice(0, SLICES);
    const ends = endpoints(slices);
    const visible = ends.slice(0, PODS);
    const rows = Math.max(1, ways.length, shown.length + (slices.length > SLICES), visible.length + (ends.length > PODS));
    const middle = (count) => top + ((rows - count) * BOX.step) / 2;
    ways.forEach((way, index) => {
      boxes.push({ id: `way ${service.k} ${index}`, column: 0, y: middle(ways.length) + index * BOX.step, kind: "way", text: way });
      edges.push({ from: `way ${service.k} ${index}`, to: id, pods: [] });
    });
    boxes.push({ id, column: 1, y: middle(1), kind: "service", key: service.k, service });
    const carried = ends.map(podKey).filter(Boolean);
    shown.forEach((slice, index) => {
      boxes.push({ id: `slice ${slice.k}`, column: 2, y: middle(shown.length) + index * BOX.step, kind: "slice", key: slice.k, slice });
      edges.push({ from: id, to: `slice ${slice.k}`, pods: carried });
    });
    if (slices.length > SLICES) {
      boxes.push({ id: `slices ${service.k}`, column: 2, y: middle(shown.length) + shown.length * BOX.step, kind: "more", text: `${slices.length - SLICES} more slices` });
    }
    visible.forEach((end, index) => {
      const key = podKey(end);
      const podId = key ? `pod ${key}` : `address ${service.k} ${end.ip}`;
      if (!shownPods.has(podId)) {
        boxes.push({ id: podId, column: 3, y: top + index * BOX.step, kind: key ? "pod" : "address", key, end, pod: pods.get(key) });
        shownPods.set(podId, end);
        const node = end.node || pods.get(key)?.node;
        if (node) {
          nodes.set(node, [...(nodes.get(node) ?? []), top + index * BOX.step]);
          edges.push({ from: podId, to: `node ${node}`, pods: [key] });
        }
      }
      edges.push({ from: `slice ${end.slice.k}`, to: podId, pods: [key], weak: end.state !== "ready" });
    });
    if (ends.length > PODS) {
      boxes.push({ id: `ends ${service.k}`, column: 3, y: top + visible.length * BOX.step, kind: "more", text: `${ends.length - PODS} more endpoints`, key: service.k });
    }
    top += rows * BOX.step + BOX.gap;
  }
  let below = 34;
  for (const [node, ys] of [...nodes].sort((a, b) => a[0].localeCompare(b[0]))) {
    const y = Math.max(below, ys.reduce((sum, value) => sum + value, 0) / ys.length);
    boxes.push({ id: `node ${node}`, column: 4, y, kind: "node", key: node });
    below = y + BOX.step;
  }
  const placed = new Set(boxes.map((box) => box.id));
  return { boxes, edges: edges.filter((edge) => placed.has(edge.from) && placed.has(edge.to)), height: Math.max(top, below) + 10 };
}

// The ways from the host and from outside to a Service.
function waysIn(service, ingresses) {
  const urls = Object.values(service.urls);
  const ports = service.ports.filter((one) => one.nodePort).map((one) => `node port ${one.nodePort}`);
  const names = ingresses.filter((one) => one.services.includes(nameOf(service.k)) && one.k.split("/")[0] === service.k.split("/")[0]);
  return [...(urls.length ? urls : ports), ...service.external.filter(Boolean),
    ...names.map((one) => `Ingress ${one.hosts.join(", ")}`)].slice(0, 3);
}
