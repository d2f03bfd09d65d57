"""The watch cache's order of keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.meta.types import ObjectMeta
from fairlead.apiserver.watchcache.cache import KindCache
from fairlead.store.model import Change

_KEYS = st.builds("{}/{}".format, st.sampled_from(["a", "a-b", "b"]), st.integers(0, 120))
_STEPS = st.lists(st.tuples(st.sampled_from(["put"] * 6 + ["drop", "look"]), _KEYS), max_size=200)


@given(_STEPS)
def test_lists_are_in_key_order_after_any_changes(steps: list[tuple[str, str]]) -> None:
    cache = KindCache(CONFIG_MAP)
    there: set[str] = set()
    for revision, (what, key) in enumerate(steps, 1):
        namespace, _, name = key.partition("/")
        if what == "put":
            value = cache.form.stored(ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace)))
            cache.apply(key, Change(key, revision, value))
            there.add(key)
        elif what == "drop" and key in there:
            cache.apply(key, Change(key, revision, None))
            there.discard(key)
        elif what == "look":
            _same(cache, there)
    _same(cache, there)


def _same(cache: KindCache, there: set[str]) -> None:
    assert [entry.key for entry in cache.select()] == sorted(there)
    for namespace in ("a", "a-b", "b", "c"):
        mine = [key for key in sorted(there) if key.startswith(f"{namespace}/")]
        assert [entry.key for entry in cache.select(namespace)] == mine
    assert len(cache) == len(there)
