// Questions about summaries that several views ask. Pure.

import { split } from "/ui/text.js";

// Returns a map from `namespace/name` of each Service to its slices.
export function slicesByService(slices) {
  const found = new Map();
  for (const slice of slices.values()) {
    const list = found.get(slice.service);
    if (list) list.push(slice);
    else found.set(slice.service, [slice]);
  }
  return found;
}

// Counts the endpoints of slices by state. An address family of its own counts once.
export function endpoints(slices) {
  const families = new Set(slices.map((slice) => slice.family));
  const counted = slices.filter((slice) => families.size < 2 || slice.family !== "IPv6");
  return counted.flatMap((slice) => slice.endpoints.map((one) => ({ ...one, slice })));
}

export const podKey = (endpoint) => (endpoint.pod ? `${split(endpoint.slice.service)[0]}/${endpoint.pod}` : "");

export function podState(pod) {
  if (pod.deleting) return ["Terminating", "warn"];
  if (pod.reason) return [pod.reason, pod.phase === "Succeeded" ? "faint" : "bad"];
  if (pod.phase === "Succeeded") return ["Completed", "faint"];
  if (pod.phase === "Running") return pod.ready ? ["Running", "good"] : ["Running, not ready", "warn"];
  return [pod.phase, pod.phase === "Failed" ? "bad" : "warn"];
}

// Rates per second of each Pod, from counters that the topic `traffic` sends.
export class Rates {
  constructor() {
    this.before = new Map();
    this.now = new Map();
    this.at = 0;
  }

  // Counters: received and sent bytes, received and sent packets, open and answered connections.
  take(changed, time = performance.now() / 1000) {
    const passed = time - this.at;
    for (const [key, counters] of Object.entries(changed)) {
      const known = this.before.get(key);
      const rate = (index) => (known && passed > 0 ? Math.max(0, counters[index] - known[index]) / passed : 0);
      this.now.set(key, { received: rate(0), sent: rate(1), open: counters[4], connections: rate(5), total: counters[5] });
      this.before.set(key, counters);
    }
    for (const [key, rates] of this.now) {
      if (!(key in changed)) this.now.set(key, { ...rates, received: 0, sent: 0, connections: 0 });
    }
    this.at = time;
  }

  of(key) {
    return this.now.get(key) ?? { received: 0, sent: 0, open: 0, connections: 0, total: 0 };
  }
}
