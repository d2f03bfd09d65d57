"""Changes of a Service by the real kubectl: patches, labels, annotations, replacing, dry runs, checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .test_kubectl_apply import KUBECTL, SERVICE, Kubectl, run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(KUBECTL is None, reason="no kubectl on the PATH")]

WEB = ("service", "web")
MISSPELT = SERVICE.replace("selector:", "selectors:")


async def got(kubectl: Kubectl) -> Any:
    return json.loads(await kubectl("get", *WEB, "-o", "json"))


def ports(service: Any) -> list[tuple[str, int, Any]]:
    return [(port["name"], port["port"], port["targetPort"]) for port in service["spec"]["ports"]]


def test_patches_of_each_type_change_the_named_fields(certificates: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        await kubectl("create", "-f", "-", stdin=SERVICE)
        merged = '{"spec":{"ports":[{"port":443,"name":"https","targetPort":8443}]}}'
        assert await kubectl("patch", *WEB, "-p", merged) == "service/web patched\n"
        assert ports(await got(kubectl)) == [("https", 443, 8443), ("http", 80, 8080)]
        json_patch = '[{"op":"replace","path":"/spec/ports/0/targetPort","value":9443}]'
        await kubectl("patch", *WEB, "--type=json", "-p", json_patch)
        assert ports(await got(kubectl)) == [("https", 443, 9443), ("http", 80, 8080)]
        await kubectl("patch", *WEB, "--type=strategic", "-p", '{"spec":{"ports":[{"$patch":"delete","port":443}]}}')
        assert ports(await got(kubectl)) == [("http", 80, 8080)]
        await kubectl("patch", *WEB, "--type=merge", "-p", merged)
        assert ports(await got(kubectl)) == [("https", 443, 8443)]
        assert await kubectl("patch", *WEB, "--type=merge", "-p", merged) == "service/web patched (no change)\n"

    run(certificates, tmp_path, story)


def test_labels_annotations_and_replacing(certificates: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        await kubectl("create", "-f", "-", stdin=SERVICE)
        assert await kubectl("label", *WEB, "tier=front") == "service/web labeled\n"
        assert await kubectl("label", *WEB, "tier-") == "service/web unlabeled\n"
        assert await kubectl("annotate", *WEB, "note=one") == "service/web annotated\n"
        refused = await kubectl.try_("annotate", *WEB, "note=two")
        assert "--overwrite is false but found the following declared annotation(s): 'note'" in refused.err
        await kubectl("annotate", *WEB, "note=two", "--overwrite")
        before = await got(kubectl)
        assert before["metadata"]["annotations"] == {"note": "two"}
        assert await kubectl("replace", "-f", "-", stdin=SERVICE.replace("8080", "9090")) == "service/web replaced\n"
        after = await got(kubectl)
        assert (after["spec"]["clusterIP"], ports(after)) == (before["spec"]["clusterIP"], [("http", 80, 9090)])
        assert "annotations" not in after["metadata"]

    run(certificates, tmp_path, story)


def test_dry_runs_of_either_side_change_nothing(certificates: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        for side, address in (("client", False), ("server", True)):
            text = await kubectl("create", "-f", "-", f"--dry-run={side}", "-o", "json", stdin=SERVICE)
            assert ("clusterIP" in json.loads(text)["spec"]) is address
            assert "NotFound" in (await kubectl.try_("get", *WEB)).err
        await kubectl("create", "-f", "-", stdin=SERVICE)
        before = await got(kubectl)
        for side in ("client", "server"):
            dry = f"--dry-run={side}"
            await kubectl("apply", "-f", "-", dry, stdin=SERVICE.replace("8080", "9090"))
            await kubectl("patch", *WEB, "-p", '{"metadata":{"labels":{"a":"b"}}}', dry)
            await kubectl("replace", "-f", "-", dry, stdin=SERVICE.replace("8080", "9090"))
            await kubectl("delete", *WEB, dry)
        assert await got(kubectl) == before

    run(certificates, tmp_path, story)


def test_a_misspelt_field_is_refused_warned_of_or_ignored(certificates: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        unknown = 'unknown field "spec.selectors"'
        for way in ("strict", "true"):
            refused = await kubectl.try_("create", "-f", "-", f"--validate={way}", stdin=MISSPELT)
            assert (refused.code, unknown in refused.err) == (1, True)
            assert "strict decoding error" in refused.err
        warned = await kubectl.try_("create", "-f", "-", "--validate=warn", stdin=MISSPELT)
        assert (warned.code, warned.err) == (0, f"Warning: {unknown}\n")
        await kubectl("delete", *WEB)
        ignored = await kubectl.try_("create", "-f", "-", "--validate=ignore", stdin=MISSPELT)
        assert (ignored.code, ignored.err) == (0, "")

    run(certificates, tmp_path, story)
