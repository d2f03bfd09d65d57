from __future__ import annotations

import dataclasses

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.api.apps.deployment.kind import Deployment
from fairlead.api.apps.replicaset.kind import ReplicaSet
from fairlead.base.instant import Instant
from fairlead.controllers.workloads.deployment.plan import reconcile
from fairlead.controllers.workloads.deployment.revisions import REVISION
from fairlead.controllers.workloads.deployment.scaling import bounds_of, size_of
from fairlead.controllers.workloads.hashing import template_hash
from fairlead.runtime.plan import Plan
from tests.controllers.applying import applied
from tests.controllers.factories import NOW, deployment, template


@dataclasses.dataclass
class Rollout:
    """A Deployment with its sets; sets reach their size step by step, as pods would."""

    d: Deployment
    sets: list[ReplicaSet] = dataclasses.field(default_factory=list)
    now: Instant = NOW
    log: list[str] = dataclasses.field(default_factory=list)

    def plan(self) -> Plan:
        pods = {rs.metadata.uid: rs.status.replicas for rs in self.sets}
        return reconcile(self.d, self.sets, pods, now=self.now)

    def step(self) -> Plan:
        plan = self.plan()
        self.sets = applied(plan, self.sets, ReplicaSet)
        for update in plan.update:
            obj = update.obj
            assert isinstance(obj, ReplicaSet)
            obj.metadata.generation += 1
        self.d = applied(plan, [self.d], Deployment)[0]
        for patch in plan.patch:
            assert patch.name == self.d.metadata.name
            assert patch.subresource == "status", "otherwise the annotation would count as a new generation"
            self.d.metadata.annotations |= patch.patch["metadata"]["annotations"]
        notes = [c.done for c in plan.create] + [u.done for u in plan.update]
        self.log += [note.message for note in notes if note is not None]
        return plan

    def pods_move(self, most: int = 1000) -> None:
        """Each set comes nearer to its size by `most` pods, and all of those are ready."""
        for rs in self.sets:
            have, want = rs.status.replicas, size_of(rs)
            count = max(want, have - most) if want < have else min(want, have + most)
            rs.status = msgspec.structs.replace(
                rs.status,
                replicas=count,
                readyReplicas=count,
                availableReplicas=count,
                observedGeneration=rs.metadata.generation,
            )

    def settle(self, most: int = 1000) -> None:
        for _ in range(200):
            if not self.step() and all(rs.status.replicas == size_of(rs) for rs in self.sets):
                return
            self.pods_move(most)
        raise AssertionError("never comes to rest")

    def set_template(self, image: str) -> None:
        self.d.spec.template = template(image)
        self.d.metadata.generation += 1

    @property
    def sizes(self) -> dict[str, int]:
        return {rs.spec.template.spec.containers[0].image.rpartition(":")[2]: size_of(rs) for rs in self.sets}


def rollout(**fields: object) -> Rollout:
    made = Rollout(deployment(**fields))  # type: ignore[arg-type]
    made.d.metadata.uid = "uid-d"
    made.settle()
    return made


def test_surge_rounds_up_and_unavailable_rounds_down() -> None:
    def bounds(replicas: int, surge: int | str, unavailable: int | str) -> tuple[int, int]:
        found = bounds_of(deployment(replicas=replicas, surge=surge, unavailable=unavailable))
        return found.surge, found.unavailable

    assert bounds(10, "25%", "25%") == (3, 2)
    assert bounds(3, "25%", "25%") == (1, 0)
    assert bounds(10, 0, 0) == (0, 1)
    assert bounds(1, "0%", "10%") == (0, 1)
    assert bounds(4, 2, 9) == (2, 4)


def test_names_are_made_of_the_template_alone_in_letters_that_form_no_words() -> None:
    same, other = template_hash(template(), 0), template_hash(template("nginx:1.15"), 0)
    assert same == template_hash(template(), 0)
    assert len({same, other, template_hash(template(), 1)}) == 3
    assert set(same) <= set("bcdfghjklmnpqrstvwxz2456789")


def test_a_name_that_is_taken_counts_as_a_collision_and_the_next_is_tried() -> None:
    r = Rollout(deployment())
    stranger = r.plan().create[0].obj
    assert isinstance(stranger, ReplicaSet)
    stranger = msgspec.structs.replace(stranger, metadata=msgspec.structs.replace(stranger.metadata, uid="other"))
    stranger.metadata.ownerReferences = [msgspec.structs.replace(stranger.metadata.ownerReferences[0], uid="other")]
    r.d.metadata.uid = "uid-d"
    r.sets = [stranger]
    r.step()
    assert r.d.status.collisionCount == 1
    assert r.step().create[0].obj.metadata.name != stranger.metadata.name


