"""Snapshot of the cluster for DNS, with packed answers to the most frequent questions.

- `hot` maps a question (name in lower case, type, class) to its answer: 10 bytes of flags and counts, then everything
  after the question; or to a `Rotation` of several records. One look-up a query.
- `hot` has the addresses of a Service from the moment the Service is known. Other answers are added at the first query
  (`cache_answer`), up to a bound, and removed at the next change of any object: correct without tracking dependencies.
  Negative answers are never kept, so a flood of wrong names costs no memory.
- `flush` repacks only the Services that changed.
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.dns.config import Config
from fairlead.dns.protocol.wire import (
    AA,
    AAAA,
    PLAIN_SIZE,
    QR,
    RA,
    RD,
    A,
    Record,
    encode_name,
    pack_address,
    pack_record,
)
from fairlead.dns.zones.names import dashed
from fairlead.dns.zones.records import (
    PackedEndpoint,
    PackedPort,
    PackedService,
    PackedSlice,
    pack,
    unpack_service,
    unpack_slice,
)
from fairlead.dns.zones.rotation import Rotation
from fairlead.service.decisions import is_published

FLAGS = QR | AA | RD | RA
_MOST_CACHED = 16_384
_OPT_ROOM = 11

_CLASS_A = b"\0\1\0\1"
_CLASS_AAAA = b"\0\x1c\0\1"
_QUESTION = {A: _CLASS_A, AAAA: _CLASS_AAAA}


class Zone:
    """The snapshot that `answer` reads. No I/O and no clock: `flush` gets the serial as a parameter."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.domain = tuple(config.domain.split("."))
        self.hot: dict[bytes, bytes | Rotation] = {}
        self.serial = 1
        self.made_soa: tuple[int, Config, Record] | None = None
        """The SOA record with its serial and settings; `answer` sets it."""
        self.namespaces: dict[str, int] = {}
        """Number of objects that prove a namespace: the Namespace, and each Service in it."""
        self.pods: dict[bytes, tuple[str, ...]] = {}
        """Namespaces of the pods with an address; only filled if pods are verified."""
        self._services: dict[str, bytes] = {}
        self._slices: dict[str, bytes] = {}
        self._slices_of: dict[str, str | tuple[str, ...]] = {}
        self._by_address: dict[bytes, str | tuple[str, ...]] = {}
        self._packed: dict[str, tuple[bytes, ...]] = {}
        self._dirty: set[str] = set()
        self._cached: list[bytes] = []

    def __len__(self) -> int:
        return len(self._services)

    def configure(self, config: Config) -> None:
        """Sets new settings; `flush` then packs everything again."""
        self.config = config
        self.domain = tuple(config.domain.split("."))
        self._dirty.update(self._services)
        self._drop_cached()

    def put_namespace(self, name: str, *, exists: bool) -> None:
        self._count_namespace(name, 1 if exists else -1)
        self._drop_cached()

    def put_service(self, key: str, service: PackedService | None) -> None:
        old = self.service(key)
        if old is not None:
            for address in old.addresses:
                self._unlink(address, key)
        if service is not None:
            self._services[key] = pack(service)
            for address in service.addresses:
                self._link(address, key)
        else:
            self._services.pop(key, None)
        if (old is None) != (service is None):
            self._count_namespace(key.partition("/")[0], -1 if service is None else 1)
        self._dirty.add(key)

    def put_slice(self, key: str, new: PackedSlice | None) -> None:
        packed = self._slices.pop(key, None)
        if packed is not None:
            old = unpack_slice(packed)
            for endpoint in old.endpoints:
                self._unlink(endpoint.address, old.service)
            self._detach(old.service, key)
            self._dirty.add(old.service)
        if new is not None:
            self._slices[key] = pack(new)
            self._attach(new.service, key)
            for endpoint in new.endpoints:
                self._link(endpoint.address, new.service)
            self._dirty.add(new.service)

    def put_pod(self, address: str, namespace: str, *, exists: bool) -> None:
        at = pack_address(address)
        others = list(self.pods.get(at, ()))
        if exists:
            others.append(namespace)
        elif namespace in others:
            others.remove(namespace)
        if others:
            self.pods[at] = tuple(others)
        else:
            self.pods.pop(at, None)
        self._drop_cached()

    def flush(self, serial: int) -> int:
        """Packs the changed Services and returns their number. Answers are current from then on."""
        dirty = self._dirty
        if not dirty:
            return 0
        self._dirty = set()
        self.serial = max(serial, self.serial)
        self._drop_cached()
        for key in dirty:
            for question in self._packed.pop(key, ()):
                self.hot.pop(question, None)
            packed = dict(self._pack(key))
            if packed:
                self.hot.update(packed)
                self._packed[key] = tuple(packed)
        return len(dirty)

    def cache_answer(self, question: bytes, packed: bytes | Rotation) -> None:
        """Keeps an answer until the next change."""
        if len(self._cached) >= _MOST_CACHED:
            self._drop_cached()
        if question not in self.hot:
            self._cached.append(question)
        self.hot[question] = packed

    def service(self, key: str) -> PackedService | None:
        packed = self._services.get(key)
        return None if packed is None else unpack_service(packed)

    def slices(self, key: str) -> list[PackedSlice]:
        names = self._slices_of.get(key, ())
        return [unpack_slice(self._slices[name]) for name in ((names,) if isinstance(names, str) else names)]

    def endpoints(
        self, key: str, service: PackedService
    ) -> Iterator[tuple[PackedEndpoint, bytes, tuple[PackedPort, ...]]]:
        """Yields the published endpoints, each address and host name once, with the ports of all slices that have
        them."""
        merged: dict[tuple[str, str], tuple[PackedEndpoint, tuple[PackedPort, ...]]] = {}
        for one in self.slices(key):
            for endpoint in one.endpoints:
                if is_published(endpoint.ready, not_ready_too=service.publish):
                    at = endpoint.address, endpoint.hostname
                    before = merged.get(at)
                    ports = one.ports if before is None else tuple(dict.fromkeys(before[1] + one.ports))
                    merged[at] = endpoint, ports
        for endpoint, ports in merged.values():
            yield endpoint, pack_address(endpoint.address), ports

    def addresses(self, key: str, service: PackedService) -> list[bytes]:
        """Returns the addresses of the published endpoints, each once."""
        return list(dict.fromkeys(address for _, address, _ in self.endpoints(key, service)))

    def services_at(self, address: bytes) -> tuple[str, ...]:
        """Returns the keys of the Services that have the address, or an endpoint with it."""
        keys = self._by_address.get(address, ())
        return (keys,) if isinstance(keys, str) else keys

    def _pack(self, key: str) -> Iterator[tuple[bytes, bytes | Rotation]]:
        service = self.service(key)
        if service is None or service.external:
            return
        namespace, _, name = key.partition("/")
        owner = encode_name(f"{name}.{namespace}.svc.{self.config.domain}")
        if service.headless:
            addresses = self.addresses(key, service)
        else:
            addresses = [pack_address(address) for address in service.addresses]
        for kind, size in ((A, 4), (AAAA, 16)):
            of_size = [address for address in addresses if len(address) == size]
            if of_size:
                question = owner + _QUESTION[kind]
                records = [pack_record(Record(b"", kind, self.config.ttl_s, address), question) for address in of_size]
                yield question, pack_hot(question, records)

    def _link(self, address: str, key: str) -> None:
        at = pack_address(address)
        keys = self._by_address.get(at)
        if keys is None:
            self._by_address[at] = key
        else:
            self._by_address[at] = (*((keys,) if isinstance(keys, str) else keys), key)

    def _unlink(self, address: str, key: str) -> None:
        at = pack_address(address)
        left = list(self.services_at(at))
        if key in left:
            left.remove(key)
        if not left:
            self._by_address.pop(at, None)
        else:
            self._by_address[at] = left[0] if len(left) == 1 else tuple(left)

    def _attach(self, service: str, key: str) -> None:
        held = self._slices_of.get(service)
        if held is None:
            self._slices_of[service] = key
        else:
            self._slices_of[service] = tuple(sorted((*((held,) if isinstance(held, str) else held), key)))

    def _detach(self, service: str, key: str) -> None:
        held = self._slices_of.get(service, ())
        left = tuple(one for one in ((held,) if isinstance(held, str) else held) if one != key)
        if not left:
            self._slices_of.pop(service, None)
        else:
            self._slices_of[service] = left[0] if len(left) == 1 else left

    def _count_namespace(self, name: str, by: int) -> None:
        count = self.namespaces.get(name, 0) + by
        if count > 0:
            self.namespaces[name] = count
        else:
            self.namespaces.pop(name, None)

    def _drop_cached(self) -> None:
        for question in self._cached:
            self.hot.pop(question, None)
        self._cached.clear()


def pack_hot(question: bytes, records: list[bytes]) -> bytes | Rotation:
    """Packs records of one size: a single short record as bytes, otherwise a `Rotation`."""
    head = FLAGS.to_bytes(2, "big") + b"\0\1" + len(records).to_bytes(2, "big") + b"\0\0\0\0"
    if len(records) == 1 and 12 + len(question) + len(records[0]) + _OPT_ROOM <= PLAIN_SIZE:
        return head + records[0]
    return Rotation(len(question), records)


def endpoint_label(endpoint: PackedEndpoint) -> str:
    return endpoint.hostname or dashed(endpoint.address)
