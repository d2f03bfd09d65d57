"""Generic code knows no particular kind: what is particular to a kind is a field of its `Kind`."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Set
from importlib import import_module
from pathlib import Path

import pytest

from fairlead.api.kinds import KINDS
from fairlead.proxy.settings.modes import MODES

ROOT = Path(__file__).parent.parent / "fairlead"
GENERIC = (
    "machinery",
    "apiserver/admission/chain.py",
    "apiserver/admission/plugin.py",
    "apiserver/core.py",
    "apiserver/background/inert.py",
    "apiserver/local.py",
    "runtime/apply.py",
    "runtime/client.py",
    "runtime/fake.py",
    "runtime/informer.py",
    "runtime/typed.py",
    "apiserver/background/expiry.py",
    "apiserver/registry",
    "apiserver/serialization",
    "apiserver/watchcache",
    "apiserver/documents.py",
    "controllers/cluster/cachedkinds.py",
    "controllers/cluster/garbage",
    "controllers/cluster/partial.py",
)
"""Folders and files of code that treats all kinds alike."""
OWN_BODIES = {
    "apiserver/registry/reviews.py": "the answers of the review kinds",
    "apiserver/registry/subresources/binding.py": "a subresource of Pods",
    "apiserver/registry/subresources/eviction.py": "a subresource of Pods",
    "apiserver/registry/subresources/budgets.py": "what evictions of Pods ask",
    "apiserver/registry/subresources/finalize.py": "a subresource of Namespaces",
}
"""Modules of these folders that are about particular kinds, and why."""
NAMES = {name for kind in KINDS for name in (kind.kind, kind.plural, kind.resource)}
IDENTIFYING = {"kind", "plural", "resource", "singular", "group"}


def modules() -> Iterator[Path]:
    for name in GENERIC:
        path = ROOT / name
        found = [path] if path.suffix else sorted(path.rglob("*.py"))
        assert found, name
        yield from (path for path in found if str(path.relative_to(ROOT)) not in OWN_BODIES)


def kind_tests(tree: ast.AST) -> Iterator[str]:
    """Yields the comparisons with a particular kind: with a constant of one (`kind is POD`), or with its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fairlead.api.kinds"):
            yield f"line {node.lineno}: imports the list of kinds"
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fairlead.api."):
            for name in node.names:
                if name.name in declarations():
                    yield f"line {node.lineno}: imports the kind {name.name}"
        if isinstance(node, ast.Compare) and _names_a_kind([node.left, *node.comparators]):
            yield f"line {node.lineno}: {ast.unparse(node)}"


@functools.cache
def declarations() -> set[str]:
    """Returns the names of the constants that hold the built-in kinds."""
    found = set()
    for kind in KINDS:
        package = kind.type.__module__.rpartition(".")[0]
        for module in (import_module(package), import_module(f"{package}.kind")):
            found |= {name for name, value in vars(module).items() if value is kind}
    return found


