"""Random JSON trees: of a kind's own shape, with plausible values, and then damaged. Same seed, same trees."""

from __future__ import annotations

import random
from typing import Any

import msgspec

_PLAUSIBLE: tuple[str, ...] = (
    *("ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "None", "Cluster", "Local", "ClientIP", "VIP", "Proxy"),
    *("IPv4", "IPv6", "FQDN", "SingleStack", "PreferDualStack", "RequireDualStack", "TCP", "UDP", "SCTP", "http"),
    *("PreferClose", "PreferSameZone", "PreferSameNode", "10.96.0.50", "10.96.0.1", "10.255.0.1", "192.0.2.7"),
    *("fd00::1", "::ffff:10.0.0.1", "127.0.0.1", "169.254.1.1", "224.0.0.1", "0.0.0.0", "10.0.0.0/8", "fd00::/64"),
    *("web", "a", "n1", "n2", "app", "kubernetes.io/h2c", "example.com", "a.b.c.", "2024-01-01T00:00:00Z", "v1", "Pod"),
    *("kubernetes.io/service-name", "endpointslice.kubernetes.io/managed-by", "Service", "discovery.k8s.io/v1", "80"),
)
_ODD: tuple[Any, ...] = (
    *(
        "",
        " ",
        "\0",
        "\x7f",
        "é",
        "\U0001f600",
        "a" * 64,
        "A_b",
        "-a",
        "a-",
        "%s",
        "{}",
        "null",
        "true",
        "1e5",
        "../..",
        "a/b/c",
    ),
    *("1.2.3", "010.0.0.1", "1.2.3.4.5", ":::", "/", "10.0.0.1/33", "x" * 5000, "\ud800", "999999999999999999999"),
    *(
        0,
        -1,
        1,
        80,
        443,
        30000,
        32767,
        65535,
        65536,
        2**31 - 1,
        2**31,
        2**63 - 1,
        2**63,
        2**70,
        -(2**63),
        0.5,
        1e300,
        1e15,
    ),
    *(True, False, None),
)


def valid_string(rng: random.Random) -> str:
    return rng.choice(_PLAUSIBLE)


def odd_value(rng: random.Random, depth: int = 0) -> Any:
    """Returns a value of an unexpected type."""
    pick = rng.random()
    if pick < 0.8 or depth > 3:
        return rng.choice(_ODD)
    if pick < 0.9:
        return [odd_value(rng, depth + 1) for _ in range(rng.randrange(3))]
    return {str(rng.choice(_ODD))[:20]: odd_value(rng, depth + 1) for _ in range(rng.randrange(3))}


def of_type(rng: random.Random, type: Any, depth: int = 0) -> Any:
    """Returns a tree of a struct type's shape, sparsely filled."""
    info = msgspec.inspect.type_info(type)
    return _of(rng, info, depth)


def _of(rng: random.Random, info: Any, depth: int) -> Any:
    match info:
        case msgspec.inspect.StructType(fields=fields):
            share = 0.45 if depth == 0 else 0.3 if depth < 4 else 0.05
            return {f.encode_name: _of(rng, f.type, depth + 1) for f in fields if rng.random() < share}
        case msgspec.inspect.ListType(item_type=item):
            return [_of(rng, item, depth + 1) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
        case msgspec.inspect.DictType(value_type=item):
            return {valid_string(rng): _of(rng, item, depth + 1) for _ in range(rng.randrange(3))}
        case msgspec.inspect.UnionType(types=types):
            return _of(rng, rng.choice([t for t in types if not isinstance(t, msgspec.inspect.NoneType)]), depth)
        case msgspec.inspect.StrType():
            return valid_string(rng)
        case msgspec.inspect.IntType():
            return rng.choice((0, 1, 80, 443, 8080, 30080, 31234, 65535, rng.randrange(70000)))
        case msgspec.inspect.BoolType():
            return rng.random() < 0.5
        case msgspec.inspect.FloatType():
            return rng.random()
        case msgspec.inspect.Metadata(type=inner):
            return _of(rng, inner, depth)
        case _:
            return odd_value(rng)


def damaged(rng: random.Random, tree: Any, times: int) -> Any:
    """Returns the tree with a few of its parts replaced, dropped, doubled or added to. Changes it in place."""
    for _ in range(times):
        parents = [node for node in _nodes(tree) if isinstance(node, dict | list) and node]
        if not parents:
            return odd_value(rng)
        parent = rng.choice(parents)
        key: Any = rng.choice(list(parent)) if isinstance(parent, dict) else rng.randrange(len(parent))
        pick = rng.randrange(5)
        if pick < 2:
            parent[key] = odd_value(rng)
        elif pick == 2:
            del parent[key]
        elif isinstance(parent, list):
            parent.append(parent[key])
        else:
            parent[rng.choice(("bar", "clusterIP", str(odd_value(rng))[:30], f"{key}s"))] = parent[key]
    return tree


def _nodes(tree: Any, limit: int = 400) -> list[Any]:
    found, at = [tree], 0
    while at < len(found) and len(found) < limit:
        node = found[at]
        found += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        at += 1
    return found
