// Queries that the cluster's DNS logs. The log is a setting of ConfigMap fairlead-dns, off by default.

import { getJson, request } from "/ui/api.js";
import { h } from "/ui/dom.js";
import { follow } from "/ui/logs.js";
import { Table } from "/ui/table.js";

const SETTINGS = "/api/v1/namespaces/kube-system/configmaps/fairlead-dns";
const PODS = "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns";
const MOST = 2000;
const CODES = { 0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED" }; // RFC 1035, 4.1.1

// Returns a query from a line of the log, or null.
export function parse(line) {
  const match = /^(\S+) \S+ \S+\s+query (.*)$/.exec(line);
  if (!match) return null;
  const fields = Object.fromEntries([...match[2].matchAll(/(\w+)=("(?:[^"\\]|\\.)*"|\S*)/g)].map(([, name, value]) => [name, value.replace(/^"|"$/g, "")]));
  return fields.name === undefined ? null : { time: match[1], ...fields };
}

export async function show(root, { scope }) {
  const queries = [];
  const pods = new Map();
  const search = h("input", { type: "search", "aria-label": "Filter queries", placeholder: "Filter" });
  const button = h("button", { type: "button" }, "…"), state = h("span", { class: "faint", role: "status" });
  const table = new Table("DNS queries", [
    { title: "Time", width: "6rem", cell: (row) => new Date(row.time).toLocaleTimeString() },
    { title: "Client", width: "1.6fr", cell: (row) => pods.get(row.client) ?? row.client },
    { title: "Name", width: "2.6fr", cell: (row) => h("a", { href: "#/dns" }, row.name) },
    { title: "Type", width: "4rem", cell: (row) => row.type },
    { title: "Answer", width: "6rem", cell: (row) => h("span", { class: row.rcode === "0" ? "good" : "bad" }, CODES[row.rcode] ?? row.rcode) },
    { title: "Took", width: "6rem", wide: true, cell: (row) => `${row.ms} ms` },
    { title: "Protocol", width: "5rem", wide: true, cell: (row) => row.proto },
  ], { empty: "No queries yet." });
  root.append(h("h2", {}, "DNS queries"), h("div", { class: "bar" }, search, button, state), table.element);

  const draw = () => {
    const words = search.value.toLowerCase();
    table.set(queries.filter((one) => `${one.name} ${one.type} ${pods.get(one.client) ?? one.client}`.toLowerCase().includes(words)).reverse());
  };
  let timer = 0;
  const soon = () => {
    timer ||= setTimeout(() => {
      timer = 0;
      draw();
    }, 200);
  };
  search.addEventListener("input", draw);

  let logging = false;
  async function readSetting() {
    const settings = await getJson(SETTINGS);
    logging = settings.data.log === "true";
    button.textContent = logging ? "Stop the log of queries" : "Start the log of queries";
    state.textContent = logging ? "Every query is logged." : "The log of queries is off. While it is on, DNS writes a line for each query.";
  }
  button.addEventListener("click", async () => {
    try {
      const body = JSON.stringify({ data: { log: logging ? null : "true" } });
      await request(SETTINGS, { method: "PATCH", headers: { "content-type": "application/merge-patch+json" }, body });
      await readSetting();
    } catch (error) {
      state.textContent = error.message;
    }
  });

  const topic = scope.open("pods", "", () => {
    for (const pod of topic.map.values()) for (const ip of pod.ips) pods.set(ip, pod.k);
  });
  const aborter = new AbortController();
  scope.onEnd(() => {
    aborter.abort();
    clearTimeout(timer);
  });
  draw();
  try {
    await readSetting();
    root.dataset.ready = "yes";
    const { items } = await getJson(PODS);
    for (const { metadata } of items) followPod(metadata.name);
  } catch (error) {
    state.textContent = error.message;
  }

  async function followPod(name) {
    let rest = "";
    try {
      await follow(`/api/v1/namespaces/kube-system/pods/${name}/log?follow=true&tailLines=200`, aborter.signal, (text) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop();
        queries.push(...lines.map(parse).filter(Boolean));
        queries.splice(0, Math.max(0, queries.length - MOST));
        soon();
      });
    } catch (error) {
      if (!aborter.signal.aborted) state.textContent = error.message;
    }
  }
}
