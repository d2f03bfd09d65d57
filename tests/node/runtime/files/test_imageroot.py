"""Containers on the layers of an image, with real namespaces, as root and as an ordinary user."""

from __future__ import annotations

import io
import os
from collections.abc import Callable

import pytest

from fairlead.images.layers.stream import Unpacked
from fairlead.images.layers.unpack import LayerUnpacker, Limits
from fairlead.net import linux
from fairlead.node.runtime.agent.zygoteclient import ZygoteError
from fairlead.node.runtime.protocol.containerspec import ImageRoot, Mount, User
from fairlead.node.runtime.protocol.messages import ExitStatus
from tests.images.imagemaker import busybox_layer, entry, folder, hard_link, link, program_files, tar_of
from tests.net.sandbox import as_any_user
from tests.node.sandbox import Bench, read, with_zygote, write

pytestmark = pytest.mark.kernel

LOWER = tar_of(entry("gone", "x"), folder("data"), entry("data/old", "old"), entry("kept", "k"), entry("was/a", "a"))
UPPER = tar_of(
    entry(".wh.gone"),
    entry("data/.wh..wh..opq"),
    entry("data/new", "new", mode=0o600),
    hard_link("data/twin", "data/new"),
    entry(".wh.was"),
    entry("was/b", "b"),
    link("way", "data/new"),
)
LOOK = "ls / | grep -v -e bin -e lib; ls /data /was; cat /way; stat -c '%h %a' /data/new"
SEEN = ["data", "dev", "etc", "kept", "proc", "sys", "tmp", "usr", "was", "way", "www"]


def layers_in(directory: str, *layers: bytes) -> ImageRoot:
    """Unpacks the layers and makes the directories of a container above them."""
    paths = []
    for number, data in enumerate(layers):
        path = f"{directory}/layer{number}"
        os.mkdir(path)
        fd = os.open(path, os.O_RDONLY)
        LayerUnpacker(fd, owners=False, limits=Limits()).unpack(Unpacked(io.BytesIO(data)))
        os.close(fd)
        paths.append(path)
    for name in ("upper", "work"):
        os.makedirs(f"{directory}/root/{name}", exist_ok=True)
    return ImageRoot(layers=tuple(paths), writable=f"{directory}/root")


def refuse_overlays() -> None:
    """Makes this process, and the zygote forked from it, a machine without overlays."""
    real = linux.mount

    def mount(source: str | None, target: str, fstype: str | None, flags: int = 0, data: str | None = None) -> None:
        if fstype == "overlay":
            raise OSError(22, "no overlay here")
        real(source, target, fstype, flags, data)

    linux.mount = mount


@as_any_user
@pytest.mark.parametrize("before", [lambda: None, refuse_overlays], ids=["overlay", "copy"])
def test_a_container_sees_its_layers_as_one_root(before: Callable[[], None], ordinary: bool) -> None:
    async def work(bench: Bench) -> tuple[list[str], list[str]]:
        root = layers_in(bench.directory, busybox_layer(), LOWER, UPPER)
        exit_, log = await bench.run("a", "sh", "-c", LOOK, image_root=root)
        assert exit_.code == 0, log
        return log, os.listdir(bench.directory + "/layer1")

    log, lower = with_zygote(work, ordinary=ordinary, before=before)
    lines = [line.removeprefix("stdout F ") for line in log]
    assert lines[: len(SEEN)] == SEEN
    assert lines[len(SEEN) :] == ["/data:", "new", "twin", "", "/was:", "b", "new2 600"]
    assert "gone" in lower


@as_any_user
def test_what_a_container_writes_stays_its_own(ordinary: bool) -> None:
    async def work(bench: Bench) -> tuple[list[str], list[str], list[str]]:
        root = layers_in(bench.directory, busybox_layer(), LOWER)
        script = "echo more >> /kept; rm /gone 2>/dev/null; echo x > /etc/new; mkdir -p /a/b; touch /tmp/t; cat /kept"
        _, log = await bench.run("a", "sh", "-c", script, image_root=root)
        return log, [read(bench.directory + "/layer1/kept")], sorted(os.listdir(root.writable + "/upper"))

    log, kept, written = with_zygote(work, ordinary=ordinary)
    assert log == ["stdout F kmore"]
    assert kept == ["k"]
    assert {"a", "etc", "kept", "tmp"} <= set(written)


