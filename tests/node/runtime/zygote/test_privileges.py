"""The rights of a container's programs in the kernel's own words, as root and as an ordinary user."""

from __future__ import annotations

import os
import struct
from itertools import product

import pytest

from fairlead.node.runtime.limits.privilege import CAPABILITIES, DEFAULT_CAPABILITIES
from fairlead.node.runtime.protocol.containerspec import ExecSpec, User
from tests.images.imagemaker import busybox_layer, entry, program_files, tar_of
from tests.net.sandbox import as_any_user
from tests.node.runtime.files.test_imageroot import layers_in
from tests.node.sandbox import Bench, single_id, with_zygote

pytestmark = pytest.mark.kernel

STATUS = "/proc/self/status"
WEB = User(uid=1000, gid=1000)
FIELDS = ("NoNewPrivs", "Seccomp", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
DEFAULT = sum(1 << CAPABILITIES[name] for name in DEFAULT_CAPABILITIES)
NET_RAW = 1 << CAPABILITIES["NET_RAW"]


def status_of(log: list[str]) -> dict[str, int]:
    """Returns fields of /proc/self/status that a container has printed."""
    fields = (line.removeprefix("stdout F ").split(":") for line in log)
    return {name: int(value[0], 16) for name, *value in fields if name in FIELDS}


@as_any_user
def test_rights_are_bounded_and_new_ones_forbidden_only_if_the_manifest_says_so(ordinary: bool) -> None:
    cases = list(product((User(), User(gid=7), WEB), (False, True), (False, True)))

    async def work(bench: Bench) -> list[list[str]]:
        return [
            (await bench.run(str(number), "cat", STATUS, user=user, seccomp_default=default, no_new_privileges=forbid))[
                1
            ]
            for number, (user, default, forbid) in enumerate(cases)
        ]

    for (user, _, forbid), log in zip(cases, with_zygote(work, ordinary=ordinary), strict=True):
        kept = 0 if user.uid else DEFAULT
        assert status_of(log) == {
            "NoNewPrivs": int(forbid),
            "Seccomp": 2,
            "CapInh": 0,
            "CapPrm": kept,
            "CapEff": kept,
            "CapBnd": DEFAULT,
            "CapAmb": 0,
        }


def test_a_further_program_has_the_same_rights_as_the_container() -> None:
    async def work(bench: Bench) -> list[str]:
        await bench.start("a", "sleep", "60", user=WEB, no_new_privileges=True)
        out_r, out_w = os.pipe()
        spec = ExecSpec(args=("cat", STATUS), extra_env={})
        await bench.client.exec("e", container="a", spec=spec, fds=[out_w] * 3)
        os.close(out_w)
        return _lines(out_r)

    found = status_of(with_zygote(work, ordinary=True))
    assert (found["NoNewPrivs"], found["CapEff"]) == (1, 0)


def _lines(fd: int) -> list[str]:
    with open(fd) as file:
        return file.read().splitlines()


@as_any_user
def test_setuid_bits_and_capabilities_of_an_images_files_count_with_several_ids_unless_forbidden(
    ordinary: bool,
) -> None:
    capability = struct.pack("<5I", 0x02000001, NET_RAW, 0, 0, 0).decode()  # struct vfs_cap_data, effective
    layer = tar_of(
        *(entry(info.name, data, mode=0o4755) for info, data in program_files("/usr/bin/id")),
        *(
            entry(info.name, data, mode=0o755, pax_headers={"SCHILY.xattr.security.capability": capability})
            for info, data in program_files("/usr/bin/cat")
        ),
    )
    script = f"/usr/bin/id -u; exec /usr/bin/cat {STATUS}"

    async def work(bench: Bench) -> tuple[list[str], list[str], bool]:
        root = layers_in(bench.directory, busybox_layer(), layer)
        user = User(name="1000:1000")
        _, may = await bench.run("a", "sh", "-c", script, image_root=root, user=user)
        _, forbidden = await bench.run("b", "sh", "-c", script, image_root=root, user=user, no_new_privileges=True)
        return may, forbidden, single_id()

    may, forbidden, one_id = with_zygote(work, ordinary=ordinary)
    assert may[0] == f"stdout F {1000 if one_id else 0}"
    assert status_of(may)["CapEff"] == (0 if one_id else NET_RAW)
    assert forbidden[0] == "stdout F 1000"
    assert status_of(forbidden)["CapEff"] == 0
