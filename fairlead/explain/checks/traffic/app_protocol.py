"""HTTP and HTTPS: does the process answer in the protocol that the port claims, or in which it was asked?"""

from __future__ import annotations

from fairlead.api.core.service.spec import ServicePort
from fairlead.api.schemes import claimed_scheme
from fairlead.base.texts import Text, text
from fairlead.explain.finding import Finding, fault, note, ok
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.tried import Reply

_NAMES = {"http": "HTTP", "https": "HTTPS"}


def find(s: Snapshot) -> Finding | None:
    if s.tried is None:
        return None
    known = [one for one in s.tried.replies if one.spoken]
    for one in known:
        if finding := _compare(s, one):
            return finding
    if not known:
        return None
    looked_at = text("first bytes of answers to {sender}", sender=s.tried.sender)
    return ok(
        text(
            "{looked_at}: {names}",
            looked_at=looked_at,
            names=", ".join(f"{one.port} {_NAMES[one.spoken]}" for one in known),
        )
    )


def _compare(s: Snapshot, one: Reply) -> Finding | None:
    port = _port_of(s, one)
    if port is None:
        return None
    looked_at = text("first bytes of answers to {sender}", sender=s.tried.sender if s.tried else "")
    claimed = claimed_scheme(port.name, port.appProtocol or "")
    evidence = text(
        "{address} port {number} answered: {said}", address=one.address, number=one.number, said=_shown(one)
    )
    if claimed and claimed != one.spoken:
        cause = _REASONS[claimed](port, _claim(port))
        return fault(looked_at, cause, evidence, cure=_cure(s, port, one.spoken))
    if one.kind == "tls" and one.spoken == "http":
        cause = text(
            "port {port} has a number of HTTPS, and the process behind it speaks plain HTTP: use http:// with it",
            port=port.port,
        )
        return note(looked_at, cause, evidence)
    if one.kind == "get" and one.spoken == "https":
        cause = text("port {port} was asked for HTTP and expects HTTPS: use https:// with it", port=port.port)
        return note(looked_at, cause, evidence)
    return None


def _port_of(s: Snapshot, one: Reply) -> ServicePort | None:
    """Returns the Service's port that was asked; of a headless Service the endpoint's port was."""
    number = int(one.port.partition("/")[0])
    ports = [port for port in s.ports if (port.protocol or "TCP") == "TCP"]
    return next((port for port in ports if port.port == number), ports[0] if len(ports) == 1 else None)


def _claim(port: ServicePort) -> str:
    return f"appProtocol: {port.appProtocol}" if claimed_scheme("", port.appProtocol or "") else f"name: {port.name}"


def _plain(port: ServicePort, claim: str) -> Text:
    return text(
        "port {port} claims HTTPS ({claim}), and the process behind it speaks plain HTTP: clients that follow the "
        "claim fail at the TLS handshake",
        port=port.port,
        claim=claim,
    )


def _secure(port: ServicePort, claim: str) -> Text:
    return text(
        "port {port} claims HTTP ({claim}), and the process behind it speaks HTTPS: requests of clients that follow "
        "the claim are refused",
        port=port.port,
        claim=claim,
    )


_REASONS = {"https": _plain, "http": _secure}


def _shown(one: Reply) -> Text | str:
    return one.said or text("a message of TLS")


def _cure(s: Snapshot, port: ServicePort, spoken: str) -> str:
    index = s.found.spec.ports.index(port)
    patch = f'[{{"op":"add","path":"/spec/ports/{index}/appProtocol","value":"{spoken}"}}]'
    return s.kubectl(f"patch svc {s.name} --type json -p '{patch}'")
