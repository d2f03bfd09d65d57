"""RuntimeClass: defaults, refusals in upstream's words, columns."""

from __future__ import annotations

from typing import Any

from .harness import Api, Tree, story
from .test_storage_classes import causes, named, row

CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"


def runtime_class(name: str = "gvisor", **more: Any) -> Tree:
    return named(name, handler="runsc") | more


@story
async def test_a_runtime_class_is_made_shown_and_keeps_its_handler(api: Api) -> None:
    made = await api.ok("POST", CLASSES, runtime_class(overhead={"podFixed": {"cpu": "0.25", "memory": "1024Ki"}}))
    assert made["overhead"] == {"podFixed": {"cpu": "250m", "memory": "1Mi"}}
    assert await row(api, f"{CLASSES}/gvisor") == (["Name", "Handler", "Age"], ["gvisor", "runsc", "0s"])
    error = await api.error("PUT", f"{CLASSES}/gvisor", made | {"handler": "runc"})
    assert causes(error) == [("handler", 'Invalid value: "runc": field is immutable')]
    error = await api.error("PUT", f"{CLASSES}/gvisor", runtime_class())
    assert str(error).endswith("metadata.resourceVersion: Invalid value: 0: must be specified for an update")


@story
async def test_a_wrong_runtime_class_is_refused_in_upstreams_words(api: Api) -> None:
    assert causes(await api.error("POST", CLASSES, named("a"))) == [("handler", "Required value")]
    same = {"key": "a", "operator": "Exists"}
    wrong = runtime_class(
        handler="A_",
        overhead={"podFixed": {"cpu": "-1", "ships": "1"}},
        scheduling={"nodeSelector": {"a": "-"}, "tolerations": [same, same | {"tolerationSeconds": 3}]},
    )
    found = causes(await api.error("POST", CLASSES, wrong))
    assert [path for path, _ in found] == [
        "handler",
        "overhead.limits[cpu]",
        "overhead.limits[ships]",
        "overhead.limits[ships]",
        "scheduling.nodeSelector",
        "scheduling.tolerations[1].effect",
        "scheduling.tolerations[1]",
    ]
    assert found[-1][1].startswith("Duplicate value: ")


@story
async def test_an_old_label_in_the_node_selector_is_warned_of(api: Api) -> None:
    body = runtime_class(scheduling={"nodeSelector": {"node-role.kubernetes.io/master": ""}})
    text = (await api.call("POST", CLASSES, body)).headers["warning"]
    assert "scheduling.nodeSelector: use" in text
