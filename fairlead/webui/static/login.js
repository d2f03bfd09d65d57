// Exchanges a token for a session: the one-time token in the fragment of the URL, one that the user types, or the
// client certificate of the browser. The server sets the cookie; the key stays in this origin's storage.

const state = document.getElementById("state");
const form = document.getElementById("form");
const field = document.getElementById("token");

async function exchange(token) {
  const isServiceAccount = token.split(".").length === 3;
  const headers = { "content-type": "application/json" };
  if (isServiceAccount) headers.authorization = `Bearer ${token}`;
  const answer = await fetch("/ui/session", {
    method: "POST",
    headers,
    body: JSON.stringify({ token: isServiceAccount ? "" : token }),
  });
  const tree = await answer.json();
  if (!answer.ok) throw new Error(tree.message);
  localStorage.setItem("fairlead-key", tree.key);
  location.replace("/ui/");
}

function ask(message) {
  state.textContent = message;
  form.hidden = false;
  field.focus();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await exchange(field.value.trim());
  } catch (error) {
    ask(`Refused: ${error.message}`);
  }
});

const token = decodeURIComponent(location.hash.slice(1));
history.replaceState(null, "", "/ui/login");
try {
  await exchange(token);
} catch (error) {
  ask(token ? `Refused: ${error.message}` : "You are not logged in.");
}
