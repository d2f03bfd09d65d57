"""Files of the host that a container can list and open, in a cluster of root's and in an ordinary user's."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from fairlead.net import linux
from fairlead.node.runtime.files.hostview import unescaped
from fairlead.node.runtime.limits import privilege
from fairlead.node.runtime.protocol.containerspec import ExecSpec, Mount, User
from tests.net.sandbox import as_any_user
from tests.node.sandbox import Bench, single_id, with_zygote, write

pytestmark = pytest.mark.kernel

_SETFSUID = {"x86_64": 122, "aarch64": 151}
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_HARMLESS = {"full", "null", "random", "tty", "urandom", "zero"}


def test_mount_points_with_special_bytes_are_read_from_mountinfo() -> None:
    assert unescaped(rb"/mnt/a\040b\134040c\012d\043") == "/mnt/a b\\040c\nd#"
    assert unescaped("/mnt/é".encode()) == "/mnt/é"
    assert unescaped(b"/mnt/\xff\\011") == "/mnt/\udcff\t"


def _fill(folder: str) -> None:
    """Makes a file system with files that all users may read and files that root alone may read."""
    linux.mount("fairlead-test", folder, "tmpfs", 0, "mode=755")
    os.mkdir(f"{folder}/closed", 0o700)
    for name, mode in (("open", 0o644), ("private", 0o600), ("group", 0o640), ("closed/open", 0o644)):
        write(f"{folder}/{name}", f"{folder}/{name}")
        os.chmod(f"{folder}/{name}", mode)


_READ = (
    "cat /opt/* /opt/closed/* /opt/sub/* /opt/sub/closed/* 2>/dev/null | sed 's,/opt,\\n/opt,g' | grep opt; echo end"
)


async def _reads(bench: Bench) -> list[str]:
    _fill("/opt")
    os.mkdir("/opt/sub")
    _fill("/opt/sub")
    return (await bench.run("a", "sh", "-c", _READ))[1]


def test_a_containers_root_reads_of_the_host_what_every_user_can_read() -> None:
    expected = [] if os.getuid() else ["stdout F /opt/open", "stdout F /opt/sub/open"]
    assert with_zygote(_reads) == [*expected, "stdout F end"]


def test_an_ordinary_users_own_directories_are_left_out() -> None:
    assert with_zygote(_reads, ordinary=True) == ["stdout F end"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes a folder of another user's")
def test_an_ordinary_users_files_in_the_systems_directories_are_covered(below_opt: str) -> None:
    """Runs before the fork: root makes the files, as an administrator would."""
    os.makedirs(f"{below_opt}/own/folder")
    for name in ("own/open", "own/folder/private", "private", "open"):
        write(f"{below_opt}/{name}", f"secret of {name}\n")
    os.chmod(f"{below_opt}/private", 0o600)
    for name in ("own", "own/open", "own/folder", "private", "open"):
        os.chown(f"{below_opt}/{name}", 65534, 65534)

    async def work(bench: Bench) -> list[str]:
        return (await bench.run("a", "sh", "-c", f"cd {below_opt}; cat * */* */*/* 2>/dev/null"))[1]

    assert with_zygote(work, ordinary=True) == ["stdout F secret of open"]


@pytest.fixture
def below_opt() -> Iterator[str]:
    """A new folder of root's in /opt, which containers see."""
    os.makedirs("/opt", exist_ok=True)
    with tempfile.TemporaryDirectory(dir="/opt", prefix="fairlead-test-") as folder:
        os.chmod(folder, 0o755)
        yield folder


def test_private_files_are_covered_if_the_kernel_refuses_the_overlay() -> None:
    """The call that makes the overlay another user's does nothing here."""

    async def work(bench: Bench) -> list[str]:
        return (await bench.run("a", "sh", "-c", _READ + "; ls /opt"))[1]

    def prepare() -> None:
        _fill("/opt")
        machine = os.uname().machine
        privilege.set_filter(privilege.filter_program(machine, {_SETFSUID[machine]: 0}))

    found = with_zygote(work, before=prepare)
    if os.getuid() == 0:
        names = ["closed", "group", "open", "private"]
        assert found == [f"stdout F {line}" for line in ("/opt/open", "end", *names)]


