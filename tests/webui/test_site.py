"""The site in front of a real API server: logins, files, and the rights of a session's user."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import msgspec
import pytest

from fairlead.apiserver.model import User
from fairlead.webui.guard import SECURITY
from tests.apiserver.harness import CONFIG_MAPS, SERVICES
from tests.apiserver.rbac import RBAC, add_role, bind, rule, subject
from tests.webui.served import ADMIN, Served, served

pytestmark = pytest.mark.slow
BOB = User("bob", ("system:authenticated",))


def story(test: Callable[[Served], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        async def main() -> None:
            async with served() as at:
                await test(at)

        asyncio.run(main())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@story
async def test_without_a_login_only_the_login_page_is_served(at: Served) -> None:
    status, body, _ = await at.ask("GET", "/ui/")
    assert (status, b"login.js" in body, b"app.js" in body) == (200, True, False)
    for name in ("login.js", "login.css", "login", "icon.svg"):
        assert (await at.ask("GET", f"/ui/{name}"))[0] == 200
    for name in ("app.js", "style.css", "session", "stream", "why", "missing"):
        assert (await at.ask("GET", f"/ui/{name}"))[0] == 401, name
    assert b"app.js" not in (await at.ask("GET", "/ui/index.html"))[1]
    assert (await at.ask("POST", "/ui/token"))[0] == 401
    assert (await at.ask("GET", CONFIG_MAPS))[0] == 403


@story
async def test_every_answer_has_the_security_headers(at: Served) -> None:
    login = at.login()
    for method, path in [
        ("GET", "/ui/"),
        ("GET", "/ui/app.js"),
        ("GET", "/ui/session"),
        ("GET", "/ui/none"),
        ("POST", "/ui/session"),
    ]:
        for given in (None, login):
            _, _, headers = await at.ask(method, path, login=given)
            assert {name: headers.get(name) for name in SECURITY} == SECURITY, (method, path)


@story
async def test_a_one_time_token_logs_in_once(at: Served) -> None:
    token = at.sessions.make_token(ADMIN)

    async def log_in() -> tuple[int, bytes, str]:
        headers = {"origin": at.origin}
        status, body, answered = await at.ask("POST", "/ui/session", json={"token": token}, headers=headers)
        return status, body, answered.get("set-cookie", "")

    status, body, cookie = await log_in()
    assert status == 200
    assert cookie.endswith("; HttpOnly; SameSite=Strict")
    key = msgspec.json.decode(body)["key"]
    headers = {"cookie": cookie.partition(";")[0], "x_fairlead_key": key}
    status, body, _ = await at.ask("GET", "/ui/session", headers=headers)
    assert (status, msgspec.json.decode(body)["user"]) == (200, "admin")
    assert (await log_in())[0] == 401


@story
async def test_a_token_is_old_after_a_minute(at: Served) -> None:
    token = at.sessions.make_token(ADMIN)
    at.clock.advance(61)
    status, _, _ = await at.ask("POST", "/ui/session", json={"token": token}, headers={"origin": at.origin})
    assert status == 401


@story
async def test_a_session_ends_with_the_one_whose_user_asked_for_it(at: Served) -> None:
    login = at.sessions.begin(ADMIN, at.origin, seconds=600)
    status, body, _ = await at.ask("POST", "/ui/token", login=login, headers={"origin": at.origin})
    token = msgspec.json.decode(body)["token"]
    at.clock.advance(50)
    _, _, answered = await at.ask("POST", "/ui/session", json={"token": token}, headers={"origin": at.origin})
    assert (status, "; Max-Age=550; " in answered["set-cookie"]) == (201, True)


@story
async def test_a_session_of_a_bearer_token_ends_with_the_token(at: Served) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"

    async def age(seconds: int) -> tuple[int, bool]:
        made = await at.api.ok("POST", path, {"spec": {"expirationSeconds": seconds}})
        at.clock.advance(100)
        at.api.clock.advance(100)
        given = {"origin": at.origin, "authorization": f"Bearer {made['status']['token']}"}
        status, _, answered = await at.ask("POST", "/ui/session", json={}, headers=given)
        return status, f"; Max-Age={min(seconds - 100, 3600)}; " in answered["set-cookie"]

    assert [await age(seconds) for seconds in (600, 7200)] == [(200, True), (200, True)]


@story
async def test_a_login_with_a_large_body_of_unknown_length_is_refused(at: Served) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1024

    headers = {"origin": at.origin, "content_type": "application/json"}
    status, body, _ = await at.ask("POST", "/ui/session", data=pieces(), headers=headers)
    assert (status, msgspec.json.decode(body)["message"]) == (400, "the body is too large")


@story
async def test_a_login_from_another_page_is_refused_and_leaves_the_token(at: Served) -> None:
    token = at.sessions.make_token(ADMIN)
    for headers in ({}, {"origin": "http://evil.test"}, {"origin": at.origin, "host": "evil.test"}, {"origin": "null"}):
        assert (await at.ask("POST", "/ui/session", json={"token": token}, headers=headers))[0] == 403
    assert (await at.ask("POST", "/ui/session", data=b"x", headers={"origin": at.origin}))[0] == 400
    status, _, _ = await at.ask("POST", "/ui/session", json={"token": token}, headers={"origin": at.origin})
    assert status == 200


@story
async def test_the_cookie_alone_opens_the_files_and_nothing_else(at: Served) -> None:
    login = at.login()
    assert b"app.js" in (await at.ask("GET", "/ui/", login=login, key=""))[1]
    assert (await at.ask("GET", "/ui/app.js", login=login, key=""))[0] == 200
    assert (await at.ask("GET", "/ui/session", login=login, key=""))[0] == 401
    assert (await at.ask("GET", CONFIG_MAPS, login=login, key=""))[0] == 403
    assert (await at.ask("POST", CONFIG_MAPS, login=login, key="", json={"metadata": {"name": "a"}}))[0] == 403


@story
async def test_a_forged_write_is_refused(at: Served) -> None:
    """A foreign page can make the browser send the cookie at most, and cannot change `Origin`."""
    login, body = at.login(), {"metadata": {"name": "a"}}
    assert (await at.ask("POST", CONFIG_MAPS, login=login, key="guessed", json=body))[0] == 401
    for headers in ({"origin": "http://evil.test"}, {"host": "evil.test"}, {"sec_fetch_site": "cross-site"}):
        assert (await at.ask("POST", CONFIG_MAPS, login=login, json=body, headers=headers))[0] == 401, headers
    status, _, _ = await at.ask("POST", CONFIG_MAPS, login=login, json=body, headers={"origin": at.origin})
    assert status == 201


@story
async def test_the_rights_are_those_of_the_user(at: Served) -> None:
    role = {"metadata": {"name": "reader"}, "rules": [rule("get list watch", "services")]}
    binding = {
        "metadata": {"name": "bob"},
        "subjects": [subject("user:bob")],
        "roleRef": {"kind": "Role", "name": "reader"},
    }
    await at.api.ok("POST", f"{RBAC}/namespaces/default/roles", role)
    await at.api.ok("POST", f"{RBAC}/namespaces/default/rolebindings", binding)
    bob = at.login(BOB)
    assert (await at.ask("GET", SERVICES, login=bob))[0] == 200
    assert (await at.ask("GET", "/api/v1/services", login=bob))[0] == 403
    status, body, _ = await at.ask("DELETE", f"{SERVICES}/kubernetes", login=bob)
    assert (status, 'User \\"bob\\"' in body.decode()) == (403, True)


@story
async def test_the_owner_of_an_object_is_the_users_program_not_the_page(at: Served) -> None:
    login = at.login()
    path = f"{CONFIG_MAPS}?fieldManager=fairlead-ui"
    _, body, _ = await at.ask("POST", path, login=login, json={"metadata": {"name": "a"}, "data": {"x": "y"}})
    assert msgspec.json.decode(body)["metadata"]["managedFields"][0]["manager"] == "fairlead-ui"


@story
async def test_logging_out_ends_the_session(at: Served) -> None:
    login = at.login()
    assert (await at.ask("DELETE", "/ui/session", login=login))[0] == 200
    assert (await at.ask("GET", "/ui/session", login=login))[0] == 401
    assert b"login.js" in (await at.ask("GET", "/ui/", login=login, key=""))[1]


@story
async def test_a_new_login_of_a_browser_ends_its_earlier_session(at: Served) -> None:
    earlier, other = at.login(), at.login()
    token = at.sessions.make_token(ADMIN)
    headers = {"origin": at.origin, "cookie": f"{earlier.cookie_name}={earlier.cookie}"}
    assert (await at.ask("POST", "/ui/session", json={"token": token}, headers=headers))[0] == 200
    assert (await at.ask("GET", "/ui/session", login=earlier))[0] == 401
    assert (await at.ask("GET", "/ui/session", login=other))[0] == 200


@story
async def test_unsupported_methods_and_files_have_their_own_errors(at: Served) -> None:
    login = at.login()
    assert (await at.ask("PUT", "/ui/session", login=login))[0] == 405
    assert (await at.ask("POST", "/ui/app.js", login=login))[0] == 405
    assert (await at.ask("GET", "/ui/..%2f..%2fsite.py", login=login))[0] == 404
    status, _, headers = await at.ask("GET", "/ui", login=login, allow_redirects=False)
    assert (status, headers["location"]) == (308, "/ui/")


@story
async def test_a_known_file_is_not_sent_again(at: Served) -> None:
    login = at.login()
    _, _, headers = await at.ask("GET", "/ui/app.js", login=login)
    status, body, _ = await at.ask("GET", "/ui/app.js", login=login, headers={"if_none_match": headers["etag"]})
    assert (status, body) == (304, b"")


@story
async def test_why_is_answered_with_the_rights_of_the_user(at: Served) -> None:
    spec = {"ports": [{"port": 80}], "selector": {"app": "web"}}
    await at.api.ok("POST", SERVICES, {"metadata": {"name": "web"}, "spec": spec})
    path = "/ui/why?namespace=default&name=web"
    status, body, _ = await at.ask("GET", path, login=at.login())
    assert (status, msgspec.json.decode(body)["verdict"]) == (200, "fault")
    assert (await at.ask("GET", path, login=at.login(BOB)))[0] == 403
    assert (await at.ask("GET", "/ui/why?name=web", login=at.login()))[0] == 400


@story
async def test_why_explains_pods_workloads_and_ingresses(at: Served) -> None:
    pod = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}}
    await at.api.ok("POST", "/api/v1/namespaces/default/pods", pod)
    for kind, name, cause in (
        ("pod", "web", "Pod web is not scheduled: no node has been chosen yet"),
        ("deploy", "web", 'namespace default has no deploy "web"'),
        ("job", "web", 'namespace default has no job "web"'),
        ("ingress", "web", 'namespace default has no ingress "web"'),
    ):
        path = f"/ui/why?namespace=default&kind={kind}&name={name}"
        status, body, _ = await at.ask("GET", path, login=at.login())
        assert (status, msgspec.json.decode(body)["cause"]) == (200, cause)
    assert (await at.ask("GET", "/ui/why?namespace=default&kind=node&name=a", login=at.login()))[0] == 400


async def add_client(at: Served, rights: Sequence[Mapping[str, Sequence[str]]]) -> None:
    """Adds a Service, a Pod on a node, and rights of Bob."""
    spec = {"clusterIP": "10.96.0.9", "ports": [{"port": 80}], "selector": {"app": "web"}}
    await at.api.ok("POST", SERVICES, {"metadata": {"name": "web"}, "spec": spec})
    pod = {
        "metadata": {"name": "client"},
        "spec": {"nodeName": "node1", "containers": [{"name": "a", "image": "nginx"}]},
    }
    await at.api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "node1"}})
    await at.api.ok("POST", "/api/v1/namespaces/default/pods", pod)
    role = {"metadata": {"name": "bob"}, "rules": rights}
    await at.api.ok("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", role)
    binding = {
        "metadata": {"name": "bob"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "bob"},
        "subjects": [{"kind": "User", "name": BOB.name, "apiGroup": "rbac.authorization.k8s.io"}],
    }
    await at.api.ok("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding)


READ = {"apiGroups": [""], "resources": ["services", "pods"], "verbs": ["list", "get"]}
EXEC = {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}
FROM = "/ui/why?namespace=default&name=web&from=pod/client"


@story
async def test_connections_are_tried_from_a_pod_by_the_users_that_may_run_commands_there(at: Served) -> None:
    await add_client(at, [READ, EXEC])
    outcome = [{"address": "10.96.0.9", "port": 80, "outcome": "refused", "detail": ""}]
    at.pages.nodes["node1/try/default/client?to=10.96.0.9,80"] = msgspec.json.encode(outcome)
    for user in (ADMIN, BOB):
        status, body, _ = await at.ask("GET", FROM, login=at.login(user))
        found = {one["check"]: one for one in msgspec.json.decode(body)["checks"]}
        assert status == 200
        assert found["connection"]["cause"] == "a connection from pod/client to 10.96.0.9 port 80 was refused"
    for wrong in (FROM.replace("client", "ghost"), f"{FROM}&http=yes", f"{FROM.partition('&from')[0]}&http=1"):
        assert (await at.ask("GET", wrong, login=at.login()))[0] == 400, wrong


@story
async def test_requests_and_questions_are_sent_with_the_connections(at: Served) -> None:
    await add_client(at, [READ, EXEC])
    spec = {"clusterIP": "10.96.0.10", "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]}
    dns = {"metadata": {"name": "kube-dns"}, "spec": spec}
    await at.api.ok("POST", "/api/v1/namespaces/kube-system/services", dns)
    tried_targets: list[str] = []
    at.pages.trying = tried_targets
    _, body, _ = await at.ask("GET", f"{FROM}&http=1", login=at.login())
    found = {one["check"]: one for one in msgspec.json.decode(body)["checks"]}
    protocols = [one.split(",")[:3] for one in tried_targets]
    assert protocols == [
        ["10.96.0.9", "80"],
        ["10.96.0.10", "53", "udp"],
        ["10.96.0.10", "53", "udp"],
        ["10.96.0.9", "80", "tcp"],
    ]
    assert bytes.fromhex(tried_targets[3].split(",")[3]).startswith(
        b"GET / HTTP/1.1\r\nHost: web.default.svc.cluster.local\r\n"
    )
    assert (
        found["requests"]["lookedAt"] == "requests from pod/client: 10.96.0.9 port 80: HTTP/1.1 204 No Content, 1.5 ms"
    )
    assert "NOERROR" in found["lookup"]["cause"]


@story
async def test_a_user_that_may_only_read_tries_no_connection(at: Served) -> None:
    await add_client(at, [READ])
    assert (await at.ask("GET", FROM.partition("&from")[0], login=at.login(BOB)))[0] == 200
    status, body, _ = await at.ask("GET", FROM, login=at.login(BOB))
    assert (status, "create pods/exec" in msgspec.json.decode(body)["message"]) == (403, True)


async def add_service(at: Served) -> None:
    """Adds a node, and a Service with one endpoint on it."""
    await at.api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "node1"}})
    await at.api.ok("POST", SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
    piece = {
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"port": 8080}],
        "endpoints": [{"addresses": ["10.244.1.5"], "conditions": {"ready": True}, "nodeName": "node1"}],
    }
    await at.api.ok("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", piece)


@story
async def test_a_packet_is_traced_over_the_plan_if_no_node_answers(at: Served) -> None:
    await add_service(at)
    path = "/ui/trace?namespace=default&from=node/node1&to=svc/web:80"
    status, body, _ = await at.ask("GET", path, login=at.login())
    found = msgspec.json.decode(body)
    assert (status, found["kernel"], found["agrees"]) == (200, None, None)
    (end,) = found["plan"]
    assert (end["kind"], end["address"], end["hops"][0]["node"]) == ("pod", "10.244.1.5", "node1")


@story
async def test_the_rules_of_a_service_are_listed_in_words(at: Served) -> None:
    await add_service(at)
    status, body, _ = await at.ask("GET", "/ui/rules?namespace=default&name=web", login=at.login())
    lines = msgspec.json.decode(body)["lines"]
    assert (status, {line["node"] for line in lines}) == (200, {"node1"})
    assert any("10.244.1.5" in line["words"] for line in lines)


@story
async def test_trace_and_rules_need_the_right_to_read_what_they_show(at: Served) -> None:
    await add_service(at)
    bob = at.login(BOB)
    assert (await at.ask("GET", "/ui/trace?namespace=default&from=host&to=svc/web", login=bob))[0] == 403
    assert (await at.ask("GET", "/ui/rules?namespace=default&name=web", login=bob))[0] == 403


LIVE = "/ui/trace?namespace=default&from=node/node1&to=svc/web:80"


@story
async def test_a_real_packet_is_sent_to_the_service_and_compared(at: Served) -> None:
    await add_service(at)
    status, body, _ = await at.ask("POST", LIVE, login=at.login(), headers={"origin": at.origin})
    assert status == 200, body
    found = msgspec.json.decode(body)
    address = found["to"]["addresses"][0]["address"]
    assert [one[1:] for one in at.sent.to] == [(address, 80, "tcp")]
    assert (found["live"]["outcome"], found["live"]["agrees"]) == ("refused", True)


@story
async def test_a_real_packet_needs_the_right_to_use_its_sender(at: Served) -> None:
    await add_service(at)
    running = {"spec": {"nodeName": "node1", "containers": [{"name": "c", "image": "nginx"}]}}
    await at.api.ok("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "client"}, **running})
    running_now = {"status": {"phase": "Running", "podIP": "10.244.1.7", "podIPs": [{"ip": "10.244.1.7"}]}}
    await at.api.ok(
        "PATCH",
        "/api/v1/namespaces/default/pods/client/status",
        running_now,
        content_type="application/merge-patch+json",
    )
    lists = [
        rule("list", "services pods nodes", ""),
        rule("list", "endpointslices", "discovery.k8s.io"),
        rule("list", "servicecidrs", "networking.k8s.io"),
        rule("get", "configmaps", ""),
    ]
    await add_role(at.api, "reader", *lists)
    await bind(at.api, "reader", "reader", "user:bob")
    bob = at.login(BOB)
    for sender, right in [
        ("pod/client", "pods/exec"),
        ("10.244.1.7", "pods/exec"),
        ("node/node1", "nodes/proxy"),
        ("host", "nodes/proxy"),
    ]:
        path = LIVE.replace("node/node1", sender)
        assert (await at.ask("GET", path, login=bob))[0] == 200, sender
        status, body, _ = await at.ask("POST", path, login=bob, headers={"origin": at.origin})
        assert (status, right in msgspec.json.decode(body)["message"]) == (403, True), (sender, body)
    assert at.sent.to == []
    await add_role(at.api, "exec", rule("create", "pods/exec"), namespace="default")
    await bind(at.api, "exec", "Role/exec", "user:bob", namespace="default")
    path = LIVE.replace("node/node1", "pod/client")
    assert (await at.ask("POST", path, login=bob, headers={"origin": at.origin}))[0] == 200
    assert [one[0] for one in at.sent.to] == ["10.244.1.7"]


@story
async def test_a_session_that_ends_while_its_packet_waits_sends_nothing(at: Served) -> None:
    await add_service(at)
    entered, leave = threading.Event(), threading.Event()

    def during() -> None:
        entered.set()
        leave.wait(60)

    at.sent.during = during
    headers = {"origin": at.origin}
    first = asyncio.ensure_future(at.ask("POST", LIVE, login=at.login(), headers=headers))
    await asyncio.to_thread(entered.wait, 60)
    later = [at.login() for _ in range(5)]
    waiting = [asyncio.ensure_future(at.ask("POST", LIVE, login=one, headers=headers)) for one in later]
    refused, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result()[0] for task in refused] == [429]
    for login in later:
        at.sessions.end(login.session)
    leave.set()
    assert (await first)[0] == 200
    assert sorted(status for status, _, _ in await asyncio.gather(*waiting)) == [401, 401, 401, 401, 429]
    assert len(at.sent.to) == 1


@story
async def test_a_live_trace_names_what_it_cannot_send(at: Served) -> None:
    await add_service(at)
    headers = {"origin": at.origin}
    for more, said in [("&protocol=sctp", "SCTP"), ("&protocol=icmp", "icmp"), ("&family=ipv9", "ipv9")]:
        status, body, _ = await at.ask("POST", LIVE + more, login=at.login(), headers=headers)
        assert (status, said in msgspec.json.decode(body)["message"]) == (400, True), body
    assert at.sent.to == []


@story
async def test_an_unknown_place_of_a_trace_is_an_error_with_its_name(at: Served) -> None:
    await add_service(at)
    path = "/ui/trace?namespace=default&from=pod/ghost&to=svc/web:80"
    status, body, _ = await at.ask("GET", path, login=at.login())
    assert (status, "ghost" in msgspec.json.decode(body)["message"]) == (400, True)
    assert (await at.ask("GET", "/ui/trace?namespace=default&from=host", login=at.login()))[0] == 400
