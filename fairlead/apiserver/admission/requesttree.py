"""The `AdmissionRequest` of a request: what webhooks are asked and what expressions of policies read. Pure."""

from __future__ import annotations

from fairlead.apiserver.admission.bodies import Bodies, Tree, options_tree
from fairlead.apiserver.admission.matching import ResourceVersionKind, namespace_of
from fairlead.apiserver.admission.plugin import Attributes
from fairlead.apiserver.model import User


def request_tree(attributes: Attributes, bodies: Bodies, version: ResourceVersionKind) -> Tree:
    """Returns the `AdmissionRequest` without its uid; policies read the same tree."""
    requested, body = bodies.requested, version.body
    tree: Tree = {
        "uid": "",
        "kind": body.tree(),
        "resource": version.resource_tree(),
        "requestKind": requested.body.tree(),
        "requestResource": requested.resource_tree(),
    }
    if attributes.subresource:
        tree["subResource"] = tree["requestSubResource"] = attributes.subresource
    if name := attributes.object_name:
        tree["name"] = name
    if namespace := namespace_of(attributes):
        tree["namespace"] = namespace
    return tree | {
        "operation": attributes.operation,
        "userInfo": user_tree(attributes.user),
        "dryRun": attributes.dry_run,
        "options": options_tree(attributes),
    }


def user_tree(user: User) -> Tree:
    """Returns the user as a `UserInfo`."""
    tree: Tree = {"username": user.name}
    if user.uid:
        tree["uid"] = user.uid
    if user.groups:
        tree["groups"] = list(user.groups)
    if user.extra:
        tree["extra"] = {key: list(values) for key, values in user.extra.items()}
    return tree
