"""The audit policy (audit.k8s.io/v1): which requests are recorded, and how much of them. No I/O.

The first rule that matches a request decides; a request without a rule is not recorded. Matching and refusals as
upstream's `audit/policy`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, cast

import msgspec

from fairlead.apiserver.model import User
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.base.dataclass import dataclass
from fairlead.machinery.values.yamltree import load_yaml

Level = Literal["None", "Metadata", "Request", "RequestResponse"]
LEVELS: tuple[Level, ...] = ("None", "Metadata", "Request", "RequestResponse")
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
_API_VERSION = "audit.k8s.io/v1"


class _Strict(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class GroupResources(_Strict):
    """Resources of one API group."""

    group: str = ""
    resources: list[str] = []
    resourceNames: list[str] = []


class Rule(_Strict):
    """One rule: the requests it is about, and what is recorded of them."""

    level: str = ""
    users: list[str] = []
    userGroups: list[str] = []
    verbs: list[str] = []
    resources: list[GroupResources] = []
    namespaces: list[str] = []
    nonResourceURLs: list[str] = []
    omitStages: list[str] = []
    omitManagedFields: bool | None = None


class Policy(_Strict):
    """The policy file."""

    apiVersion: str = ""
    kind: str = ""
    metadata: dict[str, Any] = {}
    rules: list[Rule] = []
    omitStages: list[str] = []
    omitManagedFields: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The extent to which one request is recorded."""

    level: Level
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False


NOTHING = Decision("None")


class PolicyError(ValueError):
    """A policy that cannot be used; the text has a line for each mistake, with its path."""


def parse_policy(text: str) -> Policy:
    """Parses and checks a policy file. Raises PolicyError."""
    try:
        policy = msgspec.convert(load_yaml(text), Policy)
    except (ValueError, msgspec.ValidationError) as e:
        raise PolicyError(str(e)) from e
    if errors := list(_errors(policy)):
        raise PolicyError("; ".join(errors))
    return policy


def decide(policy: Policy, user: User, info: RequestInfo) -> Decision:
    """Returns how much of the request is recorded."""
    for rule in policy.rules:
        if _matches(rule, user, info):
            if rule.level == "None":
                return NOTHING
            omit = policy.omitManagedFields if rule.omitManagedFields is None else rule.omitManagedFields
            stages = frozenset([*policy.omitStages, *rule.omitStages])
            return Decision(cast(Level, rule.level), stages, omit)
    return NOTHING


def _matches(rule: Rule, user: User, info: RequestInfo) -> bool:
    if rule.users and user.name not in rule.users:
        return False
    if rule.userGroups and not set(rule.userGroups) & set(user.groups):
        return False
    if rule.verbs and info.verb not in rule.verbs:
        return False
    if rule.namespaces or rule.resources:
        return info.is_resource_request and _matches_resource(rule, info)
    if rule.nonResourceURLs:
        return not info.is_resource_request and any(_matches_path(url, info.path) for url in rule.nonResourceURLs)
    return True


def _matches_resource(rule: Rule, info: RequestInfo) -> bool:
    if rule.namespaces and info.namespace not in rule.namespaces:
        return False
    return not rule.resources or any(_matches_group(group, info) for group in rule.resources)


def _matches_group(group: GroupResources, info: RequestInfo) -> bool:
    if group.group != info.api_group:
        return False
    if not group.resources:
        return True
    if group.resourceNames and info.name not in group.resourceNames:
        return False
    choices = {"*", info.qualified_resource, f"{info.resource}/*"}
    if info.subresource:
        choices.add(f"*/{info.subresource}")
    return bool(choices & set(group.resources))


def _matches_path(url: str, path: str) -> bool:
    return path.startswith(url[:-1]) if url.endswith("*") else path == url


def _errors(policy: Policy) -> Iterator[str]:
    if (policy.apiVersion, policy.kind) != (_API_VERSION, "Policy"):
        yield f'apiVersion and kind must be {_API_VERSION} and Policy: found "{policy.apiVersion}", "{policy.kind}"'
    yield from _stage_errors(policy.omitStages, "omitStages")
    if not policy.rules:
        yield "rules: Required value: a policy without rules records nothing"
    for i, rule in enumerate(policy.rules):
        yield from _rule_errors(rule, f"rules[{i}]")


def _rule_errors(rule: Rule, path: str) -> Iterator[str]:
    if rule.level not in LEVELS:
        yield f'{path}.level: Unsupported value: "{rule.level}": supported values: {_quoted(LEVELS)}'
    yield from _stage_errors(rule.omitStages, f"{path}.omitStages")
    if rule.nonResourceURLs and (rule.resources or rule.namespaces):
        yield f"{path}.nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs"
    for i, url in enumerate(rule.nonResourceURLs):
        if url != "*" and (not url.startswith("/") or "*" in url[:-1]):
            yield f'{path}.nonResourceURLs[{i}]: "{url}" must begin with "/" and may have "*" at its end only'
    for i, group in enumerate(rule.resources):
        if "/" in group.group:
            yield f'{path}.resources[{i}].group: "{group.group}" must not have a version'
        if group.resourceNames and not group.resources:
            yield f"{path}.resources[{i}].resourceNames: using resourceNames requires at least one resource"


def _stage_errors(stages: list[str], path: str) -> Iterator[str]:
    for i, stage in enumerate(stages):
        if stage not in STAGES:
            yield f'{path}[{i}]: Unsupported value: "{stage}": supported values: {_quoted(STAGES)}'


def _quoted(values: tuple[str, ...]) -> str:
    return ", ".join(f'"{value}"' for value in values)
