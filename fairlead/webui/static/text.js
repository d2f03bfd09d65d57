// Renders values as short texts. Pure.

const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

export function age(time, now = Date.now()) {
  if (!time) return "";
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? ["s", 1];
  return `${Math.floor(seconds / size)}${unit}`;
}

export function bytes(count) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (count >= size) return `${(count / size).toFixed(1)} ${unit}`;
  }
  return `${Math.round(count)} B`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  return seconds < 1 ? `${(seconds * 1000).toFixed(1)} ms` : `${seconds.toFixed(2)} s`;
}

export const split = (key) => (key.includes("/") ? key.split("/") : ["", key]);
export const nameOf = (key) => split(key)[1];
export const labels = (map) => Object.entries(map ?? {}).map(([key, value]) => `${key}=${value}`).join(",");
export const ports = (list) =>
  (list ?? []).map((one) => `${one.port}${one.nodePort ? `:${one.nodePort}` : ""}/${one.protocol ?? "TCP"}`).join(",");
export const byKey = (a, b) => (a.k < b.k ? -1 : a.k > b.k ? 1 : 0);

export function matches(text, ...values) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const all = values.join(" ").toLowerCase();
  return words.every((word) => all.includes(word));
}

// Returns the lines of two texts with ` `, `+` or `-` in front. Long texts are compared block by block only.
export function diff(before, after) {
  const a = before.split("\n"), b = after.split("\n");
  let start = 0, endA = a.length, endB = b.length;
  while (start < endA && start < endB && a[start] === b[start]) start++;
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) endA--, endB--;
  const oldPart = a.slice(start, endA), newPart = b.slice(start, endB);
  const middle = oldPart.length * newPart.length > 1e6
    ? [...oldPart.map((line) => `-${line}`), ...newPart.map((line) => `+${line}`)]
    : shortest(oldPart, newPart);
  return [...a.slice(Math.max(0, start - 3), start).map((line) => ` ${line}`), ...middle,
    ...a.slice(endA, endA + 3).map((line) => ` ${line}`)];
}

function shortest(a, b) {
  const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const lines = [];
  let i = 0, j = 0;
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) lines.push(` ${a[i++]}`), j++;
    else if (common[i + 1][j] >= common[i][j + 1]) lines.push(`-${a[i++]}`);
    else lines.push(`+${b[j++]}`);
  }
  return [...lines, ...a.slice(i).map((line) => `-${line}`), ...b.slice(j).map((line) => `+${line}`)];
}
