import { h } from "/ui/dom.js";
import { listing } from "/ui/listing.js";
import { podState } from "/ui/model.js";
import { age, byKey, labels, nameOf, split } from "/ui/text.js";

export const podLink = (key) => h("a", { href: `#/pod/${key}` }, nameOf(key));

export function podColumns() {
  return [
    { title: "Name", width: "2.4fr", cell: (row) => podLink(row.k) },
    { title: "Namespace", cell: (row) => split(row.k)[0] },
    {
      title: "State",
      width: "1.4fr",
      cell: (row) => {
        const [text, tone] = podState(row);
        return h("span", { class: tone }, text);
      },
    },
    { title: "Ready", width: "4rem", wide: true, cell: (row) => `${row.containers.filter((one) => one.ready).length}/${row.containers.length}` },
    { title: "Restarts", width: "5rem", wide: true, cell: (row) => String(row.restarts) },
    { title: "Address", wide: true, cell: (row) => row.ips[0] ?? "" },
    { title: "Node", wide: true, cell: (row) => row.node },
    { title: "Age", width: "4rem", wide: true, cell: (row) => age(row.created) },
  ];
}

export function show(root, { scope, namespace }) {
  const refresh = listing(root, {
    title: "Pods",
    columns: podColumns(),
    topics: () => [pods],
    rows: () => [...pods.map.values()].sort(byKey),
    searchable: (row) => [row.k, row.phase, podState(row)[0], row.ips.join(" "), row.node, labels(row.labels)],
    empty: "No Pods here.",
  });
  const pods = scope.open("pods", namespace, refresh);
}
