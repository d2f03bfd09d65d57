import { facts, h, section } from "/ui/dom.js";
import { eventColumns, newestFirst } from "/ui/events.js";
import { showLogs } from "/ui/logs.js";
import { podState } from "/ui/model.js";
import { showTerminal } from "/ui/shell.js";
import { Table } from "/ui/table.js";
import { age, labels } from "/ui/text.js";
import { showWhy } from "/ui/why.js";

export function show(root, { scope, rest: [namespace, name] }) {
  const key = `${namespace}/${name}`;
  const about = h("div", {});
  const logs = showLogs(scope, namespace, name), terminal = showTerminal(scope, namespace, name);
  const table = new Table("Events of the Pod", eventColumns(), { short: true, empty: "No events." });
  root.append(h("h2", {}, `Pod ${key}`),
    h("div", { class: "pair" },
      section("About", about, h("p", {}, h("a", { href: `#/yaml/api/v1/namespaces/${namespace}/pods/${name}` }, "YAML"))),
      section("Events", table.element)),
    showWhy(namespace, name, { kind: "pod" }), logs.element, terminal.element);

  const draw = () => {
    const pod = pods.map.get(key);
    root.dataset.ready = pods.synced ? "yes" : "";
    if (!pod) {
      about.replaceChildren(h("p", { class: "bad" }, pods.error || (pods.synced ? "The Pod does not exist any more." : "Loading …")));
      return;
    }
    const [state, tone] = podState(pod);
    about.replaceChildren(facts([
      ["State", h("span", { class: tone }, state)],
      ["Addresses", pod.ips.join(", ")],
      ["Node", pod.node],
      ["Owner", pod.owner],
      ["Labels", labels(pod.labels)],
      ...pod.containers.map((one) => [`Container ${one.name}`, `${one.image}: ${one.state}${one.reason ? ` (${one.reason})` : ""}, ${one.restarts} restarts`]),
      ["Age", age(pod.created)],
    ]));
    const names = pod.containers.map((one) => one.name);
    logs.containers([...names, ...pod.init]);
    terminal.containers(names);
  };
  const drawEvents = () => table.set([...events.map.values()].filter((one) => one.about === `Pod/${name}` && one.namespace === namespace).sort(newestFirst));
  const pods = scope.open("pods", namespace, draw);
  const events = scope.open("events", namespace, drawEvents);
}
