import { h } from "/ui/dom.js";
import { listing } from "/ui/listing.js";
import { age } from "/ui/text.js";

// Links to the object of an event if a view shows it.
export function aboutLink(row) {
  const [kind, name] = row.about.split("/");
  const view = { Pod: "pod", Service: "service" }[kind];
  return view && row.namespace ? h("a", { href: `#/${view}/${row.namespace}/${name}` }, row.about) : row.about;
}

export function eventColumns() {
  return [
    { title: "Last", width: "4rem", cell: (row) => age(row.last) },
    { title: "Type", width: "5rem", cell: (row) => h("span", { class: row.type === "Warning" ? "bad" : "faint" }, row.type) },
    { title: "Reason", width: "1.2fr", cell: (row) => row.reason },
    { title: "Object", width: "1.6fr", cell: aboutLink },
    { title: "Message", width: "3.4fr", cell: (row) => row.message },
    { title: "Count", width: "4rem", wide: true, cell: (row) => String(row.count) },
    { title: "From", width: "1.2fr", wide: true, cell: (row) => row.from },
  ];
}

export const newestFirst = (a, b) => (a.last < b.last ? 1 : a.last > b.last ? -1 : 0);

export function show(root, { scope, namespace }) {
  const refresh = listing(root, {
    title: "Events",
    columns: eventColumns(),
    topics: () => [events],
    rows: () => [...events.map.values()].sort(newestFirst),
    searchable: (row) => [row.type, row.reason, row.about, row.message, row.namespace],
    empty: "No events here.",
  });
  const events = scope.open("events", namespace, refresh);
}
