"""Policy rules as predicates: what a rule allows, and which permissions one set of rules has that another lacks.

Source: upstream's evaluation helpers, `Covers` and `CompactRules` of its validation of roles. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairlead.api.rbac.policy import ALL, PolicyRule
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.machinery.values.quoting import go_quote


def allows(rule: PolicyRule, info: RequestInfo) -> bool:
    """Returns whether the rule allows the request."""
    if not _has(rule.verbs, info.verb):
        return False
    if not info.is_resource_request:
        return any(url_covers(url, info.path) for url in rule.nonResourceURLs)
    return (
        _has(rule.apiGroups, info.api_group)
        and any(_resource_covers(known, info.qualified_resource) for known in rule.resources)
        and (not rule.resourceNames or info.name in rule.resourceNames)
    )


def url_covers(url: str, path: str) -> bool:
    """Returns whether a path of a rule, which may end with `*`, includes the other path."""
    return url == path or (url.endswith(ALL) and path.startswith(url.rstrip(ALL)))


def missing(owned: Sequence[PolicyRule], wanted: Sequence[PolicyRule]) -> list[PolicyRule]:
    """Returns the permissions of `wanted` that `owned` lacks, each with one verb and one resource or path."""
    return [part for rule in wanted for part in _parts(rule) if not any(_covers(known, part) for known in owned)]


def _parts(rule: PolicyRule) -> Iterator[PolicyRule]:
    """Yields equivalent rules with one verb, one group, one resource and at most one name, or one path."""
    for group in rule.apiGroups:
        for resource in rule.resources:
            for verb in rule.verbs:
                for name in rule.resourceNames or (None,):
                    yield PolicyRule(
                        verbs=[verb],
                        apiGroups=[group],
                        resources=[resource],
                        resourceNames=[] if name is None else [name],
                    )
    for url in rule.nonResourceURLs:
        for verb in rule.verbs:
            yield PolicyRule(verbs=[verb], nonResourceURLs=[url])


def _covers(owned: PolicyRule, part: PolicyRule) -> bool:
    if not _has(owned.verbs, part.verbs[0]):
        return False
    if part.nonResourceURLs:
        return any(url_covers(url, part.nonResourceURLs[0]) for url in owned.nonResourceURLs)
    if owned.resourceNames and not (part.resourceNames and part.resourceNames[0] in owned.resourceNames):
        return False
    return _has(owned.apiGroups, part.apiGroups[0]) and any(
        _resource_covers(known, part.resources[0]) for known in owned.resources
    )


def _has(values: Sequence[str], value: str) -> bool:
    return value in values or ALL in values


def _resource_covers(known: str, resource: str) -> bool:
    """Returns whether a resource of a rule, possibly `*` or `*/scale`, includes a resource such as `pods/log`."""
    if known in (ALL, resource):
        return True
    _, slash, subresource = resource.partition("/")
    return bool(slash) and known == f"*/{subresource}"


def describe_missing(rules: Sequence[PolicyRule]) -> str:
    """Returns the lines that list permissions in an error, with the verbs of one resource together."""
    verbs: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    texts: set[str] = set()
    for rule in rules:
        if rule.nonResourceURLs:
            texts.add(describe(rule))
        else:
            key = (rule.apiGroups[0], rule.resources[0], tuple(rule.resourceNames))
            verbs.setdefault(key, []).extend(rule.verbs)
    for (group, resource, names), found in verbs.items():
        rule = PolicyRule(verbs=found, apiGroups=[group], resources=[resource], resourceNames=list(names))
        texts.add(describe(rule))
    return "\n".join(sorted(texts))


def describe(rule: PolicyRule) -> str:
    """Returns a rule as upstream's `CompactString` shows it: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`."""
    parts = (
        ("APIGroups", rule.apiGroups),
        ("Resources", rule.resources),
        ("NonResourceURLs", rule.nonResourceURLs),
        ("ResourceNames", rule.resourceNames),
        ("Verbs", rule.verbs),
    )
    return "{" + ", ".join(f"{name}:{quoted(values)}" for name, values in parts if values) + "}"


def quoted(values: Sequence[str]) -> str:
    """Returns texts as Go's `%q` shows a list of them: `["a" "b"]`."""
    return "[" + " ".join(map(go_quote, values)) + "]"
