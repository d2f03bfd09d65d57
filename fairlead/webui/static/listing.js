// A view of one table with a search field above it. The search is part of the session, not of the URL.

import { h } from "/ui/dom.js";
import { Table } from "/ui/table.js";

const searches = new Map();

// rows() returns all rows; texts(row) the texts to search in. Returns a function to call after changes.
export function listing(root, { title, columns, rows, searchable, empty, topics }) {
  const count = h("span", { class: "faint", role: "status" });
  const search = h("input", { type: "search", placeholder: "Filter", "aria-label": `Filter ${title}` });
  const table = new Table(title, columns, { empty });
  search.value = searches.get(title) ?? "";
  function refresh() {
    const failed = topics().find((topic) => topic.error);
    const all = rows();
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length
      ? all.filter((row) => {
        const text = searchable(row).join(" ").toLowerCase();
        return words.every((word) => text.includes(word));
      })
      : all;
    table.set(found);
    const loading = topics().every((topic) => topic.synced) ? "" : " …";
    count.textContent = failed ? failed.error : `${found.length === all.length ? "" : `${found.length} of `}${all.length}${loading}`;
    count.className = failed ? "bad" : "faint";
    root.dataset.ready = loading ? "" : "yes";
  }
  search.addEventListener("input", () => {
    searches.set(title, search.value);
    refresh();
  });
  root.append(h("h2", {}, title), h("div", { class: "bar" }, search, count), table.element);
  return refresh;
}