def kind_comparisons(tree: ast.AST) -> Iterator[str]:
    """Yields the comparisons with a constant that holds a built-in kind, except those of admission plug-ins."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "AdmissionPlugin" for base in node.bases):
            continue
        yield from kind_comparisons(node)
        if isinstance(node, ast.Compare):
            operands = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
            if any(isinstance(part, ast.Name) and part.id in declarations() for part in operands):
                yield f"line {node.lineno}: {ast.unparse(node)}"


def _names_a_kind(sides: list[ast.expr]) -> bool:
    reads = any(isinstance(side, ast.Attribute) and side.attr in IDENTIFYING for side in sides)
    texts = {node.value for side in sides for node in ast.walk(side) if isinstance(node, ast.Constant)}
    groups = {kind.group for kind in KINDS if kind.group}
    return reads and bool(texts & (NAMES | groups))


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_generic_module_tests_for_no_particular_kind(path: Path) -> None:
    assert list(kind_tests(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.slow
def test_the_api_server_compares_with_a_particular_kind_in_admission_plugins_only() -> None:
    """Plug-ins are about particular kinds by their nature; a subresource is dispatched by what the kind declares."""
    found = {
        str(path.relative_to(ROOT)): comparisons
        for path in [*ROOT.glob("apiserver/**/*.py"), *ROOT.glob("runtime/**/*.py"), *ROOT.glob("cli/**/*.py")]
        if not path.is_relative_to(ROOT / "apiserver/admission")
        and (comparisons := list(kind_comparisons(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert found == {}


@pytest.mark.parametrize("text", ["if kind is POD: pass", "if kind in (POD, SERVICE): pass"])
def test_the_check_finds_a_comparison_with_a_kind(text: str) -> None:
    assert list(kind_comparisons(ast.parse(text)))


@pytest.mark.slow
def test_only_the_wiring_uses_the_list_of_built_in_kinds() -> None:
    users = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "fairlead.api.kinds":
                users.add(path.relative_to(ROOT).parts[0])
                assert [name.name for name in node.names] == ["built_in"]
    assert users == {"cmd"}


@pytest.mark.parametrize(
    "text",
    [
        "from fairlead.api.core.pod.kind import POD",
        "from fairlead.api.kinds import KINDS",
        "if kind.kind == 'Deployment': pass",
        "if kind.plural in ('pods', 'services'): pass",
        "if kind.group == 'apps': pass",
    ],
)
def test_the_check_finds_a_test_for_a_particular_kind(text: str) -> None:
    assert list(kind_tests(ast.parse(text)))


SERVICE_TYPES = {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"}


def comparisons(tree: ast.AST, texts: Set[str]) -> Iterator[str]:
    """Yields the comparisons with one of the texts, also by `match` or with a constant of the module."""
    named = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _texts(node.value) & texts
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(
            _texts(side) & texts or (isinstance(side, ast.Name) and side.id in named)
            for side in (node.left, *node.comparators)
        ):
            yield f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.MatchValue) and _texts(node.value) & texts:
            yield f"line {node.lineno}: case {ast.unparse(node)}"


def files_comparing(texts: Set[str], *, but: str) -> dict[str, list[str]]:
    """Returns the comparisons by file. `but`: a pattern of files that may compare."""
    found = {}
    for path in set(ROOT.rglob("*.py")) - set(ROOT.glob(but)):
        code = path.read_text(encoding="utf-8")
        if any(text in code for text in texts) and (those := list(comparisons(ast.parse(code), texts))):
            found[str(path.relative_to(ROOT))] = those
    return found


def _texts(node: ast.AST) -> set[object]:
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


@pytest.mark.slow
def test_only_a_services_own_modules_compare_its_type() -> None:
    """All others ask the predicates of `api/core/service`, so that the meaning of a type stands in one place."""
    assert files_comparing(SERVICE_TYPES, but="api/core/service/*.py") == {}


@pytest.mark.slow
def test_no_module_compares_the_mode_of_the_proxy() -> None:
    """A difference between modes is a field of `ModeFacts`, or an entry of a table by mode."""
    assert files_comparing(set(MODES), but="none") == {}


@pytest.mark.parametrize(
    "text",
    [
        "if spec.type == 'LoadBalancer': pass",
        "if spec['type'] not in ('NodePort', 'LoadBalancer'): pass",
        "PUBLISHED = ('NodePort', 'LoadBalancer')\nif spec.type in PUBLISHED: pass",
        "match spec.type:\n    case 'ExternalName': pass",
    ],
)
def test_the_check_finds_a_comparison_with_a_type_of_services(text: str) -> None:
    assert list(comparisons(ast.parse(text), SERVICE_TYPES))


@pytest.mark.slow
def test_only_the_well_known_names_spell_out_the_labels_of_services() -> None:
    path = ROOT / "service/wellknown.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {name for node in tree.body if isinstance(node, ast.Assign) for name in _names_in(node.value)}
    assert names
    sources = {one: one.read_text(encoding="utf-8") for one in ROOT.rglob("*.py") if one != path}
    assert [str(one.relative_to(ROOT)) for one, text in sources.items() if any(name in text for name in names)] == []


def _names_in(value: ast.expr) -> set[str]:
    """Returns the text of a constant that is the name of a label or an annotation."""
    name = str(value.value) if isinstance(value, ast.Constant) else ""
    return {name} if "/" in name else set()
