"""Custom objects by the real kubectl."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from .customresources import NAME, definition
from .test_kubectl_apply import KUBECTL, Kubectl, run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(KUBECTL is None, reason="no kubectl on the PATH")]


def cron_tab(image: str) -> str:
    spec = {"image": image, "cron": "* * * * *"}
    return yaml.safe_dump(
        {"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": "a"}, "spec": spec}
    )


def test_a_custom_object_is_applied_again_with_a_change(certificates: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        await kubectl("apply", "-f", "-", stdin=yaml.safe_dump(definition()))
        await kubectl("wait", "--for=condition=Established", f"crd/{NAME}", "--timeout=120s")
        assert await kubectl("apply", "-f", "-", stdin=cron_tab("one")) == "crontab.stable.example.com/a created\n"
        assert await kubectl("apply", "-f", "-", stdin=cron_tab("two")) == "crontab.stable.example.com/a configured\n"
        assert await kubectl("get", "crontab", "a", "-o", "jsonpath={.spec.image}") == "two"

    run(certificates, tmp_path, story)
