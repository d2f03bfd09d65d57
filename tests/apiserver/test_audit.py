"""The audit log: its policy, its events and its file."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlead.apiserver.audit.log import AuditLog, LogFile
from fairlead.apiserver.audit.policy import Decision, PolicyError, decide, parse_policy
from fairlead.apiserver.audit.record import Pending
from fairlead.apiserver.model import User
from fairlead.apiserver.requestinfo import request_info
from fairlead.apiserver.serialization.protobuf import MEDIA_TYPE
from fairlead.apiserver.settings import AuditSettings

from .harness import CONFIG_MAPS, Api, config_map, start
from .test_protobuf import NAMESPACE

RBAC = "/apis/rbac.authorization.k8s.io/v1"
CONSTRAINED = [
    {"verbs": ["impersonate-on:user-info:list", "list"], "apiGroups": [""], "resources": ["configmaps"]},
    {"verbs": ["impersonate:user-info"], "apiGroups": ["authentication.k8s.io"], "resources": ["users"]},
]
HEAD = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
ALICE = User("alice", ("dev", "system:authenticated"))


def policy(rules: str, more: str = "") -> str:
    return f"{HEAD}{more}rules:\n{rules}"


def level(rules: str, method: str, path: str, user: User = ALICE) -> str:
    return decide(parse_policy(policy(rules)), user, request_info(method, path, {})).level


@pytest.mark.parametrize(
    ("rule", "method", "path", "matches"),
    [
        ("users: [alice]", "GET", "/api/v1/pods", True),
        ("users: [bob]", "GET", "/api/v1/pods", False),
        ("userGroups: [ops, dev]", "GET", "/version", True),
        ("userGroups: [ops]", "GET", "/version", False),
        ("verbs: [list]", "GET", "/api/v1/pods", True),
        ("verbs: [get]", "GET", "/api/v1/pods", False),
        ("namespaces: [a]", "GET", "/api/v1/namespaces/a/pods", True),
        ("namespaces: ['']", "GET", "/api/v1/nodes", True),
        ("namespaces: [a]", "GET", "/healthz", False),
        ("resources: [{group: '', resources: [pods]}]", "GET", "/api/v1/pods", True),
        ("resources: [{group: '', resources: [pods]}]", "GET", "/api/v1/namespaces/a/pods/p/log", False),
        ("resources: [{group: '', resources: [pods/log]}]", "GET", "/api/v1/namespaces/a/pods/p/log", True),
        ("resources: [{group: '', resources: ['pods/*']}]", "GET", "/api/v1/namespaces/a/pods/p/log", True),
        ("resources: [{group: '', resources: ['*/log']}]", "GET", "/api/v1/namespaces/a/pods/p/log", True),
        ("resources: [{group: '', resources: ['*']}]", "GET", "/apis/apps/v1/deployments", False),
        ("resources: [{group: apps}]", "GET", "/apis/apps/v1/deployments", True),
        ("resources: [{group: '', resources: [pods], resourceNames: [p]}]", "GET", "/api/v1/namespaces/a/pods/p", True),
        (
            "resources: [{group: '', resources: [pods], resourceNames: [q]}]",
            "GET",
            "/api/v1/namespaces/a/pods/p",
            False,
        ),
        ("nonResourceURLs: ['/healthz*']", "GET", "/healthz/ping", True),
        ("nonResourceURLs: ['/healthz']", "GET", "/healthz/ping", False),
        ("nonResourceURLs: ['*']", "GET", "/api/v1/pods", False),
    ],
)
def test_a_rule_matches_as_upstreams_does(rule: str, method: str, path: str, matches: bool) -> None:
    assert level(f"- level: Metadata\n  {rule}\n", method, path) == ("Metadata" if matches else "None")


def test_the_first_rule_that_matches_decides() -> None:
    rules = (
        "- {level: None, verbs: [get]}\n- {level: Request, omitStages: [RequestReceived], omitManagedFields: false}\n"
    )
    parsed = parse_policy(policy(rules, "omitStages: [ResponseStarted]\nomitManagedFields: true\n"))
    assert decide(parsed, ALICE, request_info("GET", "/version", {})) == Decision("None")
    found = decide(parsed, ALICE, request_info("POST", "/api/v1/namespaces", {}))
    assert found == Decision("Request", frozenset({"RequestReceived", "ResponseStarted"}), False)


def test_each_mistake_in_a_policy_is_named_with_its_path() -> None:
    def mistakes(text: str) -> str:
        with pytest.raises(PolicyError) as error:
            parse_policy(text)
        return str(error.value)

    assert "apiVersion and kind must be audit.k8s.io/v1 and Policy" in mistakes(
        "kind: Policy\nrules: [{level: None}]\n"
    )
    assert "rules: Required value" in mistakes(HEAD)
    assert 'rules[0].level: Unsupported value: "All"' in mistakes(policy("- level: All\n"))
    assert 'rules[0].omitStages[0]: Unsupported value: "x"' in mistakes(policy("- {level: None, omitStages: [x]}\n"))
    both = policy("- {level: None, nonResourceURLs: [x, '/a*b'], namespaces: [a]}\n")
    assert "cannot apply to both regular resources and non-resource URLs" in mistakes(both)
    assert 'rules[0].nonResourceURLs[1]: "/a*b" must begin with "/"' in mistakes(both)
    group = policy("- {level: None, resources: [{group: apps/v1, resourceNames: [a]}]}\n")
    assert 'rules[0].resources[0].group: "apps/v1" must not have a version' in mistakes(group)
    assert "resources[0].resourceNames: using resourceNames requires" in mistakes(group)
    assert "$.rules[0]" in mistakes(policy("- {level: None, unknown: 1}\n"))


def audited(tmp_path: Path, rules: str, story: Any, more: str = "", **settings: Any) -> list[dict[str, Any]]:
    """Runs a story with an audit log; returns the events that are not about the server's own start."""
    path = tmp_path / "audit.log"

    async def main() -> None:
        api = await start(audit=AuditSettings(policy(rules, more), str(path), **settings))
        try:
            await story(api)
        finally:
            await api.server.stop()

    asyncio.run(main())
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


