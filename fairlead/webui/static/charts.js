// Line charts and lanes in SVG.

import { h, s } from "/ui/dom.js";

const WIDTH = 460, HEIGHT = 130, LEFT = 62, TOP = 10;

// series: [{name, className, values}] with null for gaps; `render` writes a value of the axis.
export function lineChart(title, series, render) {
  const most = Math.max(...series.flatMap((one) => one.values.map((value) => value ?? 0)), 0) * 1.1 || 1;
  const length = Math.max(...series.map((one) => one.values.length), 2);
  const x = (index) => LEFT + (index * (WIDTH - LEFT - 8)) / (length - 1);
  const y = (value) => TOP + (1 - value / most) * (HEIGHT - 2 * TOP);
  const lines = series.map((one) => {
    let path = "", pen = false;
    one.values.forEach((value, index) => {
      if (value === null || value === undefined) pen = false;
      else path += `${pen ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`, pen = true;
    });
    return s("path", { class: `series ${one.className}`, d: path || "M0 0" });
  });
  const now = series.map((one) => `${one.name} ${render(one.values.findLast((value) => value !== null) ?? null)}`).join(", ");
  const axis = [0, most / 2, most].map((value) => [
    s("line", { class: "axis", x1: LEFT, x2: WIDTH - 8, y1: y(value), y2: y(value) }),
    s("text", { class: "faint", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, render(value)),
  ]);
  return h("figure", { class: "chart" },
    h("figcaption", {}, h("strong", {}, title), ` ${now}`),
    s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${now}`, width: "100%" }, ...axis.flat(), ...lines));
}

// lanes: [{name, parts: [{from, to, className, title}]}] with times in milliseconds; marks: [{at, title}].
export function timeline(title, lanes, marks, now) {
  const times = [...lanes.flatMap((lane) => lane.parts.map((part) => part.from)), ...marks.map((mark) => mark.at)];
  const begin = Math.max(Math.min(...times, now - 60_000), now - 3_600_000);
  const height = 24 + lanes.length * 20;
  const x = (time) => 190 + (Math.max(time - begin, 0) / (now - begin)) * 600;
  const drawn = lanes.flatMap((lane, index) => {
    const top = 6 + index * 20;
    return [
      s("text", { x: 182, y: top + 11, "text-anchor": "end" }, lane.name.length > 27 ? `…${lane.name.slice(-26)}` : lane.name),
      ...lane.parts.filter((part) => part.to > begin).map((part) =>
        s("rect", { class: `lane ${part.className}`, x: x(part.from), y: top, width: Math.max(x(part.to) - x(part.from), 2), height: 14, rx: 3 },
          s("title", {}, part.title))),
    ];
  });
  const ticks = marks.filter((mark) => mark.at > begin).map((mark) =>
    s("line", { class: "axis", x1: x(mark.at), x2: x(mark.at), y1: 2, y2: height - 18 }, s("title", {}, mark.title)));
  const legend = [
    s("text", { class: "faint", x: 190, y: height - 3 }, new Date(begin).toLocaleTimeString()),
    s("text", { class: "faint", x: 790, y: height - 3, "text-anchor": "end" }, "now"),
  ];
  return s("svg", { viewBox: `0 0 800 ${height}`, role: "img", "aria-label": title, width: "100%" }, ...ticks, ...drawn, ...legend);
}
