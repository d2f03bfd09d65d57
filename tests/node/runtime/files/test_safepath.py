"""Paths of which another process exchanges parts while they are opened, made and mounted."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial

import pytest

from fairlead.net import fsfd, linux
from fairlead.node.runtime.child.entrypoint import user_of_entrypoint
from fairlead.node.runtime.child.users import UserProblem, resolved
from fairlead.node.runtime.files.hostpath import open_host_path, open_sub_path
from fairlead.node.runtime.files.safepath import PathProblem, open_inside, read_file, walk
from fairlead.node.runtime.limits import privilege
from fairlead.node.runtime.protocol.containerspec import ContainerSpec, ImageRoot, Mount, Process, User
from tests.net.sandbox import as_any_user
from tests.node.exchange import exchanging, is_over
from tests.node.sandbox import Bench, in_sandbox, with_zygote, write

pytestmark = pytest.mark.kernel

as_both_ways = pytest.mark.parametrize("has_openat2", [True, False], ids=["openat2", "name-by-name"])
_OPENAT2 = 437


def _forbid_openat2() -> None:
    """Refuses openat2, as an old kernel or a container engine's filter does."""
    privilege.set_filter(privilege.filter_program(os.uname().machine, {_OPENAT2: errno.ENOSYS}))


def _in(work: Callable[[str], list[str]], *, ordinary: bool, has_openat2: bool) -> list[str]:
    def body(directory: str) -> list[str]:
        if not has_openat2:
            _forbid_openat2()
            with pytest.raises(OSError, match="openat2"):
                fsfd.openat2(os.open("/", os.O_PATH), ".", os.O_PATH, 0)
        return work(directory)

    return in_sandbox(body, ordinary=ordinary)


def _volume(directory: str) -> int:
    """A volume with `in` (a directory) and `link` (to a place outside), which has a `key`."""
    os.makedirs(f"{directory}/volume/in")
    os.makedirs(f"{directory}/secret")
    write(f"{directory}/volume/in/key", "mine\n")
    write(f"{directory}/secret/key", "secret\n")
    os.symlink("../secret", f"{directory}/volume/link")
    return os.open(f"{directory}/volume", os.O_PATH)


def _opened(open_it: Callable[[], int]) -> str:
    try:
        fd = open_it()
    except (PathProblem, OSError) as error:
        return type(error).__name__
    try:
        return fsfd.path_of(fd)
    finally:
        os.close(fd)


def _race(directory: str, open_it: Callable[[], int]) -> set[str]:
    """Returns the results of opening during the exchanges of `in` and `link`."""
    found = set()
    with exchanging(f"{directory}/volume/in", f"{directory}/volume/link") as done:
        while not is_over(done):
            found.add(_opened(open_it))
    return found


@as_any_user
@as_both_ways
def test_a_sub_path_that_is_exchanged_for_a_link_never_leads_out(ordinary: bool, has_openat2: bool) -> None:
    def work(directory: str) -> list[str]:
        volume = _volume(directory)
        return sorted(_race(directory, lambda: open_sub_path(volume, "in/key")))

    found = _in(work, ordinary=ordinary, has_openat2=has_openat2)
    inside = {
        "/srv/node/volume/in/key",
        "/srv/node/volume/link/key",
    }  # the directory, by the name it had a moment later
    assert inside & set(found)
    assert "PathProblem" in found
    assert set(found) <= inside | {"PathProblem"}


@as_any_user
@as_both_ways
def test_no_directory_is_made_outside_while_names_are_exchanged(ordinary: bool, has_openat2: bool) -> None:
    def work(directory: str) -> list[str]:
        volume = _volume(directory)
        numbers = iter(range(1 << 30))
        _race(directory, lambda: open_sub_path(volume, f"in/new-{next(numbers)}"))
        real = "in" if not os.path.islink(f"{directory}/volume/in") else "link"
        made = [name for name in os.listdir(f"{directory}/volume/{real}") if name.startswith("new-")]
        return [*os.listdir(f"{directory}/secret"), "made" if made else "nothing made"]

    assert _in(work, ordinary=ordinary, has_openat2=has_openat2) == ["key", "made"]


@as_any_user
@as_both_ways
def test_a_host_path_that_is_exchanged_for_a_link_never_shows_what_is_hidden(ordinary: bool, has_openat2: bool) -> None:
    def work(directory: str) -> list[str]:
        os.close(_volume(directory))
        path, hidden = f"{directory}/volume/in", [f"{directory}/secret"]
        return sorted(_race(directory, partial(open_host_path, path, "Directory", hidden)))

    found = _in(work, ordinary=ordinary, has_openat2=has_openat2)
    assert "PathProblem" in found
    assert set(found) <= {"/srv/node/volume/in", "/srv/node/volume/link", "PathProblem"}


