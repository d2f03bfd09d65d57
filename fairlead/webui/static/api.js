// Requests to the API as the user of the session: the cookie goes by itself, the key is added here.

const key = () => localStorage.getItem("fairlead-key") ?? "";

export class ApiError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// Returns the message of a Status in JSON or YAML; another text is the message itself.
export function messageOf(text) {
  try {
    return JSON.parse(text).message ?? text;
  } catch {
    const found = /^message: ((?:.*\n)(?: .*\n)*)/m.exec(text);
    return found ? found[1].replace(/\s*\n\s*/g, " ").trim().replace(/^'(.*)'$/, "$1").replaceAll("''", "'") : text;
  }
}

export async function request(path, { method = "GET", headers = {}, body, signal } = {}) {
  const answer = await fetch(path, { method, body, signal, headers: { ...headers, "x-fairlead-key": key() } });
  if (answer.ok) return answer;
  const message = messageOf(await answer.text());
  if (answer.status === 401) location.replace("/ui/login");
  throw new ApiError(answer.status, message);
}

export const getJson = async (path) => (await request(path)).json();
export const getText = async (path, accept) => (await request(path, accept ? { headers: { accept } } : {})).text();

export function socket(path, ...protocols) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(url, [...protocols, `key.ui.fairlead.${key()}`]);
}

export async function logOut() {
  await request("/ui/session", { method: "DELETE" });
  localStorage.removeItem("fairlead-key");
  location.replace("/ui/login");
}
