"""Runs a function inside network namespaces of a cluster: those of nodes, and of Pods.

A child process enters the user namespace of the cluster, which its owner may do without root, and then each network
namespace. Its mount namespace stays the host's, so that the host's programs and libraries are there. The calling
process must be single-threaded.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from fairlead.cmd.cluster.state import Run
from fairlead.cmd.errors import CommandError
from fairlead.cmd.nodes.nodeentry import holder
from fairlead.net import linux
from fairlead.net.errors import KernelError

Tree = Any


def in_nodes(run: Run, nodes: Mapping[str, str], work: Callable[[str], Tree]) -> dict[str, Tree]:
    """Returns what `work(key)` returns, a JSON tree, in the namespace of each node. `nodes`: the node's name by key.

    Raises CommandError."""
    return in_namespaces({key: holder(run, node) for key, node in nodes.items()}, work)


def in_namespaces(pids: Mapping[str, int], work: Callable[[str], Tree]) -> dict[str, Tree]:
    """Returns what `work(key)` returns, a JSON tree, in the network namespace of each process."""
    if not pids:
        return {}
    mine, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(mine)
        _answer(theirs, pids, work)
    os.close(theirs)
    with os.fdopen(mine, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    if not data:
        raise CommandError("the cluster has just ended; try again")
    answer = json.loads(data)
    if "error" in answer:
        raise CommandError(answer["error"])
    results: dict[str, Tree] = answer["results"]
    return results


def _answer(pipe: int, pids: Mapping[str, int], work: Callable[[str], Tree]) -> NoReturn:
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        answer: dict[str, Tree] = {"results": _collect(pids, work)}
    except (CommandError, KernelError) as error:
        answer = {"error": str(error)}
    except OSError as error:
        answer = {"error": f"cannot enter the cluster's namespaces: {error}"}
    except BaseException as error:  # noqa: BLE001 - reported by the parent; the child must not go on
        answer = {"error": f"cannot read the node's state: {error!r}"}
    try:
        with os.fdopen(pipe, "wb") as out:
            out.write(json.dumps(answer).encode())
    finally:
        os._exit(0)


def _collect(pids: Mapping[str, int], work: Callable[[str], Tree]) -> dict[str, Tree]:
    opened = {key: _open(pid, "net") for key, pid in pids.items()}
    user = _open(next(iter(pids.values())), "user")
    linux.setns(user, linux.CLONE_NEWUSER)
    results = {}
    for key, fd in opened.items():
        linux.setns(fd, linux.CLONE_NEWNET)
        results[key] = work(key)
    return results


def _open(pid: int, kind: str) -> int:
    try:
        return os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError as e:
        raise CommandError("the cluster belongs to another user") from e
    except FileNotFoundError as e:
        raise CommandError("a process of the cluster has just ended; try again") from e