def test_the_events_of_a_rollout_show_each_step() -> None:
    r = rollout(replicas=3)
    r.log.clear()
    old = r.sets[0].metadata.name
    r.set_template("nginx:1.15")
    r.settle()
    new = next(rs.metadata.name for rs in r.sets if rs.metadata.name != old)
    assert r.log == [
        f"Scaled up replica set {new} from 0 to 1",
        f"Scaled down replica set {old} from 3 to 2",
        f"Scaled up replica set {new} from 1 to 2",
        f"Scaled down replica set {old} from 2 to 1",
        f"Scaled up replica set {new} from 2 to 3",
        f"Scaled down replica set {old} from 1 to 0",
    ]
    assert r.d.metadata.annotations[REVISION] == "2"


def test_scaling_in_mid_rollout_shares_in_proportion() -> None:
    r = rollout(replicas=10, surge=3, unavailable=2)
    r.set_template("nginx:1.15")
    r.step()
    r.step()
    r.step()
    assert r.sizes == {"1.14": 8, "1.15": 5}
    r.d.spec.replicas = 15
    r.step()
    assert r.sizes == {"1.14": 11, "1.15": 7}


def test_a_saturated_new_set_leaves_nothing_to_old_ones() -> None:
    r = rollout(replicas=4)
    r.set_template("nginx:1.15")
    r.settle()
    r.d.spec.replicas = 0
    r.settle()
    assert r.sizes == {"1.14": 0, "1.15": 0}
    r.d.spec.replicas = 2
    r.settle()
    assert r.sizes == {"1.14": 0, "1.15": 2}


def test_annotations_of_the_deployment_go_to_the_current_set_but_not_its_bookkeeping() -> None:
    r = Rollout(deployment())
    r.d.metadata.annotations = {
        "kubernetes.io/change-cause": "first",
        "kubectl.kubernetes.io/last-applied-configuration": "x",
    }
    r.settle()
    annotations = r.sets[0].metadata.annotations
    assert annotations["kubernetes.io/change-cause"] == "first"
    assert "kubectl.kubernetes.io/last-applied-configuration" not in annotations


def test_the_deadline_is_checked_when_it_is_reached() -> None:
    r = rollout(replicas=2, progressDeadlineSeconds=60)
    r.set_template("nginx:1.15")
    for _ in range(6):
        wait = r.step().retry_after
    assert wait == 61
    r.now = Instant(NOW + 61)
    r.step()
    assert [c.reason for c in r.d.status.conditions if c.type == "Progressing"] == ["ProgressDeadlineExceeded"]
    r.pods_move()
    r.settle()
    assert [c.reason for c in r.d.status.conditions if c.type == "Progressing"] == ["NewReplicaSetAvailable"]


AMOUNT = st.one_of(st.integers(0, 5), st.sampled_from(["0%", "25%", "50%", "100%"]))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 12),
    AMOUNT,
    AMOUNT,
    st.sampled_from(["RollingUpdate", "Recreate"]),
    st.lists(st.one_of(st.integers(0, 12), st.sampled_from(["a", "b", "c"])), max_size=4),
    st.integers(1, 3),
)
def test_every_history_of_changes_converges_on_the_last_spec(
    replicas: int, surge: int | str, unavailable: int | str, strategy: str, changes: list[int | str], pace: int
) -> None:
    r = rollout(replicas=replicas, surge=surge, unavailable=unavailable, strategy=strategy)
    image = "1.14"
    for change in changes:
        if isinstance(change, int):
            r.d.spec.replicas = replicas = change
        else:
            image = change
            r.set_template(f"nginx:{image}")
        for _ in range(3):
            r.step()
            r.pods_move(pace)
    r.settle(pace)
    assert {name: size for name, size in r.sizes.items() if size} == ({image: replicas} if replicas else {})
    assert not r.plan()
    assert not reconcile(r.d, r.sets[::-1], {}, now=r.now)
    status = r.d.status
    assert (status.replicas, status.updatedReplicas, status.availableReplicas) == (replicas,) * 3


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), AMOUNT, AMOUNT, st.integers(1, 3))
def test_a_rollout_never_leaves_its_bounds(replicas: int, surge: int | str, unavailable: int | str, pace: int) -> None:
    r = rollout(replicas=replicas, surge=surge, unavailable=unavailable)
    bounds = bounds_of(r.d)
    r.set_template("nginx:1.15")
    for _ in range(60):
        r.step()
        assert sum(size_of(rs) for rs in r.sets) <= bounds.most
        r.pods_move(pace)
        assert sum(rs.status.availableReplicas for rs in r.sets) >= bounds.fewest
    assert r.sizes["1.15"] == replicas
