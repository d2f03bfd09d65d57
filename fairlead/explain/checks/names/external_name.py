"""ExternalName: an alias in DNS, to which ports, selectors and rules do not apply."""

from __future__ import annotations

from fairlead.api.core.service.predicates import is_external_name
from fairlead.base.addresses import is_address
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, note, ok
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.words import then


def find(s: Snapshot) -> Finding | None:
    spec = s.found.spec
    if not is_external_name(spec):
        return None
    target = spec.externalName
    looked_at = text("alias {name}.{namespace}.svc -> {target}", name=s.name, namespace=s.namespace, target=target)
    if is_address(target):
        return fault(
            looked_at,
            text(
                "externalName {target} is an IP address: DNS answers with a CNAME record, which needs a host name",
                target=target,
            ),
            cure=then(
                s.kubectl(f'patch svc {s.name} -p \'{{"spec":{{"externalName":"HOST"}}}}\''),
                text("HOST: a DNS name of {target}", target=target),
            ),
        )
    same = f"{s.name}.{s.namespace}.svc"
    if target.rstrip(".").startswith(same):
        return fault(
            looked_at, text("externalName {target} is the Service's own name, so the alias never ends", target=target)
        )
    if spec.ports:
        given = ", ".join(str(port.port) for port in spec.ports)
        return note(
            looked_at,
            text(
                "type ExternalName ignores ports ({given}): the name is an alias in DNS for {target}, "
                "and clients connect to the port that they name themselves",
                given=given,
                target=target,
            ),
            text("HTTP and TLS servers may also refuse the alias, because the client sends it as Host and server name"),
        )
    if spec.selector:
        return note(
            looked_at,
            text("type ExternalName ignores the selector: the name is an alias in DNS for {target}", target=target),
        )
    return ok(looked_at)
