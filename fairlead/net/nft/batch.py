"""The nf_tables socket for packed batches and small requests: libnftables reads every element of a table before it
answers any. The socket stays bound to the network namespace of the thread that opened it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import sys
from collections.abc import Callable
from functools import partial

from fairlead.net.nft.model import (
    Busy,
    Exists,
    Missing,
    NftError,
    TooLarge,
    Torn,
    Transaction,
    Unavailable,
    until_whole,
)
from fairlead.net.nft.wire import (
    batch,
    counters_request,
    decode_answers,
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
_ERROR_TEXT = 400
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
        data, messages = batch(transaction, first)
        self._seq += messages + 2
        try:
            self._socket.send(data)
        except OSError as e:
            raise _error(e.errno or 0, transaction) from e
        if messages and (failed := self._refusal(first, first + messages)):
            raise _error(failed, transaction)

    def _refusal(self, first: int, last: int) -> int:
        """Returns the first error of the batch with these numbers, 0 if it was accepted."""
        failed = flags = 0
        while True:
            try:
                data = self._socket.recv(_RECEIVE, flags)
            except BlockingIOError:
                return failed or errno.ENOBUFS
            except OSError as e:
                if e.errno != errno.ENOBUFS:
                    raise
                # So many messages were refused that the last answers were dropped.
                flags = socket.MSG_DONTWAIT
                continue
            for seq, code in decode_errors(data):
                if seq >= first:
                    failed = failed or code
                # A batch that is refused as a whole gets one answer, with the number of its first message.
                if seq in (first, last):
                    return failed

    def generation(self) -> int:
        self._socket.send(generation_request(self._next()))
        while True:
            data = self._socket.recv(_RECEIVE)
            if int.from_bytes(data[8:12], sys.byteorder) == self._seq:
                return decode_generation(data)

    def tables(self, family: str) -> set[str]:
        """Returns the names of all tables, foreign ones included; none if the kernel lacks nf_tables."""
        try:
            return {decode_table(body) for body in self._dump(partial(tables_request, family))}
        except Unavailable:
            return set()

    def rules(self, table: str, family: str) -> dict[str, str]:
        """Returns, for each chain with rules, their number and a hash of them."""
        rules_of: dict[str, list[bytes]] = {}
        for body in self._dump(partial(rules_request, table, family)):
            chain, rule = decode_rule(body)
            rules_of.setdefault(chain, []).append(rule)
        return {c: f"{len(rules)} {hashlib.sha256(b''.join(rules)).hexdigest()}" for c, rules in rules_of.items()}

    def counters(self, table: str, family: str) -> dict[str, int]:
        return dict(decode_counter(body) for body in self._dump(partial(counters_request, table, family)))

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _dump(self, request: Callable[[int], bytes]) -> list[bytes]:
        """Returns the body of each answer to the request, which gets its number. Raises NftError."""
        return until_whole(lambda: self._dump_once(request))

    def _dump_once(self, request: Callable[[int], bytes]) -> list[bytes]:
        self._socket.send(request(self._next()))
        bodies: list[bytes] = []
        interrupted = False
        while True:
            for answer in decode_answers(self._socket.recv(_RECEIVE), self._seq):
                interrupted |= answer.interrupted
                if not answer.last:
                    bodies.append(answer.body)
                elif answer.errno:
                    # Without nf_tables the request is refused in one of several ways.
                    raise _KINDS.get(answer.errno, Unavailable)(f"cannot list: {os.strerror(answer.errno)}")
                elif interrupted:
                    raise Torn("the tables were changed while they were listed")
                else:
                    return bodies

    def close(self) -> None:
        self._socket.close()


def _error(code: int, transaction: Transaction) -> NftError:
    where = sorted({change.set_name for change in transaction.changes})
    what = f"{len(transaction.changes)} elements of {', '.join(where)}"
    if transaction.rewrite:
        what = f"the rules of {', '.join(chain.name for chain in transaction.rewrite)}"
    return _KINDS.get(code, NftError)(f"{os.strerror(code)}: {what}"[:_ERROR_TEXT])
