"""Containers of host images with a writable layer above the host's files, as root and as an ordinary user."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from fairlead.net import linux
from fairlead.node.images.hostlayer import APPLETS, prepare
from fairlead.node.runtime.files import rootfs
from fairlead.node.runtime.protocol.containerspec import ContainerSpec, ExecSpec, ImageRoot, Mount, Process, User
from fairlead.node.volumes.podfiles import Fill, PodFiles
from tests.net.sandbox import as_any_user
from tests.node.makers import pod
from tests.node.runtime.files.test_imageroot import refuse_overlays
from tests.node.sandbox import Bench, in_sandbox, read, single_id, with_zygote, write

pytestmark = pytest.mark.kernel

PLACES = "/data /opt/app /etc /var/log /var/lib/app /usr/local/bin /srv /home/u /app /mnt /media /usr/share/x"


def layered(directory: str, **fill: Any) -> ImageRoot:
    """The layers of one container, with what an image brings."""
    layer = prepare(directory + "/host", single_id=single_id())
    assert layer
    files = PodFiles(directory, pod().metadata)
    writable = files.new_writable("c", len(os.listdir(directory)), (layer,))
    files.fill_writable(writable, Fill(**{"texts": {}, "links": {}, "empty": (), **fill}))
    return ImageRoot(layers=(layer,), writable=writable)


def run(script: str, *, ordinary: bool, before: Callable[[], None] = lambda: None, **extra: Any) -> list[str]:
    """The output of a shell script in a container with a writable layer; `fill` is what its image brings."""
    fill = extra.pop("fill", {})

    async def work(bench: Bench) -> list[str]:
        root = layered(bench.directory, **fill)
        _, log = await bench.run("a", "sh", "-c", script, host_root=root, **extra)
        return [line.removeprefix("stdout F ") for line in log]

    return with_zygote(work, ordinary=ordinary, before=before)


@as_any_user
def test_a_container_writes_anywhere_and_the_host_stays_as_it_was(ordinary: bool) -> None:
    script = (
        f"for d in {PLACES}; do mkdir -p $d && echo x > $d/fairlead-test || echo $d; done; rm /etc/profile; echo end"
    )
    assert run(script, ordinary=ordinary) == ["end"]
    assert not [d for d in PLACES.split() if os.path.exists(f"{d}/fairlead-test")]
    assert os.path.exists("/etc/profile")


@as_any_user
def test_a_host_image_has_the_usual_users_and_no_people(ordinary: bool) -> None:
    look = "awk -F: '$3 > 999 && $3 < 65534 { print $1 }' /etc/passwd"
    script = f"id -u nginx postgres >/dev/null && id -un 101 && {look}"
    names = run(script, ordinary=ordinary)
    assert {"node"} <= set(names[1:]) <= {"node", "memcache"}
    assert run("cat /etc/shadow", ordinary=ordinary)[0] == "root:*:19000:0:99999:7:::"


@as_any_user
def test_a_user_of_the_table_runs_with_its_home(ordinary: bool) -> None:
    found = run("id -u; echo $HOME; id -un", ordinary=ordinary, user=User(name="node"))
    assert found == ["1000", "/home/node", "node"]


@as_any_user
def test_a_container_has_all_applets_of_busybox(ordinary: bool) -> None:
    names = "wget nslookup nc ping telnet vi netstat ps ip traceroute hexdump httpd top free"
    script = f"for p in {names}; do command -v $p >/dev/null || echo $p; done; {APPLETS}/echo applet"
    assert run(script, ordinary=ordinary) == ["applet"]


@as_any_user
@pytest.mark.skipif(not shutil.which("wget"), reason="wget is not installed")
def test_wget_of_busybox_takes_a_time_limit(ordinary: bool) -> None:
    (status,) = run(f"{APPLETS}/wget -q -T 1 -O - http://127.0.0.1:1/; echo $?", ordinary=ordinary)
    assert status in ("1", "4"), "busybox' and GNU's status if the connection fails; 139 is SIGSEGV"


@as_any_user
@pytest.mark.parametrize("before", [lambda: None, refuse_overlays], ids=["overlay", "without"])
def test_what_an_image_brings_replaces_what_the_host_has(before: Callable[[], None], ordinary: bool) -> None:
    fill = {
        "texts": {"/etc/nginx/nginx.conf": "own\n", "/start.sh": "#!/bin/sh\necho started\n"},
        "empty": ["/var/cache", "/etc/nginx/conf.d"],
    }
    script = "cat /etc/nginx/nginx.conf; /start.sh; ls /var/cache /etc/nginx/conf.d; touch /var/cache/x && echo end"
    found = run(script, ordinary=ordinary, before=before, fill=fill)
    assert found == ["own", "started", "/etc/nginx/conf.d:", "", "/var/cache:", "end"]


@as_any_user
def test_a_link_to_stdout_reaches_the_log(ordinary: bool) -> None:
    fill = {"links": {"/var/log/app/access.log": "/dev/stdout"}}
    assert run("echo line >> /var/log/app/access.log", ordinary=ordinary, fill=fill) == ["line"]


@as_any_user
def test_a_read_only_root_has_writable_volumes(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        os.mkdir(bench.directory + "/volume")
        mounts = [Mount(source=bench.directory + "/volume", destination="/etc/made/deep")]
        touched = f"for d in {PLACES} /tmp /var/tmp /; do touch $d/x 2>/dev/null && echo $d; done"
        script = f"{touched}; touch /etc/made/deep/x && ls /etc/made/deep"
        root = layered(bench.directory, empty=["/var/cache"])
        return (await bench.run("a", "sh", "-c", script, host_root=root, root_readonly=True, mounts=mounts))[1]

    assert with_zygote(work, ordinary=ordinary) == ["stdout F x"]


@as_any_user
def test_an_exec_sees_what_the_container_wrote_and_the_next_run_does_not(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        await bench.start("a", "sh", "-c", "echo one > /etc/mark; exec sleep 60", host_root=layered(bench.directory))
        out = f"{bench.directory}/out"
        fd = os.open(out, os.O_CREAT | os.O_RDWR)
        look = ExecSpec(args=("sh", "-c", "until test -s /etc/mark; do sleep 0.01; done; cat /etc/mark"), extra_env={})
        await bench.client.exec("e", container="a", spec=look, fds=[fd] * 3)
        await bench.exit_of("e")
        _, second = await bench.run("b", "sh", "-c", "ls /etc/mark", host_root=layered(bench.directory))
        return [read(out), *second]

    first, second = with_zygote(work, ordinary=ordinary)
    assert first == "one\n"
    assert "No such file" in second


def _private_files() -> None:
    linux.mount("fairlead-test", "/opt", "tmpfs", 0, "mode=755")
    os.makedirs("/opt/own/closed")
    for name, mode in (("open", 0o644), ("private", 0o600), ("own/closed/file", 0o644)):
        write(f"/opt/{name}", "secret\n" if mode == 0o600 or "closed" in name else "open\n")
        os.chmod(f"/opt/{name}", mode)
    os.chmod("/opt/own/closed", 0o700)


@as_any_user
def test_private_files_of_the_host_stay_private(ordinary: bool) -> None:
    """Also if the container renames, links or copies what is above them."""
    script = (
        "cd /opt; cat private own/closed/file; mv own own2; mv private p2; cp -r /opt /srv/copy; ln private p3;"
        "chmod 777 own/closed; cat p2 p3 own2/closed/file /srv/copy/private /srv/copy/own/closed/file; true"
    )
    found = run(script + " 2>/dev/null", ordinary=ordinary, before=_private_files)
    assert not [line for line in found if "secret" in line]


@as_any_user
def test_a_directory_above_a_locked_mount_is_rebuilt_from_its_entries(ordinary: bool) -> None:
    """Mounts that came with a user namespace are locked, as those of Docker in /etc are."""

    def work(directory: str) -> list[str]:
        linux.mount("fairlead-test", "/usr/share/doc", "tmpfs", 0, "mode=755")
        write("/usr/share/doc/mounted", "x")
        linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
        linux.put("/proc/self/setgroups", "deny")
        linux.put("/proc/self/uid_map", "0 0 1")
        linux.put("/proc/self/gid_map", "0 0 1")
        os.makedirs(directory + "/bundle")
        root = layered(directory, texts={"/usr/brought": "image\n"}, empty=["/usr/games"])
        spec = ContainerSpec(
            process=Process(args=("x",), env={}), bundle=directory + "/bundle", host_root=root, single_id=True
        )
        read_end, write_end = os.pipe()
        if os.fork() == 0:
            rootfs.build(spec)
            for path in ("/usr/new", "/usr/share/new", "/usr/games/new", "/usr/lib/new", "/etc/new"):
                write(path, "x")
            found = [read("/usr/brought"), *os.listdir("/usr/games"), *os.listdir("/usr/share/doc")]
            found += [name for name in ("lib", "bin", "share/nginx") if os.listdir(f"/usr/{name}")]
            os.write(write_end, "|".join(found).encode())
            os._exit(0)
        os.close(write_end)
        with open(read_end) as answers:
            return answers.read().split("|")

    assert in_sandbox(work, ordinary=ordinary) == ["image\n", "new", "mounted", "lib", "bin", "share/nginx"]
