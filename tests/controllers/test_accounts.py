"""Each controller writes with the permissions of a service account; without a role, every write is refused."""

from __future__ import annotations

import random

from fairlead.api.kinds import built_in
from fairlead.apiserver.auth.rbac.bootstrap.policy import default_policy
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import SILENT
from fairlead.controllers.context import Context, Settings
from fairlead.controllers.registry import CONTROLLERS
from fairlead.runtime.client import Client
from fairlead.runtime.fake import FakeClient
from fairlead.runtime.informer import InformerSet


def accounts() -> set[str]:
    """Returns the service accounts of all controllers."""
    clock, rng = FakeClock(), random.Random(1)
    ids, names = RandomIds(rng), set[str]()
    client = FakeClient(clock=clock, ids=ids)

    def client_of(account: str) -> Client:
        names.add(account)
        return client

    context = Context(
        client_of=client_of,
        scheme=built_in(),
        informers=InformerSet(client, log=SILENT),
        clock=clock,
        rng=rng,
        ids=ids,
        ca_pem="",
        settings=Settings(),
        log=SILENT,
        started=clock.now(),
    )
    for controller in CONTROLLERS:
        controller(context)
    return names


def test_every_service_account_of_a_controller_has_a_role() -> None:
    bound = {
        subject.name
        for binding in default_policy().cluster_bindings
        for subject in binding.subjects
        if (subject.kind, subject.namespace) == ("ServiceAccount", "kube-system")
    }
    assert len(accounts()) > 20
    assert accounts() <= bound
