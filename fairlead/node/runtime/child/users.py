"""The user of a container, looked up in the container's own /etc/passwd and /etc/group.

Runs in the container's root, in a forked child of the zygote: standard library only. The files are the image's, so they
may be anything: they are read up to a bound, a pipe is not waited for, and no link leads out of the root (`safepath`).
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.dataclass import dataclass, replace
from fairlead.base.numbers import natural
from fairlead.node.runtime.child.entrypoint import user_of_entrypoint
from fairlead.node.runtime.files.safepath import read_file
from fairlead.node.runtime.protocol.containerspec import ContainerSpec, User

_LONGEST = 1 << 20
_LARGEST_ID = 0xFFFFFFFE


class UserProblem(Exception):
    """The user cannot be found; the text is for the pod's events."""


@dataclass(frozen=True, slots=True)
class _Account:
    name: str
    uid: int
    gid: int
    home: str


def resolved(spec: ContainerSpec) -> ContainerSpec:
    """Returns the spec with the ids of its user, and HOME in its environment. Raises UserProblem."""
    process = spec.process
    if spec.image_root is None and spec.host_root is None:
        return spec
    user, home = lookup(process.user, _read("/etc/passwd"), _read("/etc/group"))
    return replace(spec, process=replace(process, user=user, env={"HOME": home, **process.env}))


def without_root(spec: ContainerSpec) -> ContainerSpec:
    """Returns the spec of a container's first program with the user to whom its entry point changes, if the container
    cannot change ids itself."""
    process = spec.process
    if not spec.single_id or process.user.uid or (spec.image_root is None and spec.host_root is None):
        return spec
    name = user_of_entrypoint(process.args, process.env)
    passwd, group = _read("/etc/passwd"), _read("/etc/group")
    if not name or (_id(name) is None and name not in (account.name for account in _accounts(passwd))):
        return spec
    user, _ = lookup(User(name=name, additional_gids=process.user.additional_gids), passwd, group)
    return replace(spec, process=replace(process, user=user))


def lookup(user: User, passwd: str, group: str) -> tuple[User, str]:
    """Returns the user by numbers, and the home directory. The supplementary groups are those given and those in which
    the image lists the user."""
    name, _, group_name = (user.name or f"{user.uid}:{user.gid}").partition(":")
    number = _id(name)
    accounts = list(_accounts(passwd))
    account = next((a for a in accounts if a.name == name), None)
    if account is None and number is not None:
        account = next((a for a in accounts if a.uid == number), None)
    if account is None and number is None:
        raise UserProblem(f"unable to find user {name}: no matching entries in passwd file")
    uid = account.uid if account else number or 0
    gid = _group(group_name, group) if group_name else (account.gid if account else 0)
    groups = dict.fromkeys(user.additional_gids)
    if account is not None and not user.only_given:
        groups |= dict.fromkeys(_memberships(account.name, group))
    return User(uid=uid, gid=gid, additional_gids=tuple(groups)), (account.home if account else "") or "/"


def _group(name: str, group: str) -> int:
    for fields in _lines(group, 3):
        if fields[0] == name and (gid := _id(fields[2])) is not None:
            return gid
    number = _id(name)
    if number is None:
        raise UserProblem(f"unable to find group {name}: no matching entries in group file")
    return number


def _memberships(name: str, group: str) -> Iterator[int]:
    for fields in _lines(group, 4):
        gid = _id(fields[2])
        if gid is not None and name in fields[3].split(","):
            yield gid


def _accounts(passwd: str) -> Iterator[_Account]:
    for fields in _lines(passwd, 6):
        uid, gid = _id(fields[2]), _id(fields[3])
        if uid is not None and gid is not None:
            yield _Account(fields[0], uid, gid, fields[5])


def _lines(text: str, least: int) -> Iterator[list[str]]:
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) >= least and not line.startswith("#"):
            yield fields


def _id(text: str) -> int | None:
    number = natural(text)
    return number if number is not None and number <= _LARGEST_ID else None


def _read(path: str) -> str:
    """Returns the file's text; empty if it is missing or not a file."""
    return read_file(path, _LONGEST).decode(errors="replace")
