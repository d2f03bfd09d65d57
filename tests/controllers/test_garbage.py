from __future__ import annotations

import msgspec

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.meta.types import ObjectMeta, OwnerReference
from fairlead.controllers.cluster.garbage.plan import (
    FOREGROUND,
    ORPHAN,
    Item,
    is_misplaced,
    is_named_by,
    misplaced_warning,
    reconcile,
    waiting_for,
)

WHEN = "2024-01-01T00:00:00Z"


def item(name: str, *owners: str, finalizers: tuple[str, ...] = (), leaving: bool = False, blocks: bool = True) -> Item:
    references = [
        OwnerReference(kind="ConfigMap", apiVersion="v1", name=o, uid=o, blockOwnerDeletion=blocks) for o in owners
    ]
    meta = ObjectMeta(
        name=name,
        namespace="default",
        uid=name,
        resourceVersion="5",
        ownerReferences=references,
        finalizers=list(finalizers),
        deletionTimestamp=WHEN if leaving else None,
    )
    return Item(CONFIG_MAP, ConfigMap(metadata=meta))


LEAVING = item("o", finalizers=(FOREGROUND,), leaving=True).meta


def test_without_any_owner_left_an_object_goes() -> None:
    (delete,) = reconcile(item("x", "a", "b"), {"a": None, "b": None}, []).delete
    assert (delete.obj.metadata.name, delete.propagation) == ("x", "Background")


def test_with_an_owner_left_only_the_dead_reference_goes() -> None:
    plan = reconcile(item("x", "a", "b"), {"a": None, "b": item("b").meta}, [])
    assert not plan.delete
    assert [ref["uid"] for ref in plan.patch[0].patch["metadata"]["ownerReferences"]] == ["b"]
    assert plan.patch[0].patch["metadata"]["resourceVersion"] == "5"


def test_an_object_whose_owner_has_an_unknown_kind_is_kept() -> None:
    assert not reconcile(item("x", "a"), {}, [])
    assert not reconcile(item("x"), {}, [])


def test_what_a_leaving_owner_waits_for_goes_and_takes_its_own_along() -> None:
    assert reconcile(item("x", "o"), {"o": LEAVING}, []).delete[0].propagation == "Background"
    assert reconcile(item("x", "o"), {"o": LEAVING}, [item("y", "x")]).delete[0].propagation == "Foreground"


def test_a_foreground_deletion_waits_for_what_blocks_it() -> None:
    owner = item("o", finalizers=("other", FOREGROUND), leaving=True)
    assert not reconcile(owner, {}, [item("x", "o", leaving=True)])
    plan = reconcile(owner, {}, [item("x", "o", blocks=False)])
    assert plan.patch[0].patch["metadata"]["finalizers"] == ["other"]


def test_an_orphaning_deletion_first_lets_go_of_everything() -> None:
    owner = item("o", finalizers=(ORPHAN,), leaving=True)
    plan = reconcile(owner, {}, [item("x", "o", "p"), item("y", "o")])
    assert [(p.name, p.patch["metadata"]["ownerReferences"]) for p in plan.patch][1] == ("y", None)
    assert reconcile(owner, {}, []).patch[0].patch["metadata"]["finalizers"] is None


def test_a_circle_in_which_all_wait_for_one_another_is_cut() -> None:
    def leaving(name: str, owner: str, *, blocks: bool = True) -> Item:
        return item(name, owner, finalizers=(FOREGROUND,), leaving=True, blocks=blocks)

    def waits(of: Item, *others: Item) -> set[str]:
        every = [of, *others]
        return waiting_for(of, lambda i: [d for d in every if i.meta.uid in {r.uid for r in d.meta.ownerReferences}])

    a, b, c = leaving("a", "c"), leaving("b", "a"), leaving("c", "b")
    assert waits(a, b, c) == {"b"}
    assert reconcile(a, {}, [b], circular=waits(a, b, c)).patch[0].patch["metadata"]["finalizers"] is None
    itself = leaving("s", "s")
    assert waits(itself) == {"s"}
    assert waits(a, b, item("c", "b")) == set(), "one that is not leaving yet does not wait"
    assert waits(leaving("a", "c", blocks=False), b, c) == set(), "c does not wait for what does not block it"
    assert waits(item("a", "c"), b, c) == set()


def test_a_reference_names_an_owner_by_all_its_fields() -> None:
    owner, dependent = item("o"), item("x", "o")
    (ref,) = dependent.meta.ownerReferences
    assert is_named_by(owner, ref, dependent)
    for other in ({"name": "p"}, {"kind": "Secret"}, {"apiVersion": "apps/v1"}):
        assert not is_named_by(owner, msgspec.structs.replace(ref, **other), dependent)


def test_an_owner_in_another_namespace_is_misplaced_and_a_cluster_scoped_one_never_is() -> None:
    elsewhere = Item(CONFIG_MAP, ConfigMap(metadata=ObjectMeta(name="x", namespace="other")))
    everywhere = Item(NODE, Node(metadata=ObjectMeta(name="x")))
    assert is_misplaced(item("o"), elsewhere)
    assert is_misplaced(item("o"), everywhere)
    assert not is_misplaced(everywhere, elsewhere)


def test_the_warning_about_a_misplaced_owner_names_the_dependents_namespace() -> None:
    dependent = item("x", "o")
    (ref,) = dependent.meta.ownerReferences
    text = 'ownerRef [v1/ConfigMap, namespace: default, name: o, uid: o] does not exist in namespace "default"'
    assert misplaced_warning(dependent, ref).message == text
