"""Acting as another user: what must be allowed, and who the request is then."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from multidict import CIMultiDict

from fairlead.apiserver.model import User
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Request
from fairlead.runtime.transport import decode_status_error

from .harness import PODS, Api, Tree, story
from .rbac import add_role, bind, rule, user

WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
AUTHENTICATION = "authentication.k8s.io"
ALICE = user("alice")


async def who(api: Api, sender: User, *headers: tuple[str, str]) -> Tree:
    """Returns the user that a request with these headers acts as."""
    sent = CIMultiDict([("content-type", "application/json"), *headers])
    found = await replace(api, user=sender).server.transport(sender).request(Request("POST", WHO, {}, sent, b"{}"))
    if found.status >= 400:
        raise decode_status_error(found.status, found.body)
    tree: Tree = msgspec.json.decode(found.body)["status"]["userInfo"]
    return tree


@story
async def test_a_privileged_user_acts_as_anyone(api: Api) -> None:
    root = api.user
    assert await who(api, root, ("Impersonate-User", "jane")) == {
        "username": "jane",
        "groups": ["system:authenticated"],
    }
    groups = (("Impersonate-Group", "a"), ("Impersonate-Group", "b"))
    assert (await who(api, root, ("Impersonate-User", "jane"), *groups))["groups"] == ["a", "b", "system:authenticated"]
    account = await who(api, root, ("Impersonate-User", "system:serviceaccount:default:web"))
    assert account["groups"] == ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]
    node = await who(api, root, ("Impersonate-User", "system:node:n1"))
    assert node["groups"] == ["system:nodes", "system:authenticated"]
    headers = (("Impersonate-Uid", "u1"), ("impersonate-extra-A.b%2Fc", "x"), ("Impersonate-Extra-a.b%2fc", "y"))
    assert await who(api, root, ("Impersonate-User", "jane"), *headers) == {
        "username": "jane",
        "groups": ["system:authenticated"],
        "uid": "u1",
        "extra": {"a.b/c": ["x", "y"]},
    }


@story
async def test_the_request_has_the_rights_of_the_other_user_and_no_more(api: Api) -> None:
    assert (await api.call("GET", PODS)).status == 200
    error = await api.error("GET", PODS, impersonate_user="jane")
    text = 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'
    assert (error.code, error.message) == (403, text)
    error = await api.error("GET", "/api", impersonate_user="system:anonymous")
    assert error.message == 'forbidden: User "system:anonymous" cannot get path "/api"'
    assert (await api.call("GET", PODS, impersonate_user="jane", impersonate_group="system:masters")).status == 200


@story
async def test_the_older_form_needs_the_verb_for_each_part(api: Api) -> None:
    await add_role(api, "jane", rule("impersonate", "users", names="jane"))
    await bind(api, "jane", "jane", "user:alice")
    assert (await who(api, ALICE, ("Impersonate-User", "jane")))["username"] == "jane"
    for headers in (
        (("Impersonate-User", "joe"),),
        (("Impersonate-User", "jane"), ("Impersonate-Group", "system:masters")),
        (("Impersonate-User", "jane"), ("Impersonate-Uid", "1")),
        (("Impersonate-User", "jane"), ("Impersonate-Extra-x", "y")),
        (("Impersonate-User", "system:serviceaccount:default:web"),),
        (("Impersonate-User", "system:node:n1"),),
    ):
        with pytest.raises(StatusError, match="is forbidden"):
            await who(api, ALICE, *headers)
    more = rule("impersonate", "groups", names="dev"), rule("impersonate", "uids userextras/x", AUTHENTICATION)
    await add_role(api, "more", *more)
    await bind(api, "more", "more", "user:alice")
    found = await who(
        api, ALICE, ("Impersonate-User", "jane"), ("Impersonate-Group", "dev"), ("Impersonate-Extra-x", "y")
    )
    assert (found["groups"], found["extra"]) == (["dev", "system:authenticated"], {"x": ["y"]})


@story
async def test_a_service_account_is_impersonated_by_the_right_in_its_namespace(api: Api) -> None:
    await bind(api, "edit", "system:aggregate-to-edit", "user:alice", namespace="default")
    found = await who(api, ALICE, ("Impersonate-User", "system:serviceaccount:default:web"))
    assert found["username"] == "system:serviceaccount:default:web"
    await add_role(api, "on", rule("impersonate-on:serviceaccount:create", "*", AUTHENTICATION))
    await bind(api, "on", "on", "user:alice")
    with pytest.raises(StatusError, match='resource "serviceaccounts" in API group "authentication'):
        await who(api, ALICE, ("Impersonate-User", "system:serviceaccount:kube-system:web"))


@story
async def test_constrained_impersonation_limits_what_is_done_as_the_other_user(api: Api) -> None:
    await add_role(
        api,
        "limited",
        rule("impersonate:user-info", "users", AUTHENTICATION, names="jane"),
        rule("impersonate:user-info", "groups", AUTHENTICATION),
        rule("impersonate-on:user-info:list", "pods"),
    )
    await bind(api, "limited", "limited", "user:alice")
    await add_role(api, "jane", rule("list get", "pods"))
    await bind(api, "jane", "jane", "user:jane", "group:dev")
    alice = replace(api, user=ALICE)
    assert (await alice.call("GET", PODS, impersonate_user="jane")).status == 200
    error = await alice.error("GET", f"{PODS}/a", impersonate_user="jane")
    text = 'pods "a" is forbidden: User "alice" cannot impersonate-on:user-info:get resource "pods"'
    assert error.message == f'{text} in API group "" in the namespace "default"'
    error = await alice.error("GET", PODS, impersonate_user="joe")
    assert 'User "alice" cannot impersonate:user-info resource "users" in API group "authentication.k8s.io"' in str(
        error
    )
    error = await alice.error("GET", PODS, impersonate_user="jane", impersonate_group="system:masters")
    assert str(error).endswith(": impersonating the system:masters group is not allowed")
    error = await alice.error("GET", PODS, impersonate_user="system:node:n1")
    assert "impersonate-on:arbitrary-node:list" in str(error)


@story
async def test_a_pods_token_may_act_as_its_own_node_and_as_no_other(api: Api) -> None:
    on = [rule(f"impersonate-on:{mode}:create", "selfsubjectreviews", AUTHENTICATION) for mode in ("associated-node",)]
    await add_role(api, "agent", rule("impersonate:associated-node", "nodes", AUTHENTICATION), *on)
    await bind(api, "agent", "agent", "account:default/agent")
    extra = {"authentication.kubernetes.io/node-name": ("n1",)}
    agent = user("system:serviceaccount:default:agent", extra=extra)
    found = await who(api, agent, ("Impersonate-User", "system:node:n1"))
    assert found == {"username": "system:node:n1", "groups": ["system:nodes", "system:authenticated"]}
    for sender, name in ((agent, "n2"), (user("system:serviceaccount:default:agent"), "n1")):
        with pytest.raises(StatusError, match="is forbidden"):
            await who(api, sender, ("Impersonate-User", f"system:node:{name}"))


@story
async def test_incomplete_or_unknown_headers_are_refused_and_never_ignored(api: Api) -> None:
    for header in ("Impersonate-Group", "impersonate-uid", "Impersonate-Extra-Scopes", "impersonate-user"):
        for value in ("x", ""):
            if (header, value) == ("impersonate-user", "x"):
                continue
            request = Request("GET", "/livez", {}, {header: value})
            response = await api.server.transport(api.user).request(request)
            assert response.status == 400, (header, value)
    error = await api.error("GET", "/livez", impersonate_user="jane", impersonate_role="admin")
    assert (error.code, error.message) == (400, "unknown header impersonate-role")
