"""The served resources beside those that upstream serves when no option says otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .harness import Api, Tree, story

_FACTS = Path(__file__).parent / "upstream_resources.txt"


def facts() -> dict[str, str]:
    lines = _FACTS.read_text().splitlines()
    return {" ".join(line.split()[:2]): line for line in lines if not line.startswith("#")}


def line(version: str, resource: Tree) -> str:
    kind = resource["kind"]
    if resource.get("version"):
        kind = f"{resource.get('group', '')}/{resource['version']}/{kind}".lstrip("/")
    scope = "namespaced" if resource["namespaced"] else "cluster"
    lists = sorted(resource["verbs"]), resource.get("shortNames", ()), resource.get("categories", ())
    texts = (",".join(names) or "-" for names in lists)
    return " ".join([version, resource["name"], kind, scope, *texts, resource["singularName"] or "-"])


async def served(api: Api) -> dict[str, str]:
    groups = (await api.ok("GET", "/apis"))["groups"]
    versions = ["v1", *(entry["groupVersion"] for group in groups for entry in group["versions"])]
    found: dict[str, str] = {}
    for version in versions:
        listed = await api.ok("GET", f"/api/{version}" if version == "v1" else f"/apis/{version}")
        found |= {f"{version} {resource['name']}": line(version, resource) for resource in listed["resources"]}
    return found


def differences(found: dict[str, str], expected: dict[str, str]) -> Iterator[str]:
    for name, text in expected.items():
        if name not in found:
            yield f"absent: {text}"
        elif name in found and found[name] != text:
            yield f"{found[name]} instead of {text}"


@story
async def test_resources_are_served_under_upstreams_names_with_its_verbs(api: Api) -> None:
    found, expected = await served(api), facts()
    assert list(differences(found, expected)) == []
    assert {name.split()[0] for name in set(found) - set(expected)} == {"metrics.k8s.io/v1beta1"}
