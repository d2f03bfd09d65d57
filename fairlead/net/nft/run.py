"""The kernel's nf_tables through libnftables, by ctypes.

A context is bound to the network namespace of the thread that made it and may then be used from any thread, one at a
time. The context is kept: a new one for each change costs five times as much as the change itself. Rejected: the `nft`
program (16 ms a change). Elements go as a packed batch if possible (`wire.py`), in a third of the time. Rules stay
text.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

from fairlead.net.conntrack.model import Flow
from fairlead.net.conntrack.run import Conntrack
from fairlead.net.nft.batch import NftSocket
from fairlead.net.nft.model import (
    KERNEL_LIMIT,
    Busy,
    Exists,
    Missing,
    NftError,
    Snapshot,
    TooLarge,
    Transaction,
    Unavailable,
    parse_table,
    until_whole,
)
from fairlead.net.nft.wire import packable

_LIBRARY = "libnftables.so.1"
_OUTPUT_NUMERIC_PROTO = 1 << 7
_ERROR_TEXT = 400
_KINDS: tuple[tuple[str, type[NftError]], ...] = (
    ("File exists", Exists),
    ("No such file or directory", Missing),
    ("Device or resource busy", Busy),
    ("Message too long", TooLarge),
    ("Operation not supported", Unavailable),
    ("Protocol not supported", Unavailable),
)


@cache
def _library() -> Any:
    try:
        lib = ctypes.CDLL(_LIBRARY)
    except OSError as e:
        raise Unavailable(
            f"{_LIBRARY} is missing: install the package libnftables1 (as root: apt install libnftables1)"
        ) from e
    lib.nft_ctx_new.restype = ctypes.c_void_p
    lib.nft_ctx_new.argtypes = [ctypes.c_uint32]
    for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_free"):
        getattr(lib, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        function = getattr(lib, name)
        function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_char_p
    lib.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    lib.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return lib


class NftKernel:
    """The kernel's tables. Make the object in its namespace: `linux.in_netns(fd, NftKernel)`.

    `numeric`: text has protocols as numbers, whatever /etc/protocols says; otherwise it has names, as users see it."""

    def __init__(self, *, numeric: bool = True) -> None:
        self._lib = _library()
        try:
            # This is also a test: libnftables ends the whole process if it gets no socket.
            self._conntrack = Conntrack()
        except OSError as e:
            raise Unavailable(f"the kernel has no netfilter netlink ({e.strerror}): load the module nf_tables") from e
        self._nft_socket = NftSocket()
        self._own = 0
        """The number of transactions made through this object."""
        self._context = self._lib.nft_ctx_new(0)
        if not self._context:
            raise Unavailable("libnftables failed to create a context")
        self._lib.nft_ctx_buffer_output(self._context)
        self._lib.nft_ctx_buffer_error(self._context)
        if numeric:
            self._lib.nft_ctx_output_set_flags(self._context, _OUTPUT_NUMERIC_PROTO)

    def execute(self, transaction: Transaction) -> None:
        if len(transaction.changes) > KERNEL_LIMIT:
            raise TooLarge(f"{len(transaction.changes)} elements in one transaction")
        if packable(transaction):
            self._nft_socket.execute(transaction)
        else:
            self.run_text(transaction.render())
        self._own += 1

    def read(self, table: str, family: str = "ip") -> Snapshot | None:
        try:
            snapshot = until_whole(lambda: parse_table(self.run_text(f"list table {family} {table}")))
        except Missing:
            return None
        return replace(snapshot, rules=self.rules(table, family))

    def delete(self, table: str, family: str = "ip") -> bool:
        try:
            self.run_text(f"delete table {family} {table}")
        except Missing:
            return False
        self._own += 1
        return True

    def rules(self, table: str, family: str = "ip") -> dict[str, str]:
        return self._nft_socket.rules(table, family)

    def generation(self) -> int:
        return self._nft_socket.generation()

    def foreign(self) -> int:
        return self._nft_socket.generation() - self._own

    def counters(self, table: str, family: str = "ip") -> dict[str, int]:
        return self._nft_socket.counters(table, family)

    def flows(self, family: str = "ip") -> list[Flow]:
        return self._conntrack.flows(family)

    def delete_flows(self, flows: Iterable[Flow]) -> int:
        return self._conntrack.delete_flows(flows)

    def run_text(self, text: str) -> str:
        """Carries out commands in nft's syntax and returns what they print."""
        if self._context is None:
            raise NftError("the context is closed")
        failed = self._lib.nft_run_cmd_from_buffer(self._context, text.encode())
        output = self._lib.nft_ctx_get_output_buffer(self._context) or b""
        errors = self._lib.nft_ctx_get_error_buffer(self._context) or b""
        if failed:
            raise _error(errors.decode(errors="replace"))
        decoded: str = output.decode(errors="replace")
        return decoded

    def close(self) -> None:
        self._conntrack.close()
        self._nft_socket.close()
        context, self._context = self._context, None
        if context:
            self._lib.nft_ctx_free(context)


def _error(text: str) -> NftError:
    kind = next((kind for mark, kind in _KINDS if mark in text), NftError)
    return kind(text[:_ERROR_TEXT].strip())
