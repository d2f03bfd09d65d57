// The YAML of an object, or a new manifest: checked by the server (dry run), then written.

import { getJson, getText, request } from "/ui/api.js";
import { h, section } from "/ui/dom.js";
import { diff } from "/ui/text.js";

// Removes `metadata.managedFields`, which the server writes and which hides the rest.
export function withoutManagedFields(text) {
  const lines = [];
  let inside = false;
  for (const line of text.split("\n")) {
    if (/^ {2}managedFields:/.test(line)) inside = true;
    else if (inside && !/^ {2}[- ]/.test(line)) inside = false;
    if (!inside) lines.push(line);
  }
  return lines.join("\n");
}

// Returns the documents of a stream with the fields that name their objects.
export function documents(text) {
  return text.split(/^---\s*$/m).filter((part) => part.replace(/^\s*#.*$/gm, "").trim()).map((part) => {
    const field = (name, indent = "") => {
      const match = new RegExp(`^${indent}${name}:[ \\t]*["']?([^"'#\\n]*?)["']?[ \\t]*(#.*)?$`, "m").exec(part);
      return match ? match[1] : "";
    };
    const metadata = /^metadata:[ \t]*\n((?:[ \t]+.*\n?|\s*\n)*)/m.exec(part)?.[1] ?? "";
    const indent = /^([ \t]+)/.exec(metadata)?.[1] ?? "  ";
    const inner = (name) => new RegExp(`^${indent}${name}:[ \\t]*["']?([^"'#\\n]*?)["']?[ \\t]*(#.*)?$`, "m").exec(metadata)?.[1] ?? "";
    return { text: part, apiVersion: field("apiVersion"), kind: field("kind"), name: inner("name"), namespace: inner("namespace") };
  });
}

async function pathOf(document, namespace) {
  const { apiVersion, kind, name } = document;
  if (!apiVersion || !kind || !name) throw new Error("a document needs apiVersion, kind and metadata.name");
  const prefix = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const { resources } = await getJson(prefix);
  const resource = resources.find((one) => one.kind === kind && !one.name.includes("/"));
  if (!resource) throw new Error(`no kind "${kind}" in ${apiVersion}`);
  const inside = resource.namespaced ? `/namespaces/${document.namespace || namespace || "default"}` : "";
  return `${prefix}${inside}/${resource.name}/${name}`;
}

// Asks the collection, because a 404 would be an error in the browser's console.
async function exists(path) {
  const [collection, name] = [path.slice(0, path.lastIndexOf("/")), path.slice(path.lastIndexOf("/") + 1)];
  const { items } = await getJson(`${collection}?fieldSelector=metadata.name%3D${encodeURIComponent(name)}`);
  return items.length > 0;
}

export async function show(root, { namespace, rest }) {
  const path = rest.length ? `/${rest.map(encodeURIComponent).join("/")}` : "";
  const editor = h("textarea", { "aria-label": "YAML", spellcheck: "false" });
  const state = h("p", { role: "status" });
  const result = h("pre", { class: "diff", tabindex: "0", role: "group", "aria-label": "Changes", hidden: true });
  const check = h("button", { type: "button" }, "Dry run"), apply = h("button", { type: "button", class: "primary" }, "Apply");
  const reload = h("button", { type: "button" }, "Reload"), force = h("input", { type: "checkbox", id: "force" });
  let before = "";
  root.append(h("h2", {}, path ? rest.slice(-2).join(" ") : "Apply a manifest"),
    section("YAML", editor, h("div", { class: "bar" }, check, apply, path ? reload : null,
      path ? null : [force, h("label", { for: "force" }, "take over fields of other managers")]), state, result));

  async function load() {
    try {
      before = withoutManagedFields(await getText(path, "application/yaml"));
      editor.value = before;
      state.textContent = "";
      result.hidden = true;
    } catch (error) {
      fail(error);
    }
    root.dataset.ready = "yes";
  }
  function fail(error) {
    state.textContent = error.message;
    state.className = "bad";
  }

  // An existing object is replaced as `kubectl edit` does; other documents are applied on the server's side.
  async function write(dryRun) {
    const query = new URLSearchParams({ fieldManager: "fairlead-ui", fieldValidation: "Strict" });
    if (dryRun) query.set("dryRun", "All");
    if (path) return [[before, await put(path, query)]];
    query.set("force", String(force.checked));
    const changes = [];
    for (const document of documents(editor.value)) {
      const target = await pathOf(document, namespace);
      const old = (await exists(target)) ? await getText(target, "application/yaml") : "";
      const answer = await request(`${target}?${query}`, {
        method: "PATCH", headers: { "content-type": "application/apply-patch+yaml", accept: "application/yaml" }, body: document.text,
      });
      changes.push([withoutManagedFields(old), withoutManagedFields(await answer.text())]);
    }
    return changes;
  }
  async function put(target, query) {
    const answer = await request(`${target}?${query}`, {
      method: "PUT", headers: { "content-type": "application/yaml", accept: "application/yaml" }, body: editor.value,
    });
    return withoutManagedFields(await answer.text());
  }

  async function carryOut(dryRun) {
    state.className = "";
    state.textContent = "Asking the server …";
    try {
      const changes = await write(dryRun);
      const lines = changes.flatMap(([old, now]) => diff(old, now)).filter((line) => line.trim());
      result.replaceChildren(...lines.map((line) => h("div", { class: { "+": "add", "-": "del" }[line[0]] }, line)));
      result.hidden = false;
      state.className = "good";
      const what = lines.some((line) => line[0] !== " ") ? "The server accepts it; these are the changes." : "The server accepts it; it changes nothing.";
      state.textContent = dryRun ? `Dry run: ${what}` : "Written.";
      if (!dryRun && path) editor.value = before = changes[0][1];
    } catch (error) {
      result.hidden = true;
      fail(error);
    }
  }
  check.addEventListener("click", () => carryOut(true));
  apply.addEventListener("click", () => carryOut(false));
  reload.addEventListener("click", load);
  if (path) await load();
  else {
    editor.value = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: example\ndata:\n  key: value\n";
    root.dataset.ready = "yes";
  }
}
