"""The Services and slices that followers of the API see: those whose traffic nodes carry."""

from __future__ import annotations

import pytest

from fairlead.runtime.services import ServiceView
from fairlead.service.wellknown import HEADLESS_LABEL, PROXY_NAME_LABEL
from tests.proxy.objects import service, slice_of

KEY, PIECE = "default/web", "default/web-1"
LABELS = pytest.mark.parametrize("label", [HEADLESS_LABEL, PROXY_NAME_LABEL])


@LABELS
def test_a_service_with_the_label_has_no_rules_until_the_label_is_removed(label: str) -> None:
    view = ServiceView()
    plain, labelled = service(), service()
    labelled.metadata.labels = {label: ""}
    view.service_changed(KEY, None, plain)
    view.drain()
    view.service_changed(KEY, plain, labelled)
    assert (view.service(KEY), view.keys(), view.drain()) == (None, [], {KEY})
    view.service_changed(KEY, labelled, plain)
    assert (view.service(KEY), view.drain()) == (plain, {KEY})


@LABELS
def test_a_slice_with_the_label_has_no_rules_until_the_label_is_removed(label: str) -> None:
    view = ServiceView()
    plain, labelled = slice_of("10.244.1.2"), slice_of("10.244.1.2")
    labelled.metadata.labels = plain.metadata.labels | {label: "any"}
    view.slice_changed(PIECE, None, labelled)
    assert [*view.slices(KEY)] == []
    view.slice_changed(PIECE, labelled, plain)
    assert ([*view.slices(KEY)], view.drain()) == ([plain], {KEY})
    view.slice_changed(PIECE, plain, labelled)
    assert ([*view.slices(KEY)], view.drain()) == ([], {KEY})
    view.slice_changed(PIECE, labelled, None)
    assert [*view.slices(KEY)] == []
