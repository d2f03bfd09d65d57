"""The nf_tables socket for packed batches and small requests: libnftables reads every element of a table before it
answers any. The socket stays bound to the network namespace of the thread that opened it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import sys
from collections.abc import Iterator

from fairlead.net.nft.model import Busy, Exists, Missing, NftError, TooLarge, Transaction
from fairlead.net.nft.wire import (
    batch,
    counters_request,
    decode_bodies,
    decode_counter,
    decode_errors,
    decode_generation,
    decode_rule,
    decode_table,
    generation_request,
    rules_request,
    tables_request,
)

_NETLINK_NETFILTER = 12
_BUFFER = 1 << 22
"""The buffer size asked for; the kernel grants at most twice net.core.wmem_max, which is enough for the largest
transaction."""
_RECEIVE = 1 << 16
_KINDS: dict[int, type[NftError]] = {
    errno.EEXIST: Exists,
    errno.ENOENT: Missing,
    errno.EBUSY: Busy,
    errno.EMSGSIZE: TooLarge,
}


class NftSocket:
    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        self._seq = 0

    def execute(self, transaction: Transaction) -> None:
        first = self._seq + 1
        data, answers = batch(transaction, first)
        self._seq += answers + 2
        try:
            self._socket.send(data)
        except OSError as e:
            raise _error(e.errno or 0, transaction) from e
        failed = 0
        while answers:
            for seq, code in decode_errors(self._socket.recv(_RECEIVE)):
                if seq < first:
                    continue
                # A batch that is refused as a whole gets one answer, with the number of its first message.
                answers = 0 if seq == first else answers - 1
                failed = failed or code
                if not answers:
                    break
        if failed:
            raise _error(failed, transaction)

    def generation(self) -> int:
        self._socket.send(generation_request(self._next()))
        while True:
            data = self._socket.recv(_RECEIVE)
            if int.from_bytes(data[8:12], sys.byteorder) == self._seq:
                return decode_generation(data)

    def tables(self, family: str) -> set[str]:
        """Returns the names of all tables, foreign ones included."""
        return {decode_table(body) for body in self._dump(tables_request(family, self._next()))}

    def rules(self, table: str, family: str) -> dict[str, str]:
        """Returns, for each chain with rules, their number and a hash of them."""
        rules_of: dict[str, list[bytes]] = {}
        for body in self._dump(rules_request(table, family, self._next())):
            chain, rule = decode_rule(body)
            rules_of.setdefault(chain, []).append(rule)
        return {c: f"{len(rules)} {hashlib.sha256(b''.join(rules)).hexdigest()}" for c, rules in rules_of.items()}

    def counters(self, table: str, family: str) -> dict[str, int]:
        return dict(decode_counter(body) for body in self._dump(counters_request(table, family, self._next())))

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _dump(self, request: bytes) -> Iterator[bytes]:
        self._socket.send(request)
        while True:
            for body in decode_bodies(self._socket.recv(_RECEIVE)):
                if body is None:
                    return
                yield body

    def close(self) -> None:
        self._socket.close()


def _error(code: int, transaction: Transaction) -> NftError:
    where = sorted({change.set_name for change in transaction.changes})
    what = f"{len(transaction.changes)} elements of {', '.join(where)}"
    if transaction.rewrite:
        what = f"the rules of {', '.join(chain.name for chain in transaction.rewrite)}"
    return _KINDS.get(code, NftError)(f"{os.strerror(code)}: {what}")