EVERYTHING = "- {level: RequestResponse, resources: [{group: '', resources: [configmaps, namespaces]}]}\n"


def test_a_write_has_its_stages_its_user_and_both_objects(tmp_path: Path) -> None:
    async def story(api: Api) -> None:
        await api.call("POST", CONFIG_MAPS, config_map("a", k="v"), user_agent="tester", x_forwarded_for="192.0.2.1")
        await api.call("POST", CONFIG_MAPS, config_map("a"))

    first, done, _, refused = audited(tmp_path, EVERYTHING, story)
    assert (first["stage"], done["stage"]) == ("RequestReceived", "ResponseComplete")
    assert (first["kind"], first["apiVersion"], first["level"]) == ("Event", "audit.k8s.io/v1", "RequestResponse")
    assert first["auditID"] == done["auditID"] != refused["auditID"]
    assert "requestObject" not in first
    assert done["requestObject"] == config_map("a", k="v")
    assert done["responseObject"]["metadata"]["name"] == "a"
    assert done["responseStatus"] == {"metadata": {}, "code": 201}
    assert done["objectRef"] == {"resource": "configmaps", "namespace": "default", "apiVersion": "v1"}
    assert done["user"]["username"] == "system:apiserver"
    assert (done["verb"], done["userAgent"], done["sourceIPs"]) == ("create", "tester", ["192.0.2.1"])
    assert done["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert refused["responseStatus"]["reason"] == "AlreadyExists"


def test_metadata_has_no_bodies_and_stages_can_be_left_out(tmp_path: Path) -> None:
    async def story(api: Api) -> None:
        await api.call("POST", CONFIG_MAPS, config_map("a"))
        await api.call("GET", "/version")

    rules = "- {level: Metadata, omitStages: [RequestReceived], resources: [{group: '', resources: [configmaps]}]}\n"
    [event] = audited(tmp_path, rules, story)
    assert event["stage"] == "ResponseComplete"
    assert not {"requestObject", "responseObject"} & set(event)


def test_bodies_in_protobuf_are_shown_as_json_without_managed_fields(tmp_path: Path) -> None:
    async def story(api: Api) -> None:
        await api.call("POST", "/api/v1/namespaces", NAMESPACE, content_type=MEDIA_TYPE, user_agent="kubectl/x")
        await api.call("GET", "/api/v1/namespaces", accept="application/yaml")

    more = "omitManagedFields: true\nomitStages: [RequestReceived]\n"
    made, listed = audited(tmp_path, EVERYTHING, story, more)
    assert made["requestObject"]["metadata"]["name"] == "foo"
    assert "managedFields" not in made["responseObject"]["metadata"]
    names = [item["metadata"]["name"] for item in listed["responseObject"]["items"]]
    assert "foo" in names
    assert not any("managedFields" in item["metadata"] for item in listed["responseObject"]["items"])


def test_a_request_in_the_name_of_another_user_names_both(tmp_path: Path) -> None:
    async def story(api: Api) -> None:
        await api.ok("POST", RBAC + "/clusterroles", {"metadata": {"name": "all"}, "rules": CONSTRAINED})
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "all"}
        subjects = [{"kind": "User", "name": name} for name in ("alice", "jane")]
        body = {"metadata": {"name": "all"}, "roleRef": ref, "subjects": subjects}
        await api.ok("POST", RBAC + "/clusterrolebindings", body)
        await replace(api, user=ALICE).ok("GET", CONFIG_MAPS, impersonate_user="jane")
        await api.ok("GET", CONFIG_MAPS, impersonate_user="jane", impersonate_group="system:masters")

    rules = "- {level: Metadata, verbs: [list], resources: [{group: '', resources: [configmaps]}]}\n"
    first, second = audited(tmp_path, rules, story, more="omitStages: [RequestReceived]\n")
    assert (first["user"]["username"], first["impersonatedUser"]["username"]) == ("alice", "jane")
    assert first["authenticationMetadata"] == {"impersonationConstraint": "impersonate:user-info"}
    assert second["user"]["username"] == "system:apiserver"
    assert second["impersonatedUser"] == {"username": "jane", "groups": ["system:masters", "system:authenticated"]}
    assert "authenticationMetadata" not in second


