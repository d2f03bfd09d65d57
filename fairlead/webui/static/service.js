import { timeline } from "/ui/charts.js";
import { facts, h, section } from "/ui/dom.js";
import { endpoints, podKey, Rates } from "/ui/model.js";
import { showRules, showTrace } from "/ui/packets.js";
import { podLink } from "/ui/pods.js";
import { Table } from "/ui/table.js";
import { age, bytes, labels } from "/ui/text.js";
import { showWhy } from "/ui/why.js";

const links = (urls) => urls.flatMap((url, index) => [index ? ", " : "", /^https?:/.test(url) ? h("a", { href: url, rel: "noreferrer", target: "_blank" }, url) : url]);

export function show(root, { scope, rest: [namespace, name] }) {
  const key = `${namespace}/${name}`;
  const yaml = `#/yaml/api/v1/namespaces/${namespace}/services/${name}`;
  const about = h("div", {}), lanes = h("div", { class: "lanes" });
  const table = new Table("Endpoints", [
    { title: "Address", cell: (row) => row.ip },
    { title: "State", cell: (row) => h("span", { class: row.state === "ready" ? "good" : "warn" }, row.state) },
    { title: "Pod", width: "2fr", cell: (row) => (podKey(row) ? podLink(podKey(row)) : "") },
    { title: "Node", wide: true, cell: (row) => row.node },
    { title: "Slice", width: "1.6fr", wide: true, cell: (row) => row.slice.k.split("/")[1] },
    {
      title: "Traffic",
      width: "1.6fr",
      cell: (row) => {
        const rate = rates.of(podKey(row));
        return `${bytes(rate.received + rate.sent)}/s, ${rate.connections.toFixed(1)} conn/s`;
      },
    },
  ], { short: true, empty: "No endpoints." });
  const rates = new Rates();
  const changes = [];

  root.append(h("h2", {}, `Service ${key}`), h("div", { class: "pair" },
    section("About", about, h("p", {}, h("a", { href: yaml }, "YAML"))),
    showWhy(namespace, name, { scope })),
  section("Endpoints", table.element),
  section("Timeline", h("p", { class: "faint" }, "Last hour. Grey: before the last restart. Amber: not ready. Green: ready. Lines: slices changed while this page is open."), lanes),
  showTrace(scope, namespace, name),
  showRules(namespace, name));

  const mine = () => endpoints([...slices.map.values()].filter((slice) => slice.service === key));
  const draw = () => {
    const service = services.map.get(key);
    root.dataset.ready = services.synced && slices.synced ? "yes" : "";
    if (!service) {
      about.replaceChildren(h("p", { class: "bad" }, services.error || (services.synced ? "The Service does not exist." : "Loading …")));
      return;
    }
    about.replaceChildren(facts([
      ["Type", service.type],
      ["Addresses", service.ips.join(", ") || service.externalName],
      ["Ports", service.ports.map((one) => `${one.name ? `${one.name} ` : ""}${one.port}/${one.protocol} → ${one.targetPort}${one.nodePort ? `, node port ${one.nodePort}` : ""}`).join("; ")],
      ["Selector", labels(service.selector) || "none"],
      ["External", service.external.join(", ")],
      ["URLs", Object.keys(service.urls).length ? h("span", {}, ...links(Object.values(service.urls))) : "none on this machine"],
      ["Age", age(service.created)],
    ]));
    table.set(mine());
    drawLanes();
  };

  function drawLanes() {
    const now = Date.now();
    const rows = mine().slice(0, 12).map((end) => ({ name: end.pod || end.ip, parts: parts(pods.map.get(podKey(end)), end, now) }));
    lanes.replaceChildren(timeline(`Endpoints of ${key} over time`, rows, changes, now));
  }

  const onSlices = () => draw();
  onSlices.events = (events) => {
    for (const [what, item] of events) {
      if (what === "+" && item.service === key) changes.push({ at: Date.now(), title: `${item.k} changed` });
    }
    changes.splice(0, Math.max(0, changes.length - 200));
  };
  const onTraffic = () => table.refresh();
  onTraffic.figures = ({ traffic }) => rates.take(traffic);
  const services = scope.open("services", namespace, draw);
  const slices = scope.open("endpointslices", namespace, onSlices);
  const pods = scope.open("pods", namespace, draw);
  scope.open("traffic", namespace, onTraffic);
  scope.every(5000, drawLanes);
}

// The times of a Pod's life that its conditions tell; those of an earlier run of its containers are unknown.
function parts(pod, end, now) {
  if (!pod) return [];
  const created = Date.parse(pod.created);
  const started = pod.restarts ? Math.max(created, ...pod.containers.map((one) => Date.parse(one.started) || 0)) : created;
  const changed = Math.max(started, Date.parse(pod.since.Ready) || started);
  const state = end.state === "ready" ? "ready" : "pending";
  return [
    { from: created, to: started, className: "earlier", title: `created ${pod.created}` },
    { from: started, to: changed, className: "pending", title: "starting" },
    { from: changed, to: now, className: state, title: `${end.state} since ${pod.since.Ready}` },
    { from: Date.parse(pod.deleting), to: now, className: "gone", title: `deleted ${pod.deleting}` },
  ].filter((part) => part.to > part.from);
}
