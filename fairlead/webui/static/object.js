// A workload or an Ingress: why it does not work, and its events.

import { h, section } from "/ui/dom.js";
import { eventColumns, newestFirst } from "/ui/events.js";
import { Table } from "/ui/table.js";
import { showWhy } from "/ui/why.js";

// Kind of the API, the word of `fairlead why`, and the path of the collection's group and version, by plural.
const KINDS = {
  deployments: ["Deployment", "deploy", "apps/v1"],
  statefulsets: ["StatefulSet", "sts", "apps/v1"],
  daemonsets: ["DaemonSet", "ds", "apps/v1"],
  replicasets: ["ReplicaSet", "rs", "apps/v1"],
  jobs: ["Job", "job", "batch/v1"],
  cronjobs: ["CronJob", "cronjob", "batch/v1"],
  ingresses: ["Ingress", "ingress", "networking.k8s.io/v1"],
};

export const objectLink = (plural, namespace, name) => h("a", { href: `#/object/${plural}/${namespace}/${name}` }, name);

export function show(root, { scope, rest: [plural, namespace, name] }) {
  const known = KINDS[plural];
  root.dataset.ready = "yes";
  if (!known || !namespace || !name) {
    root.append(h("p", { class: "bad" }, "There is no such page."));
    return;
  }
  const [kind, word, path] = known;
  const table = new Table(`Events of the ${kind}`, eventColumns(), { short: true, empty: "No events." });
  root.append(h("h2", {}, `${kind} ${namespace}/${name}`),
    h("p", {}, h("a", { href: `#/yaml/apis/${path}/namespaces/${namespace}/${plural}/${name}` }, "YAML")),
    showWhy(namespace, name, { kind: word }),
    section("Events", table.element));
  const events = scope.open("events", namespace, () => {
    table.set([...events.map.values()].filter((one) => one.about === `${kind}/${name}` && one.namespace === namespace).sort(newestFirst));
  });
}
