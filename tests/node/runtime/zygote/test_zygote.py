"""The zygote and its containers with real namespaces, as root and as an ordinary user."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket

import pytest

from fairlead.net import linux
from fairlead.node.runtime.agent.zygoteclient import ZygoteError
from fairlead.node.runtime.protocol import wire
from fairlead.node.runtime.protocol.containerspec import ConsoleSize, ExecSpec, Mount, User
from fairlead.node.runtime.protocol.messages import (
    ContainerRecord,
    Exited,
    ExitStatus,
    Inventory,
    ListAll,
    MakeSandbox,
    Request,
    Sandbox,
    StartContainer,
)
from tests.net.sandbox import as_any_user
from tests.node.sandbox import SANDBOX, Bench, fork_zygote, in_sandbox, read, single_id, with_zygote, write

pytestmark = pytest.mark.kernel

_OF_THE_C_LIBRARY = 0b11 << 31
"""The bits of signals 32 and 33, which glibc keeps for itself (signal(7)): programs cannot set them."""


@as_any_user
def test_a_container_has_its_own_pid_hostname_and_root(ordinary: bool) -> None:
    async def work(bench: Bench) -> tuple[ExitStatus, list[str]]:
        script = "echo $$; hostname; ls /; touch /new /tmp/x /run/y && echo made; touch /usr/z || echo ro; exit 7"
        return await bench.run("a", "sh", "-c", script)

    exit_, log = with_zygote(work, ordinary=ordinary)
    assert (exit_.code, exit_.signal) == (7, 0)
    assert log[:2] == ["stdout F 1", "stdout F box"]
    assert {"stdout F proc", "stdout F usr", "stdout F etc", "stdout F tmp"} <= set(log)
    assert {"stdout F made", "stdout F ro", "stderr F touch: cannot touch '/usr/z': Read-only file system"} <= set(log)


@as_any_user
def test_devices_proc_and_sys_are_the_containers_own(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        script = (
            "echo x > /dev/null; head -c 3 /dev/zero | wc -c; ls /proc | grep -c '^[0-9]'; ls /sys/class/net;"
            "grep SigIgn /proc/self/status;"
            "ls /dev/pts; echo err > /dev/stderr; [ -w /proc/sys/kernel/core_pattern ] && echo writable; true"
        )
        return (await bench.run("a", "sh", "-c", script))[1]

    log = with_zygote(work, ordinary=ordinary)
    assert "stdout F 3" in log
    assert "stdout F lo" in log
    assert "stderr F err" in log
    (ignored,) = (int(line.split()[-1], 16) for line in log if "SigIgn" in line)
    assert ignored & ~_OF_THE_C_LIBRARY == 0, "programs inherit the signals that the zygote ignores"
    assert "stdout F writable" not in log
    assert int(log[1].split()[-1]) <= 4  # the shell, ls, grep: no foreign processes


@as_any_user
def test_a_missing_mount_point_inside_a_read_only_directory_is_made(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        volume = bench.directory + "/volume"
        os.makedirs(volume + "/below")
        linux.mount("below", volume + "/below", "tmpfs", 0, "mode=777")
        write(volume + "/file", "from the volume\n")
        mounts = [
            Mount(source=volume, destination="/etc/deep/er", read_only=True),
            Mount(source=volume + "/file", destination="/etc/hostname"),
            Mount(source=volume, destination="/data"),
            Mount(type="tmpfs", destination="/var/cache"),
        ]
        script = (
            "cat /etc/deep/er/file /etc/hostname; test -s /etc/passwd && echo passwd; echo new > /data/new && echo w;"
            "touch /etc/deep/er/no 2>/dev/null || touch /etc/deep/er/below/no 2>/dev/null || echo ro;"
            "touch /var/cache/c && echo cache"
        )
        log = (await bench.run("a", "sh", "-c", script, mounts=mounts))[1]
        return [*log, read(volume + "/new")]

    log = with_zygote(work, ordinary=ordinary)
    assert log == [
        "stdout F from the volume",
        "stdout F from the volume",
        "stdout F passwd",
        "stdout F w",
        "stdout F ro",
        "stdout F cache",
        "new\n",
    ]


@as_any_user
def test_hidden_directories_are_empty_and_cannot_be_uncovered(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        write(bench.directory + "/key", "secret")
        key = bench.directory
        script = (
            f"ls -A {key} 2>&1 | grep key$; umount {key} 2>&1 | grep -c umount; ls -A {key} 2>&1 | grep key$; echo end"
        )
        mounts = [Mount(source="/srv", destination="/host-srv")]
        log = (await bench.run("a", "sh", "-c", script, masked_paths=[bench.directory], mounts=mounts))[1]
        inside = "/host-" + bench.directory[1:]
        again = await bench.run("b", "sh", "-c", f"ls -A {inside}", masked_paths=[bench.directory], mounts=mounts)
        return log + again[1]

    assert with_zygote(work, ordinary=ordinary) == ["stdout F 1", "stdout F end"]


@as_any_user
def test_an_exposed_directory_is_visible_inside_a_hidden_one(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        os.makedirs(bench.directory + "/a/b")
        write(bench.directory + "/a/b/file", "")
        extra = {"masked_paths": [bench.directory], "exposed_paths": [bench.directory + "/a/b"]}
        return (await bench.run("x", "sh", "-c", f"ls {bench.directory}; ls {bench.directory}/a/b", **extra))[1]

    assert with_zygote(work, ordinary=ordinary) == ["stdout F a", "stdout F file"]


@as_any_user
def test_a_signal_ends_a_container_and_the_exit_names_it(ordinary: bool) -> None:
    async def work(bench: Bench) -> ExitStatus:
        await bench.start("a", "sleep", "60")
        await bench.client.signal("a", signal.SIGKILL)
        return (await bench.exit_of("a")).exit

    exit_ = with_zygote(work, ordinary=ordinary)
    assert (exit_.code, exit_.signal) == (137, 9)


def test_a_program_that_is_not_there_is_an_error_and_leaves_nothing() -> None:
    async def work(bench: Bench) -> tuple[str, int]:
        try:
            await bench.start("a", "no-such-program")
        except ZygoteError as error:
            return str(error), len((await bench.client.inventory()).runs)
        return "", -1

    assert with_zygote(work) == ('exec: "no-such-program": executable file not found in $PATH', 0)


@as_any_user
def test_exec_runs_inside_the_container_with_pipes_and_an_exit_code(ordinary: bool) -> None:
    async def work(bench: Bench) -> tuple[bytes, int, int]:
        await bench.start("a", "sleep", "60", env={"PATH": "/usr/bin:/bin", "COLOUR": "red"})
        out_r, out_w = os.pipe()
        null = os.open("/dev/null", os.O_RDWR)
        script = "echo $COLOUR; hostname; ls /proc | grep -c '^[0-9]'; tr '\\0' ' ' < /proc/1/cmdline; exit 7"
        spec = ExecSpec(args=("sh", "-c", script), extra_env={})
        await bench.client.exec("e", container="a", spec=spec, fds=[null, out_w, out_w])
        os.close(out_w)
        exit_ = (await bench.exit_of("e")).exit
        children = (await bench.client.inventory()).runs
        return os.read(out_r, 4096), exit_.code, len(children)

    output, code, children = with_zygote(work, ordinary=ordinary)
    lines = output.decode().split("\n")
    assert lines[:2] == ["red", "box"]
    assert lines[3] == "sleep 60 "
    assert (code, children) == (7, 1)


@as_any_user
def test_a_working_directory_that_became_a_link_of_proc_is_not_entered(ordinary: bool) -> None:
    """Such a link, to the root of another process, would lead a process that still has its rights out of the root."""

    async def work(bench: Bench) -> str:
        await bench.start("a", "sleep", "60", cwd="/tmp/x")
        null = [os.open("/dev/null", os.O_RDWR)] * 3
        exchange = ExecSpec(args=("sh", "-c", "rmdir /tmp/x && ln -s /proc/1/root /tmp/x"), extra_env={})
        await bench.client.exec("e", container="a", spec=exchange, fds=null)
        await bench.exit_of("e")
        try:
            await bench.client.exec("f", container="a", spec=ExecSpec(args=("true",), extra_env={}), fds=null)
        except ZygoteError as error:
            return str(error)
        return "entered"

    assert with_zygote(work, ordinary=ordinary) == "Too many levels of symbolic links: /tmp/x"


@as_any_user
def test_exec_with_a_terminal_hands_over_its_master_side(ordinary: bool) -> None:
    async def work(bench: Bench) -> bytes:
        await bench.start("a", "sleep", "60")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        size = ConsoleSize(height=43, width=132)
        spec = ExecSpec(args=("sh", "-c", "tty; stty size; exit 3"), extra_env={}, terminal=True, console_size=size)
        await bench.client.exec("e", container="a", spec=spec, fds=[theirs.fileno()])
        _, fds, _, _ = socket.recv_fds(ours, 16, 1)
        await bench.exit_of("e")
        said = b""
        with contextlib.suppress(OSError):  # EIO: the terminal's end; one read may give less than there is
            while data := os.read(fds[0], 4096):
                said += data
        return said

    assert with_zygote(work, ordinary=ordinary).split() == [b"/dev/pts/0", b"43", b"132"]


def test_a_container_with_a_terminal_logs_what_it_says_there() -> None:
    async def work(bench: Bench) -> list[str]:
        return (await bench.run("a", "sh", "-c", "test -t 1 && echo on a terminal", terminal=True))[1]

    assert with_zygote(work) == ["stdout F on a terminal"]


@as_any_user
def test_another_user_is_taken_on(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        return (await bench.run("a", "sh", "-c", "id -u; id -g; touch /tmp/x && echo ok", user=User(uid=101, gid=102)))[
            1
        ]

    assert with_zygote(work, ordinary=ordinary) == ["stdout F 101", "stdout F 102", "stdout F ok"]


def test_a_container_and_its_execs_have_the_pods_groups_and_none_of_the_hosts() -> None:
    async def work(bench: Bench) -> list[str]:
        os.mkdir(f"{bench.directory}/volume")
        os.mkfifo(f"{bench.directory}/volume/pipe")
        mounts = [Mount(source=f"{bench.directory}/volume", destination="/data")]
        await bench.start("a", "sh", "-c", "id -G; cat /data/pipe", user=User(additional_gids=(7,)), mounts=mounts)
        null = os.open("/dev/null", os.O_RDWR)
        spec = ExecSpec(args=("sh", "-c", "id -G > /data/pipe"), extra_env={})
        await bench.client.exec("e", container="a", spec=spec, fds=[null] * 3)
        await bench.exit_of("a")
        return bench.log("a")

    expected = ["stdout F 0"] * 2 if os.getuid() else ["stdout F 0 7"] * 2
    assert with_zygote(work, before=_join_groups) == expected


def _join_groups() -> None:
    """Joins groups that root has on some systems: adm and disk."""
    if not single_id():
        os.setgroups([0, 4, 6])


def test_id_changes_appear_to_succeed_if_one_id_is_mapped() -> None:
    async def work(bench: Bench) -> list[str]:
        return (await bench.run("a", "sh", "-c", "touch /tmp/x; chown 33:33 /tmp/x && echo ok"))[1]

    assert with_zygote(work, ordinary=True) == ["stdout F ok"]


def test_a_new_agent_finds_what_runs_and_is_not_confused_by_answers_to_the_old_one() -> None:
    def body(directory: str) -> tuple[Inventory, Exited]:
        sock = fork_zygote()

        async def old() -> None:
            bench = Bench(directory, sock)
            await bench.client.start()
            os.close(await bench.client.make_sandbox(MakeSandbox("s", "box", SANDBOX)))
            await bench.start("a", "sleep", "60")
            await bench.start("b", "true")
            for _ in range(50):  # unread when it dies
                bench.client._outbox.append((wire.dumps(Request(99, ListAll())), []))
            bench.client._write()

        async def new() -> tuple[Inventory, Exited]:
            bench = Bench(directory, sock, epoch=2)
            await bench.client.start()
            found = await bench.client.inventory()
            while not any(c.exit for c in found.runs):
                found = await bench.client.inventory()
            await bench.client.remove_container("b")
            await bench.client.signal("a", signal.SIGKILL)
            return found, await bench.exit_of("a")

        asyncio.run(old())
        return asyncio.run(new())

    inventory, exit_ = in_sandbox(body)
    assert inventory.sandboxes == (Sandbox("s", SANDBOX),)
    runs = {run.id: run for run in inventory.runs}
    assert runs["a"].record.container == "main"
    assert runs["a"].exit is None
    ended = runs["b"].exit
    assert ended is not None
    assert ended.code == 0
    assert exit_.exit.signal == 9


def test_containers_die_with_the_zygote() -> None:
    async def work(bench: Bench) -> bool:
        pid = (await bench.start("a", "sleep", "60")).pid
        watched = os.pidfd_open(pid)
        loop = asyncio.get_running_loop()
        gone = loop.create_future()
        loop.add_reader(watched, lambda: None if gone.done() else gone.set_result(True))
        os.kill(await bench.client.start(), signal.SIGKILL)
        return await asyncio.wait_for(gone, 30)

    assert with_zygote(work)


def test_a_long_message_travels_too() -> None:
    async def work(bench: Bench) -> list[str]:
        env = {f"NAME_{i}": "x" * 1000 for i in range(400)} | {"PATH": "/usr/bin:/bin"}
        return (await bench.run("a", "sh", "-c", "env | grep -c ^NAME_", env=env))[1]

    assert with_zygote(work) == ["stdout F 400"]


def test_a_container_has_the_users_limit_of_descriptors_and_not_the_zygotes() -> None:
    soft, hard = 700, 4096

    async def work(bench: Bench) -> tuple[ExitStatus, list[str]]:
        return await bench.run("a", "sh", "-c", "ulimit -Sn; ulimit -Hn")

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limits[1] >= hard
    _, log = with_zygote(work, before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
    assert log[:2] == [f"stdout F {soft}", f"stdout F {hard}"]


@as_any_user
def test_a_log_has_the_size_and_the_number_of_files_that_the_node_gives(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        record = ContainerRecord(container="c", attempt=0, backoff_s=0.0, image="i", image_id="i", stop_signal="")
        script = "for n in 1 2 3 4 5 6 7 8 9; do head -c 3000 /dev/zero | tr '\\0' x; echo; done"
        message = StartContainer(
            id="c",
            sandbox="s",
            spec=bench.spec("sh", "-c", script),
            log_path=bench.log_path("c"),
            log_max_bytes=4000,
            log_max_files=3,
            record=record,
        )
        await bench.client.start_container(message)
        await bench.exit_of("c")
        names = sorted(name for name in os.listdir(bench.directory) if name.startswith("c.log"))
        return [f"{name} {os.stat(f'{bench.directory}/{name}').st_size > 3000}" for name in names]

    assert with_zygote(work, ordinary=ordinary) == ["c.log True", "c.log.1 True", "c.log.2 True"]
