"""A container's environment, arguments and references."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.api.core.configmap.kind import ConfigMap
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.secret.kind import Secret
from fairlead.api.core.service.kind import Service
from fairlead.node.env.environment import (
    ConfigProblem,
    command_line,
    container_environment,
    expand,
    service_variables,
)
from fairlead.node.env.references import ConfigData
from fairlead.node.volumes.podvolumes import references_of
from tests.node.makers import pod

META = {"labels": {"a": "b"}, "annotations": {"z": "", "note": 'Größe "1"\n'}}


def with_container(**container: Any) -> Pod:
    status = {"podIP": "10.0.0.1", "hostIP": "10.0.0.9"}
    return pod(containers=[{"name": "c", "image": "x"} | container], status=status, meta=META)


def data() -> ConfigData:
    found = ConfigData()
    found.config_maps["conf"] = ConfigMap(data={"KEY": "value"}, binaryData={"BIN": "aGk="})
    found.secrets["sec"] = Secret(data={"PASS": "c2VjcmV0"})
    found.config_maps["nope"] = None
    return found


def environment(p: Pod) -> dict[str, str]:
    allocatable = {"cpu": "4", "memory": "1Gi"}
    return container_environment(p, p.spec.containers[0], services={"S": "1"}, data=data(), allocatable=allocatable)


def test_known_variable_references_are_replaced() -> None:
    values = {"A": "1", "B_2": "two"}
    assert expand("$(A) $(B_2) $(C) $A $$(A) $$", values) == "1 two $(C) $A $(A) $"


def test_later_values_see_earlier_ones_and_win() -> None:
    env = [{"name": "X", "value": "$(S)-$(KEY)"}, {"name": "KEY", "value": "own"}, {"name": "Y", "value": "$(X)"}]
    p = with_container(
        env=env, envFrom=[{"configMapRef": {"name": "conf"}}, {"prefix": "P_", "secretRef": {"name": "sec"}}]
    )
    found = environment(p)
    assert found == {"S": "1", "BIN": "hi", "KEY": "own", "P_PASS": "secret", "X": "1-value", "Y": "1-value"}


def test_values_come_from_fields_resources_maps_and_secrets() -> None:
    def of(**source: Any) -> str | None:
        return environment(with_container(env=[{"name": "V", "valueFrom": source}], resources=resources)).get("V")

    resources = {"limits": {"cpu": "1500m", "memory": "64Mi"}}
    assert of(fieldRef={"fieldPath": "metadata.labels['a']"}) == "b"
    assert of(fieldRef={"fieldPath": "metadata.annotations['note']"}) == 'Größe "1"\n'
    assert of(fieldRef={"fieldPath": "metadata.annotations"}) == 'note="Größe \\"1\\"\\n"\nz=""'
    assert of(fieldRef={"fieldPath": "status.hostIP"}) == "10.0.0.9"
    assert of(resourceFieldRef={"resource": "limits.cpu"}) == "2"
    assert of(resourceFieldRef={"resource": "limits.cpu", "divisor": "1m"}) == "1500"
    assert of(resourceFieldRef={"resource": "requests.memory", "divisor": "1Mi"}) == "64"
    assert of(configMapKeyRef={"name": "conf", "key": "KEY"}) == "value"
    assert of(secretKeyRef={"name": "sec", "key": "PASS"}) == "secret"
    assert of(configMapKeyRef={"name": "nope", "key": "KEY", "optional": True}) is None


@pytest.mark.parametrize(
    ("container", "text"),
    [
        ({"envFrom": [{"configMapRef": {"name": "nope"}}]}, 'configmap "nope" not found'),
        (
            {"env": [{"name": "V", "valueFrom": {"secretKeyRef": {"name": "sec", "key": "no"}}}]},
            "couldn't find key no in Secret ns/sec",
        ),
        (
            {"env": [{"name": "V", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}]},
            "unsupported fieldPath: spec.nope",
        ),
    ],
)
def test_what_is_not_there_is_a_problem_in_upstreams_words(container: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigProblem, match="^" + text.replace("(", r"\(")):
        environment(with_container(**container))


def test_all_names_of_config_maps_and_secrets_are_found() -> None:
    volumes = [
        {"name": "v", "projected": {"sources": [{"configMap": {"name": "m2"}}, {"secret": {"name": "s2"}}]}},
        {"name": "w", "secret": {"secretName": "s3"}},
    ]
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in ("v", "w")]
    container = {"name": "c", "image": "x", "envFrom": [{"configMapRef": {"name": "m1"}}], "volumeMounts": mounts}
    p = pod(containers=[container], volumes=volumes)
    references = references_of(p)
    assert (references.config_maps, references.secrets) == ({"m1", "m2"}, {"s2", "s3"})


def service(called: str, namespace: str = "ns", ip: str = "10.96.0.9", **port: Any) -> Service:
    tree = {
        "metadata": {"name": called, "namespace": namespace},
        "spec": {"clusterIP": ip, "ports": [{"port": 80, "protocol": "TCP"} | port]},
    }
    return msgspec.convert(tree, Service)


def test_events_of_services_have_upstreams_texts() -> None:
    services = [
        service("my-web", name="http"),
        service("headless", ip="None"),
        service("other", namespace="elsewhere"),
        service("kubernetes", namespace="default", ip="10.96.0.1", port=443),
        service("six", ip="fd00:10:96::9"),
        service("2web"),
    ]
    found = service_variables(services, "ns", links=True)
    assert {k: v for k, v in found.items() if k.startswith("MY_WEB")} == {
        "MY_WEB_SERVICE_HOST": "10.96.0.9",
        "MY_WEB_SERVICE_PORT": "80",
        "MY_WEB_SERVICE_PORT_HTTP": "80",
        "MY_WEB_PORT": "tcp://10.96.0.9:80",
        "MY_WEB_PORT_80_TCP": "tcp://10.96.0.9:80",
        "MY_WEB_PORT_80_TCP_PROTO": "tcp",
        "MY_WEB_PORT_80_TCP_PORT": "80",
        "MY_WEB_PORT_80_TCP_ADDR": "10.96.0.9",
    }
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert (found["2WEB_SERVICE_HOST"], found["2WEB_PORT_80_TCP_PORT"]) == ("10.96.0.9", "80")
    assert (found["SIX_SERVICE_HOST"], found["SIX_PORT"]) == ("fd00:10:96::9", "tcp://[fd00:10:96::9]:80")
    assert not any(k.startswith(("HEADLESS", "OTHER")) for k in found)
    assert set(service_variables(services, "ns", links=False)) == {k for k in found if k.startswith("KUBERNETES")}


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({}, ["entry", "arg"]),
        ({"args": ["x", "$(V)"]}, ["entry", "x", "1"]),
        ({"command": ["c"]}, ["c"]),
        ({"command": ["c"], "args": ["a"]}, ["c", "a"]),
    ],
)
def test_the_manifests_command_and_args_replace_the_images(container: dict[str, Any], expected: list[str]) -> None:
    made = with_container(**container).spec.containers[0]
    assert command_line(made, ["entry"], ["arg"], {"V": "1"}) == expected
