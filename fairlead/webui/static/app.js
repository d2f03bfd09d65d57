// The frame of the page: navigation, namespace, theme, and the view that the URL's fragment names.

import { getJson, logOut } from "/ui/api.js";
import { h } from "/ui/dom.js";
import { Live, Scope } from "/ui/live.js";

// Title in the navigation and module of each view; views without a title are reached by links.
const VIEWS = {
  topology: ["Topology", "topology"],
  services: ["Services", "services"],
  service: ["", "service"],
  workloads: ["Workloads", "workloads"],
  pods: ["Pods", "pods"],
  pod: ["", "pod"],
  object: ["", "object"],
  nodes: ["Nodes", "nodes"],
  events: ["Events", "events"],
  dns: ["DNS", "dns"],
  latency: ["Latency", "latency"],
  yaml: ["YAML", "yaml"],
};
const view = document.getElementById("view");
const nav = document.getElementById("nav");
const namespaceField = document.getElementById("namespace");
const connection = document.getElementById("connection");

const live = new Live((problem) => {
  connection.textContent = problem;
  connection.hidden = !problem;
});
let scope = new Scope(live);
let turn = 0;

for (const [name, [title]] of Object.entries(VIEWS)) {
  if (title) nav.append(h("a", { href: `#/${name}`, "data-view": name }, title));
}

function namespace() {
  return localStorage.getItem("fairlead-namespace") ?? "";
}

async function show() {
  const mine = ++turn;
  const [name = "", ...rest] = location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
  const known = VIEWS[name] ? name : "topology";
  const module = await import(`/ui/${VIEWS[known][1]}.js`);
  if (mine !== turn) return;
  scope.end();
  scope = new Scope(live);
  for (const link of nav.children) {
    const current = [known, `${known}s`].includes(link.dataset.view);
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view.replaceChildren();
  view.dataset.ready = "";
  view.scrollTop = 0;
  document.title = `${[VIEWS[known][0], ...rest].filter(Boolean).join(" ")} – Fairlead`;
  await module.show(view, { scope, namespace: namespace(), rest });
}

window.addEventListener("hashchange", async () => {
  await show();
  view.focus({ preventScroll: true });
});

namespaceField.value = namespace();
namespaceField.addEventListener("change", () => {
  localStorage.setItem("fairlead-namespace", namespaceField.value.trim());
  show();
});
const names = live.open("namespaces", "", () => {
  document.getElementById("namespaces").replaceChildren(...[...names.map.keys()].sort().map((k) => h("option", { value: k })));
});

const themes = ["", "light", "dark"];
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("fairlead-theme", theme);
  document.getElementById("theme").textContent = `Theme: ${theme || "system"}`;
}
setTheme(localStorage.getItem("fairlead-theme") ?? "");
document.getElementById("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme;
  setTheme(themes[(themes.indexOf(now) + 1) % themes.length]);
});
document.getElementById("logout").addEventListener("click", logOut);

getJson("/ui/session").then(({ user }) => {
  document.getElementById("user").textContent = `You are ${user}. The API allows what this user may do.`;
});
show();
