"""The checks of a Pod's seccomp profiles and user namespace."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api.core.pod.kind import POD
from tests.api.objects import container, pod, wrong

WRONG: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "/a/../b"}}},
        [
            'spec.securityContext.seccompProfile.localhostProfile: Invalid value: "/a/../b": must be a relative path',
            "spec.securityContext.seccompProfile.localhostProfile: Invalid value: \"/a/../b\": must not contain '..'",
        ],
    ),
    (
        {"containers": [container(securityContext={"seccompProfile": {"type": "Localhost"}})]},
        [
            "spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when "
            "seccomp type is Localhost"
        ],
    ),
    (
        {"hostUsers": False, "hostNetwork": True, "hostPID": True, "hostIPC": True},
        [f"spec.{name}: Forbidden: when `hostUsers` is false" for name in ("hostNetwork", "hostPID", "hostIPC")],
    ),
    (
        {"securityContext": {"seccompProfile": {"type": "Unconfined", "localhostProfile": "a"}}},
        [
            'spec.securityContext.seccompProfile.localhostProfile: Invalid value: {"localhostProfile":"a",'
            '"type":"Unconfined"}: can only be set when seccomp type is Localhost'
        ],
    ),
]


@pytest.mark.parametrize(("spec", "texts"), WRONG)
def test_what_is_wrong_with_a_profile_or_namespaces_is_said_in_upstreams_words(
    spec: dict[str, Any], texts: list[str]
) -> None:
    assert wrong(POD, pod(**spec)) == texts
