"""The modules of the page without a cluster: Chromium gets the static files from the package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fairlead.webui.files import read_all
from fairlead.webui.guard import SECURITY
from tests.webui.browser import chromium

pytestmark = pytest.mark.slow
FILES = read_all()
PROGRAMS = ("app.js", "login.js")


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """An empty page with the policy of the real one, whose scripts come from the package."""

    def answer(route: Any) -> None:
        name = route.request.url.rpartition("/ui/")[2]
        file = FILES.get(name)
        body, kind = (file.body, file.content_type) if file else (b"<!doctype html><main></main>", "text/html")
        route.fulfill(body=body, headers={"content-type": kind, **SECURITY})

    with chromium() as browser:
        context = browser.new_context()
        context.route("**/*", answer)
        page = context.new_page()
        page.goto("http://127.0.0.1/ui/empty")
        yield page
        context.close()


def call(page: Any, module: str, body: str, argument: Any = None) -> Any:
    """Returns the result of an async function of the module `m` and the argument `given`."""
    script = f"async (given) => {{ const m = await import('/ui/{module}.js'); {body} }}"
    return page.evaluate(script, argument)


def screen(page: Any, *pieces: str, columns: int = 10, rows: int = 4) -> dict[str, Any]:
    """Returns text, cursor, history and answers of a screen after the pieces."""
    body = """
        const replies = [];
        const screen = new m.Screen(given.columns, given.rows, (text) => replies.push(text));
        given.pieces.forEach((piece) => screen.write(piece));
        const first = screen.lines().at(-given.rows).filter((run) => run.text.trim());
        const runs = first.map((run) => [run.text, run.style]);
        return { text: screen.text(), history: screen.history.length, replies, runs };
    """
    return dict(call(page, "screen", body, {"pieces": pieces, "columns": columns, "rows": rows}))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one\r\ntwo", "one\ntwo"),
        ("abcdefghijkl", "abcdefghij\nkl"),
        ("1\r\n2\r\n3\r\n4\r\n5", "2\n3\n4\n5"),
        ("abc\b\bX", "aXc"),
        ("a\tb", "a       b"),
        ("\x1b[2;3Hx", "\n  x"),
        ("abc\x1b[2Dx", "axc"),
        ("abcdef\x1b[3G\x1b[K", "ab"),
        ("abcdef\x1b[3G\x1b[1K", "   def"),
        ("abc\x1b[2K", ""),
        ("a\r\nb\r\nc\x1b[2;1H\x1b[J", "a"),
        ("a\r\nb\r\nc\x1b[2J", ""),
        ("abcdef\x1b[2G\x1b[2P", "adef"),
        ("abcdef\x1b[2G\x1b[2@", "a  bcdef"),
        ("abcdef\x1b[2G\x1b[2X", "a  def"),
        ("a\r\nb\r\nc\x1b[1;1H\x1b[L", "\na\nb\nc"),
        ("a\r\nb\r\nc\x1b[1;1H\x1b[M", "b\nc"),
        ("1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[3;1H\n", "1\n3\n\n4"),
        ("1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[2;1H\x1bM", "1\n\n2\n4"),
        ("\x1b7ab\x1b8c", "cb"),
        ("main\x1b[?1049hother\x1b[?1049l", "main"),
        ("\x1b(0lqk\x1b(B q", "┌─┐ q"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1bPignored\x1b\\x", "x"),
        ("\x1b[?25l\x1b[>4;1mx", "x"),
        ("한글ab", "한글ab"),
        ("123456789한", "123456789\n한"),
        ("e\u0301a", "e\u0301a"),
        ("\x1bc\x1b[?7labcdefghijKL", "abcdefghiL"),
    ],
)
def test_a_terminal_shows_what_the_escapes_say(page: Any, text: str, shown: str) -> None:
    assert screen(page, text)["text"] == shown


@pytest.mark.parametrize("name", sorted(name for name in FILES if name.endswith(".js") and name not in PROGRAMS))
def test_every_module_loads_and_shows_nothing_by_itself(page: Any, name: str) -> None:
    assert call(page, name.removesuffix(".js"), "return Object.keys(m).length;") > 0
    assert page.locator("main").inner_html() == ""


@pytest.mark.parametrize("cut", range(1, 12))
def test_an_escape_may_arrive_in_pieces(page: Any, cut: int) -> None:
    text = "a\x1b[1;31mred\x1b[0m"
    found = screen(page, text[:cut], text[cut:], columns=20)
    assert (found["text"], found["runs"][1][1]["fg"]) == ("ared", "#cd3131")


@pytest.mark.parametrize(
    ("codes", "fg", "bg", "flags"),
    [
        ("31", "#cd3131", "", ""),
        ("92;44", "#23d18b", "#2472c8", ""),
        ("38;5;196", "#ff0000", "", ""),
        ("48;5;244", "", "#808080", ""),
        ("38;2;1;2;255", "#0102ff", "", ""),
        ("1;4;7", "", "", "bold underline inverse"),
        ("1;3;22", "", "", "italic"),
        ("31;39", "", "", ""),
    ],
)
def test_colours_and_styles_are_kept(page: Any, codes: str, fg: str, bg: str, flags: str) -> None:
    [[_, style], *_] = screen(page, f"\x1b[{codes}mx")["runs"]
    assert style == {"fg": fg, "bg": bg, "flags": flags}


def test_a_terminal_answers_a_programs_questions(page: Any) -> None:
    assert screen(page, "ab\x1b[6n\x1b[c\x1b[5n")["replies"] == ["\x1b[1;3R", "\x1b[?62;22c", "\x1b[0n"]


def test_history_is_bounded_and_endless_garbage_too(page: Any) -> None:
    assert screen(page, "x\r\n" * 3000)["history"] == 1000
    assert screen(page, "\x1b]0;" + "x" * 10_000, "y")["text"].endswith("y")


def test_a_smaller_window_keeps_the_last_lines(page: Any) -> None:
    body = """
        const screen = new m.Screen(10, 4);
        screen.write(given);
        screen.resize(6, 2);
        return [screen.text(), screen.history.length, screen.y];
    """
    assert call(page, "screen", body, "one\r\ntwo\r\nthree\r\nfour") == ["three\nfour", 2, 1]


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"key": "Enter"}, "\r"),
        ({"key": "a"}, ""),
        ({"key": "c", "ctrlKey": True}, "\x03"),
        ({"key": "[", "ctrlKey": True}, "\x1b"),
        ({"key": "b", "altKey": True}, "\x1bb"),
        ({"key": "ArrowUp"}, "\x1b[A"),
        ({"key": "Tab"}, "\t"),
        ({"key": "Tab", "shiftKey": True}, ""),
        ({"key": "v", "ctrlKey": True, "shiftKey": True}, ""),
        ({"key": "r", "metaKey": True}, ""),
        ({"key": "Shift", "shiftKey": True}, ""),
    ],
)
def test_keys_become_what_a_terminal_sends(page: Any, event: dict[str, Any], text: str) -> None:
    # Plain characters come by the input event, so that input methods work.
    assert call(page, "shell", "return m.keyText(given, false);", event) == text


def test_cursor_keys_follow_the_programs_mode(page: Any) -> None:
    assert call(page, "shell", "return m.keyText({key: 'ArrowUp'}, true);") == "\x1bOA"


def test_a_long_table_keeps_few_rows_and_its_end_is_reached(page: Any) -> None:
    body = """
        const { h } = await import("/ui/dom.js");
        const table = new m.Table("Numbers", [{ title: "Number", cell: (row) => h("a", { href: "#" }, String(row)) }]);
        document.querySelector("main").replaceChildren(table.element);
        table.body.style.height = "400px";
        table.body.style.overflow = "auto";
        table.set(Array.from({ length: 100000 }, (_, index) => index));
        const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        await frame();
        const first = table.spacer.children.length;
        table.body.focus();
        table.body.dispatchEvent(new KeyboardEvent("keydown", { key: "End" }));
        await frame();
        const focused = document.activeElement.textContent;
        return [first, table.spacer.children.length, focused, table.element.getAttribute("aria-rowcount")];
    """
    first, last, focused, count = call(page, "table", body)
    assert (first < 60, last < 60, focused, count) == (True, True, "99999", "100001")


def test_the_layout_is_bounded_for_large_services(page: Any) -> None:
    body = """
        const service = (i) => ({ k: `a/s${i}`, urls: {}, ports: [], external: [] });
        const services = Array.from({ length: m.SERVICES }, (_, i) => service(i));
        const end = (name, i) => ({ ip: `10.0.0.${i}`, state: "ready", node: `node${i % 3}`, pod: `${name}-${i}` });
        const ends = (name) => Array.from({ length: 100 }, (_, i) => end(name, i));
        const slice = (service, n) => ({ k: `${service}-${n}`, service, family: "IPv4", endpoints: ends(`p-${n}`) });
        const slices = (key) => Array.from({ length: 20 }, (_, n) => slice(key, n));
        const placed = m.layout(services, slices, [], new Map());
        const more = placed.boxes.filter((box) => box.kind === "more").map((box) => box.text);
        return [placed.boxes.length, placed.edges.length, more];
    """
    boxes, edges, more = call(page, "layout", body)
    assert (boxes < 200, edges < 300) == (True, True)
    assert set(more) == {"17 more slices", "1992 more endpoints"}


def test_rates_come_from_counters_and_fall_to_zero(page: Any) -> None:
    body = """
        const rates = new m.Rates();
        rates.take({ "a/b": [100, 50, 1, 1, 3, 10] }, 10);
        rates.take({ "a/b": [300, 50, 2, 1, 4, 16] }, 12);
        const busy = rates.of("a/b");
        rates.take({}, 13);
        return [busy, rates.of("a/b"), rates.of("unknown").sent];
    """
    busy, idle, unknown = call(page, "model", body)
    assert (busy["received"], busy["sent"], busy["connections"], busy["open"]) == (100, 0, 3, 4)
    assert (idle["received"], idle["connections"], unknown) == (0, 0, 0)


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ("a\nb\nc", "a\nx\nc", [" a", "-b", "+x", " c"]),
        ("a", "a", [" a"]),
        ("", "a\nb", ["-", "+a", "+b"]),
        ("a\nb\nc\nd", "b\nd\ne", ["-a", " b", "-c", " d", "+e"]),
    ],
)
def test_differences_are_shortest(page: Any, before: str, after: str, lines: list[str]) -> None:
    assert call(page, "text", "return m.diff(given[0], given[1]);", [before, after]) == lines


def test_a_message_is_read_from_a_status_in_json_or_yaml(page: Any) -> None:
    body = "return given.map(m.messageOf);"
    status = "kind: Status\nmessage: 'cannot do\n  ''that'': why'\nreason: Invalid\n"
    assert call(page, "api", body, ['{"message": "no"}', status, "plain"]) == ["no", "cannot do 'that': why", "plain"]


def test_documents_of_a_manifest_name_their_objects(page: Any) -> None:
    text = (
        "# first\napiVersion: apps/v1  # group\nkind: Deployment\nmetadata:\n    labels:\n        name: inner\n"
        "    name: 'web'\n    namespace: \"shop\"\nspec:\n  name: other\n---\n# only a comment\n---\n"
        "metadata:\n  name: b\nkind: Service\napiVersion: v1\n"
    )
    found = call(page, "yaml", "return m.documents(given).map(({ text, ...rest }) => rest);", text)
    assert found == [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "shop"},
        {"apiVersion": "v1", "kind": "Service", "name": "b", "namespace": ""},
    ]


def test_managed_fields_are_left_out_of_the_editor(page: Any) -> None:
    managed = "  managedFields:\n  - manager: x\n    fieldsV1:\n      f:a: {}\n"
    before, after = "metadata:\n  labels:\n    a: b\n", "  name: web\nspec: {}\n"
    found = call(page, "yaml", "return m.withoutManagedFields(given);", before + managed + after)
    assert found == before + after


def test_a_query_is_read_from_a_line_of_the_log(page: Any) -> None:
    fields = "client=10.244.1.2 name=web.default. type=A proto=udp rcode=0 bytes=80 ms=0.052"
    line = f"2026-11-30T00:44:08.120Z I dns  query {fields}"
    found = call(page, "dns", "return given.map(m.parse);", [line, "2026-11-30T00:44:08Z I dns  ready"])
    assert found[1] is None
    assert (found[0]["client"], found[0]["name"], found[0]["type"], found[0]["ms"]) == (
        "10.244.1.2",
        "web.default.",
        "A",
        "0.052",
    )