@as_any_user
def test_containers_that_start_while_names_are_exchanged_see_their_volume_alone(ordinary: bool) -> None:
    """Sources (a subPath) and targets (a mount inside a shared volume) alike."""

    async def work(bench: Bench) -> tuple[set[str], list[str]]:
        os.close(_volume(bench.directory))
        volume = f"{bench.directory}/volume"
        by_sub_path = Mount(source=volume, destination="/data", sub_path="in")
        shared = Mount(source=volume, destination="/shared")
        inside = Mount(type="tmpfs", destination="/shared/in/made")
        said: set[str] = set()
        with exchanging(f"{volume}/in", f"{volume}/link") as done:
            number = 0
            while number < 30 or not is_over(done):
                number += 1
                said |= await _try(bench, f"a{number}", mounts=[by_sub_path])
                said |= await _try(bench, f"b{number}", mounts=[shared, inside])
        return said, os.listdir(f"{bench.directory}/secret")

    said, outside = with_zygote(work, ordinary=ordinary)
    assert "stdout F mine" in said
    assert "subPath in leaves its volume" in said
    assert not {line for line in said if "secret" in line}
    assert outside == ["key"]


@as_any_user
def test_a_pipe_in_the_place_of_a_mount_point_stops_nothing(ordinary: bool) -> None:
    async def work(bench: Bench) -> str:
        os.makedirs(f"{bench.directory}/volume")
        os.mkfifo(f"{bench.directory}/volume/file")
        write(f"{bench.directory}/file", "mounted\n")
        shared = Mount(source=f"{bench.directory}/volume", destination="/shared")
        on_pipe = Mount(source=f"{bench.directory}/file", destination="/shared/file")
        return (await bench.run("a", "sh", "-c", "cat /shared/file", mounts=[shared, on_pipe]))[1][0]

    assert with_zygote(work, ordinary=ordinary) == "stdout F mounted"


async def _try(bench: Bench, id_: str, **extra: object) -> set[str]:
    try:
        return set((await bench.run(id_, "sh", "-c", "cat /data/key /shared/*/key", **extra))[1])
    except Exception as error:  # noqa: BLE001 -- the text is what the test looks at
        return {str(error)}


@as_both_ways
def test_links_that_stay_inside_are_followed(has_openat2: bool) -> None:
    def work(directory: str) -> list[str]:
        os.makedirs(f"{directory}/v/a/b")
        write(f"{directory}/v/a/file", "")
        for name, text in (("down", "a/b"), ("a/b/up", "../file"), ("out", "../x"), ("top", "/a"), ("loop", "loop")):
            os.symlink(text, f"{directory}/v/{name}")
        root = os.open(f"{directory}/v", os.O_PATH)
        paths = ("down/up", "out", "top", "loop", "down/../file", "..")
        return [_opened(partial(open_inside, root, path)) for path in paths] + [
            _opened(partial(open_inside, root, path, chroot=True)) for path in ("top/file", "../../a")
        ]

    file = "/srv/node/v/a/file"
    expected = [file, "PathOutsideRoot", "PathOutsideRoot", "OSError", file, "PathOutsideRoot", file, "/srv/node/v/a"]
    assert _in(work, ordinary=False, has_openat2=has_openat2) == expected


def test_a_dot_dot_goes_to_where_the_walk_came_from() -> None:
    def work(directory: str) -> list[str]:
        os.makedirs(f"{directory}/v/a/b")
        os.makedirs(f"{directory}/elsewhere")
        root = os.open(f"{directory}/v", os.O_PATH)

        def move(folder: int, name: str, last: bool) -> int:
            os.rename(f"{directory}/v/a/b", f"{directory}/elsewhere/b")  # the directory that the walk is in
            os.mkdir(name, dir_fd=folder)
            return folder

        return [_opened(partial(walk, root, "a/b/new/../..", make=move))]

    assert in_sandbox(work) == ["/srv/node/v/a"]


@as_any_user
@as_both_ways
def test_the_files_of_users_and_entry_points_are_read_along_no_link_of_proc(ordinary: bool, has_openat2: bool) -> None:
    """A container with hostPID could name files of the machine by them."""

    def work(directory: str) -> list[str]:
        root, outside = f"{directory}/root", f"{directory}/outside"
        for path in (f"{root}/proc", f"{root}/etc", outside):
            os.makedirs(path)
        write(f"{outside}/passwd", "mallory:x:7:7::/:/bin/sh\n")
        write(f"{outside}/entry", "#!/bin/sh\nexec gosu mallory\n")
        linux.mount("proc", f"{root}/proc", "proc", 0)
        opened = os.open(outside, os.O_RDONLY)
        os.chroot(root)
        os.chdir("/etc")
        os.symlink(f"/proc/self/fd/{opened}/passwd", "/etc/passwd")
        os.symlink(f"/proc/self/fd/{opened}/entry", "/entry")
        write("/etc/group", "wheel")
        os.mkfifo("/pipe")
        with open("/etc/passwd") as plain, open("/entry") as script:
            assert "mallory" in plain.read()
            assert "mallory" in script.read()
        process = Process(args=("/entry",), env={}, user=User(name="mallory"))
        image = ImageRoot(layers=("/l",), writable="/w")
        with pytest.raises(UserProblem, match="mallory"):
            resolved(ContainerSpec(process=process, bundle="/b", image_root=image))
        assert user_of_entrypoint(process.args, {}) == user_of_entrypoint(["../entry"], {}) == ""
        return [read_file(path, 5).decode() for path in ("/etc/group", "group", "./none", "/pipe", "/etc")]

    assert _in(work, ordinary=ordinary, has_openat2=has_openat2) == ["wheel", "wheel", "", "", ""]