@as_any_user
def test_a_read_only_root_has_its_mounts(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        root = layers_in(bench.directory, busybox_layer())
        os.mkdir(bench.directory + "/volume")
        write(bench.directory + "/hosts", "own hosts\n")
        mounts = [
            Mount(source=bench.directory + "/volume", destination="/data/deep"),
            Mount(source=bench.directory + "/hosts", destination="/etc/hosts"),
        ]
        script = "cat /etc/hosts; touch /data/deep/x && echo volume; touch /x || echo ro; pwd"
        extra = {"root_readonly": True, "mounts": mounts, "cwd": "/made/here"}
        return (await bench.run("a", "sh", "-c", script, image_root=root, **extra))[1]

    log = with_zygote(work, ordinary=ordinary)
    assert [line for line in log if line.startswith("stdout")] == [
        "stdout F own hosts",
        "stdout F volume",
        "stdout F ro",
        "stdout F /made/here",
    ]


@as_any_user
def test_the_user_and_the_home_are_those_of_the_images_tables(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        root = layers_in(bench.directory, busybox_layer())
        script = "id -u; id -g; id -un; echo $HOME; touch /tmp/mine && stat -c %u /tmp/mine"
        return (await bench.run("a", "sh", "-c", script, image_root=root, user=User(name="web")))[1]

    log = with_zygote(work, ordinary=ordinary)
    assert log == [f"stdout F {line}" for line in ("101", "102", "web", "/www", "101")]


@as_any_user
def test_a_user_who_is_not_root_opens_the_standard_streams_by_name(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        root = layers_in(bench.directory, busybox_layer())
        script = "echo out > /dev/stdout; echo err > /dev/stderr"
        return (await bench.run("a", "sh", "-c", script, image_root=root, user=User(name="web")))[1]

    assert sorted(with_zygote(work, ordinary=ordinary)) == ["stderr F err", "stdout F out"]


@as_any_user
def test_nothing_of_the_host_is_seen(ordinary: bool) -> None:
    async def work(bench: Bench) -> tuple[ExitStatus, list[str]]:
        root = layers_in(bench.directory, busybox_layer())
        return await bench.run("a", "sh", "-c", "ls /srv /usr/share /var; ls /proc | grep -c '^[0-9]'", image_root=root)

    _, log = with_zygote(work, ordinary=ordinary)
    assert [line for line in log if line.startswith("stdout")] == ["stdout F 3"]
    assert len([line for line in log if "No such file or directory" in line]) == 3


@as_any_user
@pytest.mark.parametrize("name", ["proc", "dev", "sys"])
def test_an_image_cannot_send_kernel_mounts_elsewhere(name: str, ordinary: bool) -> None:
    async def work(bench: Bench) -> str:
        root = layers_in(bench.directory, busybox_layer(), tar_of(link(name, "../../../../../srv")))
        try:
            await bench.start("a", "sh", image_root=root)
        except ZygoteError as error:
            return str(error)
        return ""

    assert with_zygote(work, ordinary=ordinary) == f"/{name} of the image is not a directory"


@as_any_user
def test_an_image_without_layers_or_programs_says_what_is_missing(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        said = []
        empty = layers_in(bench.directory)
        alone = layers_in(bench.directory, tar_of(program_files("/usr/bin/busybox")[0]))
        for number, root in enumerate((empty, alone)):
            try:
                await bench.start(f"c{number}", "busybox", image_root=root)
            except ZygoteError as error:
                said.append(str(error))
        return said

    first, second = with_zygote(work, ordinary=ordinary)
    assert first == 'exec: "busybox": executable file not found in $PATH'
    assert second.endswith("the program is there, its interpreter or loader is not")


@as_any_user
def test_an_entry_point_that_changes_to_a_user_does_not_start_itself_without_end(ordinary: bool) -> None:
    """The container starts as that user if one id is mapped; otherwise the change is real."""
    script = '#!/bin/sh\nif [ "$(id -u)" = 0 ]; then exec {} web "$0" "$@"; fi\nid -u; stat -c %u /www; exec "$@"\n'
    layer = tar_of(
        entry("entry.sh", script.format("/bin/gosu"), mode=0o755),
        entry("bin/gosu", '#!/bin/sh\nshift\nexec setpriv --reuid 101 --regid 102 --clear-groups "$@"\n', mode=0o755),
        *program_files("/usr/bin/setpriv"),
    )

    async def work(bench: Bench) -> list[str]:
        root = layers_in(bench.directory, busybox_layer(), layer)
        return (await bench.run("a", "/entry.sh", "echo", "end", image_root=root))[1]

    owner = "101" if ordinary else "0"
    assert with_zygote(work, ordinary=ordinary) == ["stdout F 101", f"stdout F {owner}", "stdout F end"]


@as_any_user
def test_a_directory_in_place_of_the_users_table_has_no_users(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        layer = tar_of(entry(".wh.etc"), folder("etc"), folder("etc/passwd"))
        root = layers_in(bench.directory, busybox_layer(), layer)
        return (await bench.run("a", "id", "-u", image_root=root))[1]

    assert with_zygote(work, ordinary=ordinary) == ["stdout F 0"]


@as_any_user
def test_a_volume_of_an_image_has_its_files_and_is_writable_in_a_read_only_root(ordinary: bool) -> None:
    layers = [
        tar_of(folder("data", 0o700), entry("data/old", "o", mode=0o600), folder("data/sub"), link("data/way", "old")),
        tar_of(
            folder("data", 0o700),
            entry("data/.wh.old"),
            entry("data/new", "n", mode=0o600),
            entry("data/sub/deep", "d"),
        ),
    ]

    async def work(bench: Bench) -> list[str]:
        root = layers_in(bench.directory, busybox_layer(), *layers)
        for name in ("data", "empty"):
            os.makedirs(f"{bench.directory}/volumes/{name}")
        mounts = [
            Mount(source=f"{bench.directory}/volumes/{name}", destination=f"/{name}", filled=True)
            for name in ("data", "empty")
        ]
        script = (
            "ls /data /data/sub; stat -c %a /data /data/new; echo x > /data/new && echo y > /empty/y && cat /empty/y"
        )
        log = (await bench.run("a", "sh", "-c", script, image_root=root, image_mounts=mounts, root_readonly=True))[1]
        return [*log, read(f"{bench.directory}/volumes/data/new"), *os.listdir(f"{bench.directory}/layer2/data")]

    log = [line.removeprefix("stdout F ") for line in with_zygote(work, ordinary=ordinary)]
    assert log[:6] == ["/data:", "new", "sub", "way", "", "/data/sub:"]
    assert log[6:11] == ["deep", "700", "600", "y", "x\n"]
