"""The variables of expressions in CEL for one request, and their evaluation within a budget.

What must stay true: nothing is converted or looked up before an expression needs it. Checks by `authorizer` are
synchronous in CEL: an authorizer decides from caches, so its coroutine ends without waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.apiserver.admission.bodies import Bodies, Tree
from fairlead.apiserver.admission.matching import ResourceVersionKind, is_namespace
from fairlead.apiserver.admission.plugin import Attributes
from fairlead.apiserver.admission.requesttree import request_tree
from fairlead.apiserver.auth.authorization import Authorizer, Decision
from fairlead.apiserver.model import User
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.kinds.decode import to_tree

if TYPE_CHECKING:
    from fairlead.cel.environment import Program
    from fairlead.cel.libraries.authorization import Request

BUDGET = 10_000_000
"""The cost of all expressions of one policy for one request (upstream's `RuntimeCELCostBudget`)."""
CONDITIONS_BUDGET = 2_500_000
_PER_CALL = 1_000_000
_SERVICE_ACCOUNT = "system:serviceaccount:"


class ExpressionError(Exception):
    """An expression was evaluated without a result; the text is upstream's."""


class Budget:
    """The cost that is left for the expressions of one policy."""

    def __init__(self, cost: int) -> None:
        self._left = cost

    def evaluate(self, program: Program, variables: Mapping[str, Any]) -> Any:
        """Returns the value of an expression. Raises ExpressionError."""
        from fairlead.cel.environment import CostExceededError, EvaluationError

        limit = min(_PER_CALL, self._left)
        try:
            value, cost = program.evaluate_counting(variables, limit=limit)
        except CostExceededError as e:
            if limit < _PER_CALL:
                text = "validation failed due to running out of cost budget, no further validation rules will be run"
                raise ExpressionError(text) from e
            raise ExpressionError(_text(program, str(e))) from e
        except EvaluationError as e:
            raise ExpressionError(_text(program, str(e))) from e
        self._left -= cost
        return value


def _text(program: Program, why: str) -> str:
    return f"expression '{program.source}' resulted in error: {why}"


class Evaluations:
    """Makes the variables of requests."""

    def __init__(self, resources: Resources, authorizer: Authorizer) -> None:
        self._namespaces = resources.of(NAMESPACE).cache
        self._authorizer = authorizer

    def variables(self, attributes: Attributes, bodies: Bodies, version: ResourceVersionKind) -> dict[str, Any]:
        """Returns the variables for one version of the resource; functions are called when a value is needed."""
        from fairlead.cel.libraries.authorization import Authorizer as CelAuthorizer
        from fairlead.cel.libraries.authorization import Request, ResourceCheck

        kind = attributes.kind
        requested = Request(
            group=kind.group,
            resource=kind.plural,
            subresource=attributes.subresource,
            namespace=attributes.namespace,
            name=attributes.object_name,
        )

        def check(request: Request) -> Any:
            return _check(self._authorizer, attributes.user, request)

        return {
            "object": _once(lambda: bodies.new(version)),
            "oldObject": _once(lambda: bodies.old(version)),
            "request": _once(lambda: request_tree(attributes, bodies, version)),
            "namespaceObject": _once(lambda: self._namespace(attributes)),
            "authorizer": CelAuthorizer(check),
            "authorizer.requestResource": ResourceCheck(check, requested),
        }

    def _namespace(self, attributes: Attributes) -> Tree | None:
        from fairlead.cel.values import parse_timestamp

        entry = self._namespaces.get(attributes.namespace) if not is_namespace(attributes.kind) else None
        if entry is None:
            return None
        tree: Tree = to_tree(entry.decode())
        metadata = tree["metadata"]
        metadata["UID"] = metadata.pop("uid", "")
        for name in ("creationTimestamp", "deletionTimestamp"):
            if metadata.get(name):
                metadata[name] = parse_timestamp(metadata[name])
        return tree


class LazyVariables(Mapping[str, Any]):
    """The variables of a policy, each of which is evaluated at its first use."""

    def __init__(self, programs: Mapping[str, Program], scope: dict[str, Any], budget: Budget) -> None:
        self._programs = programs
        self._scope = scope
        self._budget = budget
        self._values: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            from fairlead.cel.environment import EvaluationError

            try:
                self._values[name] = self._budget.evaluate(self._programs[name], self._scope)
            except ExpressionError as e:
                raise EvaluationError(f'composited variable "{name}" fails to evaluate: {e}') from e
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._programs)

    def __len__(self) -> int:
        return len(self._programs)


def _once(make: Callable[[], Any]) -> Callable[[], Any]:
    """Returns a function that calls `make` at most once."""
    made: list[Any] = []

    def value() -> Any:
        if not made:
            made.append(make())
        return made[0]

    return value


def _check(authorizer: Authorizer, user: User, request: Request) -> Any:
    from fairlead.cel.libraries.authorization import Decision as CelDecision

    if request.service_account is not None:
        namespace, name = request.service_account
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        user = User(f"{_SERVICE_ACCOUNT}{namespace}:{name}", groups)
    decision = _result(authorizer, user, _info(request))
    return CelDecision(decision.allowed, decision.reason)


def _info(request: Request) -> RequestInfo:
    if request.path:
        return RequestInfo(method=request.verb.upper(), path=request.path, verb=request.verb)
    return RequestInfo(
        method="",
        path="",
        verb=request.verb,
        is_resource_request=True,
        api_group=request.group,
        api_version="*",
        namespace=request.namespace,
        resource=request.resource,
        subresource=request.subresource,
        name=request.name,
        field_selector=request.field_selector,
        label_selector=request.label_selector,
    )


def _result(authorizer: Authorizer, user: User, info: RequestInfo) -> Decision:
    """Returns the decision of an authorizer, whose coroutine must end without waiting."""
    running = authorizer.authorize(user, info)
    try:
        running.send(None)
    except StopIteration as ended:
        decision: Decision = ended.value
        return decision
    running.close()
    return Decision("no opinion", "the authorizer needs more time than an expression may take")


def plain(value: Any) -> Any:
    """Returns the result of an expression as a JSON value."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return str(value)