def test_a_watch_starts_and_completes(tmp_path: Path) -> None:
    rules = "- {level: Request, verbs: [watch], omitStages: [RequestReceived]}\n"

    async def short(api: Api) -> None:
        api.server._serving.watches.stop()
        await api.call("GET", CONFIG_MAPS, query={"watch": "true"})

    started, complete = audited(tmp_path, rules, short)
    assert (started["stage"], complete["stage"]) == ("ResponseStarted", "ResponseComplete")
    assert complete["requestURI"] == f"{CONFIG_MAPS}?watch=true"


def pending(number: int) -> Pending:
    return Pending({"number": number, "fill": "x" * 80}, False)


def test_a_full_file_is_followed_by_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = AuditLog(LogFile(str(path), max_bytes=250, backups=2), lambda *_: None, on_error=print)
    for number in range(9):
        log.emit(pending(number))
    log.close()
    kept = [
        [msgspec.json.decode(line)["number"] for line in (tmp_path / name).read_bytes().splitlines()]
        for name in ("audit.log.2", "audit.log.1", "audit.log")
    ]
    assert kept == [[4, 5], [6, 7], [8]]
    assert not (tmp_path / "audit.log.3").exists()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_disk_that_fails_drops_events_and_is_reported_once(tmp_path: Path) -> None:
    errors: list[str] = []
    path = tmp_path / "folder" / "audit.log"
    path.parent.mkdir()
    log = AuditLog(LogFile(str(path), max_bytes=1, backups=0), lambda *_: None, on_error=errors.append)
    log.emit(pending(0))
    log._queue.put(None)
    log._thread.join()
    path.unlink()
    path.parent.rmdir()
    log._thread = threading.Thread(target=log._run)
    log._thread.start()
    for number in range(3):
        log.emit(pending(number))
    log.close()
    assert (log.written, log.dropped, len(errors)) == (1, 3, 1)


def test_nothing_of_the_audit_log_is_imported_while_it_is_off() -> None:
    code = "import sys, fairlead.apiserver.server as s; print([m for m in sys.modules if 'apiserver.audit' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
