import { h } from "/ui/dom.js";
import { listing } from "/ui/listing.js";
import { objectLink } from "/ui/object.js";
import { age, byKey, nameOf, split } from "/ui/text.js";

// Topic, kind, and the path of the collection's group and version.
const KINDS = [
  ["deployments", "Deployment", "apps/v1"],
  ["statefulsets", "StatefulSet", "apps/v1"],
  ["daemonsets", "DaemonSet", "apps/v1"],
  ["replicasets", "ReplicaSet", "apps/v1"],
  ["jobs", "Job", "batch/v1"],
  ["cronjobs", "CronJob", "batch/v1"],
  ["ingresses", "Ingress", "networking.k8s.io/v1"],
];

function state(row) {
  if (row.kind === "Ingress") return `to ${row.services.join(", ") || "no Service"}`;
  if (row.kind === "CronJob") return row.suspended ? "suspended" : `${row.schedule}, ${row.active} active`;
  const text = `${row.ready} of ${row.desired} ${row.kind === "Job" ? "done" : "ready"}`;
  return h("span", { class: row.ready >= row.desired ? "good" : "warn" }, text);
}

export function show(root, { scope, namespace }) {
  const topics = [];
  const refresh = listing(root, {
    title: "Workloads",
    columns: [
      {
        title: "Name",
        width: "2fr",
        cell: (row) => objectLink(row.topic, split(row.k)[0], nameOf(row.k)),
      },
      { title: "Namespace", cell: (row) => split(row.k)[0] },
      { title: "Kind", cell: (row) => row.kind },
      { title: "State", width: "1.4fr", cell: state },
      { title: "Owner", width: "1.4fr", wide: true, cell: (row) => row.owner ?? "" },
      { title: "Images", width: "2fr", wide: true, cell: (row) => (row.images ?? []).join(", ") },
      { title: "Age", width: "4rem", wide: true, cell: (row) => age(row.created) },
    ],
    topics: () => topics,
    // A ReplicaSet of an earlier rollout has no Pods and is not shown.
    rows: () =>
      KINDS.flatMap(([topic, kind, path], index) => [...(topics[index]?.map.values() ?? [])].map((one) => ({ ...one, topic, kind, path })))
        .filter((row) => row.kind !== "ReplicaSet" || row.desired || !row.owner)
        .sort(byKey),
    searchable: (row) => [row.k, row.kind, row.owner ?? "", (row.images ?? []).join(" ")],
    empty: "No workloads here.",
  });
  for (const [topic] of KINDS) topics.push(scope.open(topic, namespace, refresh));
}
