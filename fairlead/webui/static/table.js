// A table of any length that keeps only its visible rows in the document. Arrow keys move between rows.

import { h, onceAFrame } from "/ui/dom.js";

const ROW = 34;
const MARGIN = 6;

export class Table {
  // columns: {title, width, wide, cell(row)}: `cell` returns a text or a node; `wide` columns vanish on narrow screens.
  constructor(title, columns, { short = false, empty = "Nothing here." } = {}) {
    this.columns = columns;
    this.rows = [];
    this.first = -1;
    this.emptyText = empty;
    this.spacer = h("div", { role: "presentation" });
    this.body = h("div", { class: short ? "body short" : "body", tabindex: "0", role: "rowgroup" }, this.spacer);
    this.element = h("div", { class: "table", role: "table", "aria-label": title },
      h("div", { role: "rowgroup" },
        this.row(columns.map((column) => this.cell("columnheader", column, column.title)), "row head")),
      this.body);
    this.short = short;
    this.render = onceAFrame(() => this.draw());
    this.body.addEventListener("scroll", this.render, { passive: true });
    this.body.addEventListener("keydown", (event) => this.move(event));
    this.resized = new ResizeObserver(this.render);
    this.resized.observe(this.body);
    this.narrow = matchMedia("(max-width: 46rem)");
    this.narrow.addEventListener("change", () => this.refresh());
  }

  get template() {
    const shown = this.columns.filter((column) => !(column.wide && this.narrow?.matches));
    return shown.map((column) => `minmax(0, ${column.width ?? "1fr"})`).join(" ");
  }

  row(cells, name = "row") {
    const row = h("div", { class: name, role: "row" }, ...cells);
    row.style.gridTemplateColumns = this.template;
    return row;
  }

  cell(role, column, content) {
    const text = typeof content === "string" ? content : undefined;
    return h("div", { role, class: column.wide ? "wide" : null, title: text }, content ?? "");
  }

  set(rows) {
    this.rows = rows;
    this.element.setAttribute("aria-rowcount", rows.length + 1);
    this.spacer.style.height = `${Math.max(rows.length, 1) * ROW}px`;
    if (this.short) this.body.style.height = `${Math.min(Math.max(rows.length, 1) * ROW + 2, 320)}px`;
    this.refresh();
  }

  refresh() {
    this.element.querySelector(".head").style.gridTemplateColumns = this.template;
    this.first = -1;
    this.render();
  }

  draw() {
    const count = Math.ceil(this.body.clientHeight / ROW) + 2 * MARGIN;
    const first = Math.max(0, Math.min(Math.floor(this.body.scrollTop / ROW) - MARGIN, this.rows.length - count));
    if (first === this.first && count === this.count) return;
    const focused = this.focusedIndex();
    this.first = first;
    this.count = count;
    const shown = this.rows.slice(first, first + count).map((row, offset) => this.make(row, first + offset));
    if (!this.rows.length) {
      const only = this.row([h("div", { role: "cell", class: "faint" }, this.emptyText)]);
      only.style.gridTemplateColumns = "1fr";
      shown.push(only);
    }
    this.spacer.replaceChildren(...shown);
    if (focused >= 0) this.link(focused)?.focus({ preventScroll: true });
  }

  make(row, index) {
    const made = this.row(this.columns.map((column) => this.cell("cell", column, column.cell(row))));
    made.style.top = `${index * ROW}px`;
    made.setAttribute("aria-rowindex", index + 2);
    made.dataset.index = index;
    return made;
  }

  focusedIndex() {
    const row = this.spacer.contains(document.activeElement) && document.activeElement.closest("[data-index]");
    return row ? Number(row.dataset.index) : -1;
  }

  link(index) {
    return this.spacer.querySelector(`[data-index="${index}"] a, [data-index="${index}"] button`);
  }

  move(event) {
    const page = Math.max(1, Math.floor(this.body.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (!(event.key in steps) || !this.rows.length) return;
    event.preventDefault();
    const at = this.focusedIndex();
    const start = at < 0 && event.key === "ArrowDown" ? -1 : Math.max(at, 0);
    const index = Math.max(0, Math.min(this.rows.length - 1, start + steps[event.key]));
    const top = index * ROW;
    if (top < this.body.scrollTop) this.body.scrollTop = top;
    else if (top + ROW > this.body.scrollTop + this.body.clientHeight) this.body.scrollTop = top + ROW - this.body.clientHeight;
    this.first = -1;
    this.draw();
    this.link(index)?.focus({ preventScroll: true });
  }
}
