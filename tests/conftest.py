"""Settings of all tests: the effort of hypothesis, failures instead of skips if a program could be installed, leaks
that fail in their own module, and a cleanup if the run is asked to end.

`HYPOTHESIS_PROFILE=soak` tries long and prints its seed.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

from tests.slowness import Slowness

os.environ["FAIRLEAD_UPSTREAM"] = "none"
"""The clusters of tests send no queries to outside resolvers."""
os.environ["FAIRLEAD_REGISTRIES"] = "none"
"""The clusters of tests pull no images, unless a test runs its registry."""
os.environ.pop("FAIRLEAD_NAME", None)
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
"""Otherwise gRPC, which the etcd store brings into this process, starts threads in the children that tests fork,
and a process with threads cannot enter a user namespace."""

_USER_FILES = tempfile.mkdtemp(prefix="fairlead-test-user-")
atexit.register(shutil.rmtree, _USER_FILES, ignore_errors=True)
os.environ["KUBECONFIG"] = f"{_USER_FILES}/kubeconfig"
"""Clusters of tests add their contexts to this file: the kubeconfig of the user who runs the tests is out of reach."""

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile(
    "soak", max_examples=5000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

MAY_SKIP = {
    "br_netfilter is not loaded": "a module of the kernel, which no package brings",
    "no IPv6 on this host": "a setting of the kernel",
    "programs are not given": "upstream publishes them in no package; variables name their paths",
    "the number of socket(2) is known for two machines": "the test is about those processors",
    "this user may not make control groups here": "the machine, or the container around the tests, decides that",
    "the system's python3 is": "the run was asked for with another Python",
}
"""Permitted beginnings of the reason of a skip on machines with root's packages, and why each is right there."""

_CAN_INSTALL = os.getuid() == 0 and shutil.which("apt-get") is not None
_RUN = os.getpid()
ROOT = Path(__file__).parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write the expected sections of tests/scenario/*.txt anew")
    parser.addoption("--unmarked-slow", action="store_true", help="list tests over 0.25 s without the mark slow")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--unmarked-slow"):
        config.pluginmanager.register(Slowness())
    if os.getuid() == 0 and not (ROOT.stat().st_mode & stat.S_IXOTH and Path(__file__).stat().st_mode & stat.S_IROTH):
        pytest.exit(f"{ROOT} must be readable for the ordinary users of the tests: chmod -R go+rX {ROOT}", 2)
    signal.signal(signal.SIGTERM, _told_to_end)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a run in the background, whose children would ignore it too
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _leaks_of_a_module() -> Iterator[None]:
    """Collects garbage at the end of a module: sockets and files that it left open fail there and not in a test that
    comes by chance later. What collection made is frozen, so that this takes milliseconds."""
    yield
    gc.collect()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _CAN_INSTALL and report.skipped and not hasattr(report, "wasxfail"):
        refuse_skip(report)
    return report


def refuse_skip(report: pytest.TestReport) -> None:
    """Fails a test that is skipped for a reason outside MAY_SKIP."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(tuple(MAY_SKIP)):
        report.outcome = "failed"
        report.longrepr = f"skipped: {reason}: install what is missing: tools/host-packages test python3"


def _told_to_end(number: int, _: FrameType | None) -> None:
    """Acts like Ctrl-C, so that fixtures end the clusters they started; forked children simply end."""
    if os.getpid() == _RUN:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
