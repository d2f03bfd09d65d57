"""The Pod Security Standards: each check with upstream's text, levels and versions by labels, warnings."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.api.core.pod.spec import PodSpec
from fairlead.apiserver.admission.podsecurity.checks import violations
from fairlead.apiserver.admission.podsecurity.levels import LATEST, Level, levels_of

from .harness import DEPLOYMENTS, MERGE, PODS, Api, Tree, deployment, pod, story

NAMESPACE = "/api/v1/namespaces/default"
PREFIX = "pod-security.kubernetes.io/"
GOOD = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def container(name: str = "c", **more: Any) -> Tree:
    return {"name": name, "image": "x", **more}


def secured(name: str = "c", **context: Any) -> Tree:
    return container(name, securityContext=GOOD | context)


def spec_of(*containers: Tree, **spec: Any) -> Tree:
    return {"containers": list(containers or (container(),)), **spec}


def found(level: str, spec: Tree, annotations: dict[str, str] | None = None, minor: int = LATEST) -> list[str]:
    return list(map(str, violations(Level(level, minor), msgspec.convert(spec, PodSpec), annotations or {})))


def context(**values: Any) -> Tree:
    return spec_of(container(securityContext=values))


TWO = (container("a", securityContext={"privileged": True}), container("b", securityContext={"privileged": True}))
UNCONFINED = {"type": "Unconfined"}


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (spec_of(*TWO), 'privileged (containers "a", "b" must not set securityContext.privileged=true)'),
        (spec_of(hostNetwork=True, hostIPC=True), "host namespaces (hostNetwork=true, hostIPC=true)"),
        (spec_of(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "v")'),
        (
            spec_of(container(ports=[{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 81}])),
            'hostPort (container "c" uses hostPorts 80, 81)',
        ),
        (
            context(capabilities={"add": ["NET_ADMIN", "CHOWN", "BPF"]}),
            'non-default capabilities (container "c" must not include "BPF", "NET_ADMIN" in '
            "securityContext.capabilities.add)",
        ),
        (
            context(procMount="Unmasked"),
            'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
        ),
        (
            spec_of(securityContext={"seLinuxOptions": {"type": "x", "user": "u", "role": "r"}}),
            'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "x"; user may not be set; '
            "role may not be set)",
        ),
        (
            spec_of(
                container(securityContext={"seccompProfile": UNCONFINED}),
                securityContext={"seccompProfile": UNCONFINED},
            ),
            'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (
            context(appArmorProfile=UNCONFINED),
            'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")',
        ),
        (
            spec_of(securityContext={"sysctls": [{"name": "a.b", "value": "1"}, {"name": "net.ipv4.tcp_rmem"}]}),
            "forbidden sysctls (a.b)",
        ),
        (
            spec_of(securityContext={"windowsOptions": {"hostProcess": True}}),
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
        (
            spec_of(container(livenessProbe={"httpGet": {"host": "1.2.3.4", "port": 80}})),
            'probe or lifecycle host (container "c" uses probe or lifecycle host "1.2.3.4")',
        ),
    ],
)
def test_baseline_refuses_what_reaches_the_node(spec: Tree, text: str) -> None:
    assert found("baseline", spec) == [text]
    assert text in found("restricted", spec) or text.startswith(("hostPath", "non-default"))
    assert found("privileged", spec) == []


def test_an_app_armor_annotation_counts_as_the_field_does() -> None:
    notes = {"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}
    assert found("baseline", spec_of(), notes) == [
        "forbidden AppArmor profile (annotation must not set AppArmor profile type to "
        '"container.apparmor.security.beta.kubernetes.io/c="unconfined"")'
    ]


def test_restricted_demands_much_of_a_plain_pod() -> None:
    assert found("restricted", spec_of()) == [
        'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"])',
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
        'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")',
    ]
    assert found("restricted", spec_of(secured())) == []


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            spec_of(secured(), volumes=[{"name": "h", "hostPath": {"path": "/"}}, {"name": "n", "nfs": {"path": "/"}}]),
            'restricted volume types (volumes "h", "n" use restricted volume types "hostPath", "nfs")',
        ),
        (spec_of(secured(runAsUser=0)), 'runAsUser=0 (container "c" must not set runAsUser=0)'),
        (
            spec_of(secured(capabilities={"drop": ["ALL"], "add": ["CHOWN", "NET_BIND_SERVICE"]})),
            'unrestricted capabilities (container "c" must not include "CHOWN" in securityContext.capabilities.add)',
        ),
        (
            spec_of(secured(runAsNonRoot=False), securityContext={"runAsNonRoot": False}),
            'runAsNonRoot != true (pod and container "c" must not set securityContext.runAsNonRoot=false)',
        ),
    ],
)
def test_restricted_refuses_more(spec: Tree, text: str) -> None:
    assert found("restricted", spec) == [text]


def test_init_and_ephemeral_containers_are_checked_too() -> None:
    bad = {"privileged": True}
    spec = spec_of(
        initContainers=[container("i", securityContext=bad)], ephemeralContainers=[container("e", securityContext=bad)]
    )
    text = 'privileged (containers "i", "e" must not set securityContext.privileged=true)'
    assert found("baseline", spec) == [text]


@pytest.mark.parametrize(
    ("spec", "level", "from_minor"),
    [
        (spec_of(securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}), "baseline", 32),
        (spec_of(securityContext={"sysctls": [{"name": "net.ipv4.ip_local_reserved_ports"}]}), "baseline", 27),
        (spec_of(securityContext={"seLinuxOptions": {"type": "container_engine_t"}}), "baseline", 31),
        (spec_of(container(securityContext={"procMount": "Unmasked"}), hostUsers=False), "baseline", 35),
    ],
)
def test_later_versions_allow_more(spec: Tree, level: str, from_minor: int) -> None:
    assert found(level, spec, minor=from_minor - 1) != []
    assert found(level, spec, minor=from_minor) == []


def test_earlier_versions_demand_less() -> None:
    assert found("restricted", spec_of(), minor=0) == [
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)'
    ]
    notes = {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}
    text = 'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")'
    assert found("baseline", spec_of(), notes, minor=18) == [text]
    assert found("baseline", spec_of(), notes, minor=19) == []


def test_labels_choose_levels_and_the_warned_level_follows_the_enforced_one() -> None:
    levels, errors = levels_of({f"{PREFIX}enforce": "baseline", f"{PREFIX}enforce-version": "v1.24"})
    assert (levels.enforce, levels.audit, levels.warn) == (Level("baseline", 24), Level(), Level("baseline", 24))
    assert errors == []
    levels, errors = levels_of({f"{PREFIX}enforce": "strict", f"{PREFIX}warn-version": "1.2"})
    assert (levels.enforce.name, levels.warn.name) == ("restricted", "privileged")
    assert [str(error) for error in errors] == [
        f'metadata.labels[{PREFIX}enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted',
        f'metadata.labels[{PREFIX}warn-version]: Invalid value: "1.2": must be "latest" or "v1.x"',
    ]


async def label(api: Api, **labels: str | None) -> list[str]:
    """Sets labels of the namespace, and returns the warnings."""
    named = {f"{PREFIX}{key.replace('_', '-')}": value for key, value in labels.items()}
    response = await api.call("PATCH", NAMESPACE, {"metadata": {"labels": named}}, content_type=MERGE)
    assert response.status == 200, response.body
    return warnings(response.headers.get("warning", ""))


def warnings(header: str) -> list[str]:
    return [
        text.removeprefix('299 - "').removesuffix('"').replace('\\"', '"') for text in header.split(", 299 ") if text
    ]


@story
async def test_a_pod_below_the_enforced_level_is_refused(api: Api) -> None:
    await label(api, enforce="baseline")
    error = await api.error("POST", PODS, pod("p", hostNetwork=True))
    text = 'violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    assert (error.code, error.message) == (403, f'pods "p" is forbidden: {text}')
    await api.ok("POST", PODS, pod("p"))
    await label(api, enforce=None)
    await api.ok("POST", PODS, pod("q", hostNetwork=True))


@story
async def test_the_warned_level_warns_about_pods_and_templates(api: Api) -> None:
    await label(api, warn="restricted", warn_version="v1.0")
    text = 'would violate PodSecurity "restricted:v1.0": runAsNonRoot != true '
    for path, body in ((PODS, pod("p")), (DEPLOYMENTS, deployment("d"))):
        response = await api.call("POST", path, body)
        assert response.status == 201
        (warning,) = warnings(response.headers["warning"])
        assert warning == f'{text}(pod or container "web" must set securityContext.runAsNonRoot=true)'


@story
async def test_a_stricter_namespace_warns_about_the_pods_that_it_has(api: Api) -> None:
    for name in ("b", "a"):
        await api.ok("POST", PODS, pod(name, hostNetwork=True))
    await api.ok("POST", PODS, pod("c"))
    response = await api.call(
        "PATCH", NAMESPACE, {"metadata": {"labels": {f"{PREFIX}enforce": "baseline"}}}, content_type=MERGE
    )
    assert response.headers["warning"].split(", 299 - ") == [
        '299 - "existing pods in namespace \\"default\\" violate the new PodSecurity enforce level '
        '\\"baseline:latest\\""',
        '"a (and 1 other pod): host namespaces"',
    ]
    assert await label(api, enforce="privileged") == []


@story
async def test_wrong_labels_are_refused(api: Api) -> None:
    labels = {f"{PREFIX}enforce": "strict"}
    error = await api.error("POST", "/api/v1/namespaces", {"metadata": {"name": "n", "labels": labels}})
    assert error.code == 422
    assert error.message == (
        f'Namespace "n" is invalid: metadata.labels[{PREFIX}enforce]: Invalid value: "strict": '
        "must be one of privileged, baseline, restricted"
    )


@story
async def test_an_update_is_checked_if_it_changes_an_image(api: Api) -> None:
    await api.ok("POST", PODS, pod("p", hostNetwork=True))
    await label(api, enforce="baseline")
    await api.ok("PATCH", f"{PODS}/p", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
    change = [{"op": "replace", "path": "/spec/containers/0/image", "value": "other"}]
    error = await api.error("PATCH", f"{PODS}/p", change, content_type="application/json-patch+json")
    assert error.code == 403
