import { lineChart } from "/ui/charts.js";
import { h } from "/ui/dom.js";
import { Rates } from "/ui/model.js";
import { bytes, duration } from "/ui/text.js";

const SAMPLES = 90;
const BUSIEST = 6;
const QUANTILES = ["p50", "p90", "p99"];

function total([count, p50, , p99]) {
  return `Since the start: ${count} times, p50 ${duration(p50)}, p99 ${duration(p99)}.`;
}

export function show(root, { scope, namespace }) {
  const charts = h("div", { class: "grid" });
  const pods = h("div", { class: "grid" });
  const problem = h("p", { role: "status", class: "bad" });
  root.append(h("h2", {}, "Latency"), problem,
    h("p", { class: "faint" }, "Durations that proxies and DNS have observed, over two seconds each. Gaps: nothing happened."),
    charts, h("h2", {}, "Requests per Pod"), pods);
  const plots = new Map();
  const sinceStart = new Map();
  const requests = new Map();
  const rates = new Rates();

  const drawLatency = () => {
    problem.textContent = figures.error;
    charts.replaceChildren(...[...plots].map(([name, series]) =>
      h("section", {}, lineChart(name, QUANTILES.map((quantile, index) => ({
        name: quantile, className: quantile, values: series.map((sample) => sample[index + 1]),
      })), duration), h("p", { class: "faint" }, total(sinceStart.get(name))))));
    root.dataset.ready = plots.size ? "yes" : "";
  };
  drawLatency.figures = ({ latency, first }) => {
    for (const [name, sample] of Object.entries(latency)) {
      if (first) sinceStart.set(name, sample);
      const series = plots.get(name) ?? [];
      plots.set(name, first ? series : [...series, sample].slice(-SAMPLES));
    }
  };

  const drawPods = () => {
    const busiest = [...requests].map(([key, values]) => [key, values, values.reduce((sum, value) => sum + value, 0)])
      .filter(([, , sum]) => sum > 0).sort((a, b) => b[2] - a[2]).slice(0, BUSIEST);
    pods.replaceChildren(...busiest.map(([key, values]) => {
      const rate = rates.of(key);
      const note = `${rate.open} connections tracked, ${bytes(rate.received)}/s in, ${bytes(rate.sent)}/s out`;
      return h("section", {}, lineChart(key, [{ name: "connections per second", className: "p50", values }], (value) => (value ?? 0).toFixed(1)),
        h("p", { class: "faint" }, note));
    }));
    if (!busiest.length) pods.replaceChildren(h("p", { class: "faint" }, "No Pod answers connections now."));
  };
  drawPods.figures = ({ traffic }) => {
    rates.take(traffic);
    for (const [key, rate] of rates.now) {
      requests.set(key, [...(requests.get(key) ?? []), rate.connections].slice(-SAMPLES));
    }
  };
  const figures = scope.open("latency", "", drawLatency);
  scope.open("traffic", namespace, drawPods);
}
