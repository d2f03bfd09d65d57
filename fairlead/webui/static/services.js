import { h } from "/ui/dom.js";
import { listing } from "/ui/listing.js";
import { endpoints, slicesByService } from "/ui/model.js";
import { age, byKey, labels, nameOf, ports, split } from "/ui/text.js";

export const serviceLink = (key) => h("a", { href: `#/service/${key}` }, nameOf(key));

function ready(row) {
  if (row.type === "ExternalName") return "";
  const all = endpoints(row.slices);
  const good = all.filter((one) => one.state === "ready").length;
  return h("span", { class: good ? "good" : "bad" }, `${good} of ${all.length} ready`);
}

export function show(root, { scope, namespace }) {
  const columns = [
    { title: "Name", width: "2fr", cell: (row) => serviceLink(row.k) },
    { title: "Namespace", cell: (row) => split(row.k)[0] },
    { title: "Type", cell: (row) => row.type },
    { title: "Address", width: "1.3fr", wide: true, cell: (row) => row.externalName || row.ips[0] || "" },
    { title: "Ports", width: "1.3fr", wide: true, cell: (row) => ports(row.ports) },
    { title: "Endpoints", width: "1.2fr", cell: ready },
    { title: "URL", width: "1.6fr", wide: true, cell: (row) => Object.values(row.urls)[0] ?? "" },
    { title: "Age", width: "4rem", wide: true, cell: (row) => age(row.created) },
  ];
  const topics = () => [services, slices];
  const refresh = listing(root, {
    title: "Services",
    columns,
    topics,
    rows: () => {
      const found = slicesByService(slices.map);
      return [...services.map.values()].sort(byKey).map((one) => ({ ...one, slices: found.get(one.k) ?? [] }));
    },
    searchable: (row) => [row.k, row.type, row.ips.join(" "), ports(row.ports), labels(row.selector)],
    empty: "No Services here.",
  });
  const services = scope.open("services", namespace, refresh);
  const slices = scope.open("endpointslices", namespace, refresh);
}