@as_any_user
def test_a_new_mount_point_leaves_private_files_private(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        mounts = [Mount(type="tmpfs", destination="/etc/deep/er")]
        return (await bench.run("a", "sh", "-c", "cat /etc/shadow; test -s /etc/passwd && echo passwd", mounts=mounts))[
            1
        ]

    assert with_zygote(work, ordinary=ordinary)[-1] == "stdout F passwd"


@as_any_user
def test_a_home_is_seen_only_if_a_host_path_names_it(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[str]:
        os.makedirs(f"{bench.directory}/home/me/.ssh")
        write(f"{bench.directory}/home/me/.ssh/key", "secret\n")
        home = f"{bench.directory}/home/me"
        mounts = [
            Mount(source="/srv", destination="/above", host_path_type=""),
            Mount(source=f"{home}/.ssh", destination="/named", host_path_type=""),
        ]
        script = f"for f in {home} /above/node/home/me /named; do cat $f/.ssh/key $f/key 2>/dev/null || echo none; done"
        return (await bench.run("a", "sh", "-c", script, home_paths=[home], mounts=mounts))[1]

    expected = ["stdout F none", "stdout F none", "stdout F secret", "stdout F none"]
    assert with_zygote(work, ordinary=ordinary) == expected


_OPEN = (
    "for d in $(find {0} -maxdepth 1 -type c -o -maxdepth 1 -type b); do (exec 3<>$d) 2>/dev/null && echo $d; done;"
    "echo x > {0}/null && echo w"
)


@as_any_user
def test_a_host_path_opens_harmless_devices_alone(ordinary: bool) -> None:
    async def work(bench: Bench) -> list[list[str]]:
        dev = Mount(source="/dev", destination="/host", host_path_type="")
        all_ = Mount(source="/", destination="/all", host_path_type="")
        one = Mount(source="/dev/zero", destination="/data/zero", host_path_type="CharDevice")
        return [
            (await bench.run("a", "bash", "-c", _OPEN.format("/host"), mounts=[dev]))[1],
            (await bench.run("b", "bash", "-c", _OPEN.format("/all/dev"), mounts=[all_]))[1],
            (await bench.run("c", "sh", "-c", "head -c 2 /data/zero | wc -c", mounts=[one]))[1],
        ]

    below_dev, below_root, one = with_zygote(work, ordinary=ordinary)
    for found in (below_dev, below_root):
        opened = {line.rpartition("/")[2] for line in found[:-1]}
        assert {"null", "zero", "full", "urandom"} <= opened <= _HARMLESS
        assert found[-1] == "stdout F w"
    assert one == ["stdout F 2"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root has a device that is not harmless and can be opened")
def test_a_privileged_container_opens_the_hosts_devices() -> None:
    async def work(bench: Bench) -> list[str]:
        dev = Mount(source="/dev", destination="/host", host_path_type="")
        extra = {"privileged": True, "capabilities": list(privilege.CAPABILITIES)}
        return (await bench.run("a", "bash", "-c", _OPEN.format("/host"), mounts=[dev], **extra))[1]

    opened = {line.rpartition("/")[2] for line in with_zygote(work)[:-1]}
    assert opened > _HARMLESS - {"tty"}


@as_any_user
def test_kernel_keys_are_refused_but_for_privileged_containers(ordinary: bool) -> None:
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    script = "import ctypes; c = ctypes.CDLL(None, use_errno=True); n = {}; r = c.syscall(n, 0, -4, 1)\n"  # @u, make
    script += "s = c.syscall(n, 0, -3, 0); print(r < 0 and ctypes.get_errno(), s)"  # KEYCTL_GET_KEYRING_ID of @s

    async def work(bench: Bench) -> list[str]:
        program = script.format(_KEYCTL[os.uname().machine])
        first = (await bench.run("a", str(python), "-c", program))[1]
        extra = {"privileged": True, "capabilities": list(privilege.CAPABILITIES)}
        return first + [(await bench.run(id_, str(python), "-c", program, **extra))[1][0] for id_ in ("b", "c")]

    refused, one, other = with_zygote(work, ordinary=ordinary)
    assert refused == f"stdout F {errno.EPERM} -1"
    assert one.startswith("stdout F False ")
    assert one != other  # a session keyring each


@as_any_user
def test_sockets_to_the_hypervisor_are_refused(ordinary: bool) -> None:
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    script = "import socket\ntry: socket.socket(40, 1); print('made')\nexcept OSError as e: print(e.errno)\n"
    script += "socket.socket().close()"

    async def work(bench: Bench) -> list[str]:
        return (await bench.run("a", str(python), "-c", script))[1]

    assert with_zygote(work, ordinary=ordinary) == [f"stdout F {errno.EAFNOSUPPORT}"]


@as_any_user
def test_the_kernels_knobs_are_read_only_in_a_host_path(ordinary: bool) -> None:
    """Tried on a knob of the sandbox's own network; what is read-only for it is read-only for core_pattern."""

    async def work(bench: Bench) -> list[str]:
        sources = {"/proc": "/p", "/": "/r", "/proc/sys": "/s", "/sys": "/y"}
        mounts = [Mount(source=a, destination=b, host_path_type="") for a, b in sources.items()]
        knob = "sys/net/ipv4/ip_forward"
        script = (
            f"for f in /p/{knob} /r/proc/{knob} /s/{knob[4:]}; do test -r $f && ! test -w $f && echo read-only; done;"
            "for d in /p /r/proc /s /y /r/sys; do "
            "awk -v d=$d '$5 == d { m = $6 } END { print m }' /proc/self/mountinfo; done"
        )
        extra = {"privileged": True, "capabilities": list(privilege.CAPABILITIES)}
        free = await bench.run("b", "sh", "-c", f"test -w /p/{knob} && echo writable", mounts=mounts, **extra)
        return (await bench.run("a", "sh", "-c", script, mounts=mounts))[1] + free[1]

    found = with_zygote(work, ordinary=ordinary)
    assert found[:3] == ["stdout F read-only"] * 3
    assert len(found) == 9
    assert all(line.split()[-1].startswith("ro") for line in found[3:8])
    assert found[8] == "stdout F writable"


_SPY = """
import os
seen = set()
program = os.readlink("/proc/self/exe")
while not os.path.exists("/tmp/stop"):
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (os.getpid(), 1):
            try:
                if os.readlink(f"/proc/{name}/exe") == program:
                    seen.add("a process that is to become an exec's program")
            except OSError:
                pass
print(sorted(seen))
"""


@as_any_user
@pytest.mark.parametrize("uid", [0, 1000])
def test_a_container_cannot_look_into_a_process_that_is_about_to_join_it(ordinary: bool, uid: int) -> None:
    """An exec starts as a copy of the zygote, whose program and memory are the host's."""
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")

    async def work(bench: Bench) -> list[str]:
        await bench.start("a", str(python), "-c", _SPY, user=User(uid=uid))
        null = os.open("/dev/null", os.O_RDWR)
        for number in range(200):
            program = ("true",) if number < 199 else ("touch", "/tmp/stop")
            await bench.client.exec(
                f"e{number}", container="a", spec=ExecSpec(args=program, extra_env={}), fds=[null] * 3
            )
            await bench.exit_of(f"e{number}")
            await bench.client.remove_container(f"e{number}")
        await bench.exit_of("a")
        return bench.log("a")

    assert with_zygote(work, ordinary=ordinary) == ["stdout F []"]


def test_the_ordinary_user_of_these_tests_has_one_id() -> None:
    async def work(_bench: Bench) -> bool:
        return single_id()

    assert with_zygote(work, ordinary=True)
