import { h } from "/ui/dom.js";
import { listing } from "/ui/listing.js";
import { age, byKey } from "/ui/text.js";

export function show(root, { scope }) {
  const refresh = listing(root, {
    title: "Nodes",
    columns: [
      { title: "Name", cell: (row) => h("a", { href: `#/yaml/api/v1/nodes/${row.k}` }, row.k) },
      { title: "State", cell: (row) => h("span", { class: row.ready ? "good" : "bad" }, `${row.ready ? "Ready" : "not ready"}${row.unschedulable ? ", cordoned" : ""}`) },
      { title: "Address", cell: (row) => row.ips.join(", ") },
      { title: "Pod networks", wide: true, cell: (row) => row.podCIDRs.join(", ") },
      { title: "Pods", width: "5rem", cell: (row) => String([...pods.map.values()].filter((pod) => pod.node === row.k).length) },
      { title: "Version", width: "1.4fr", wide: true, cell: (row) => row.version },
      { title: "Age", width: "4rem", wide: true, cell: (row) => age(row.created) },
    ],
    topics: () => [nodes],
    rows: () => [...nodes.map.values()].sort(byKey),
    searchable: (row) => [row.k, row.ips.join(" ")],
    empty: "No nodes.",
  });
  const nodes = scope.open("nodes", "", refresh);
  const pods = scope.open("pods", "", refresh);
}
