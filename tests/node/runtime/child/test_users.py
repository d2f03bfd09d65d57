"""The user of an image, by the image's own tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.node.runtime.child.users import UserProblem, lookup
from fairlead.node.runtime.protocol.containerspec import User

PASSWD = """root:x:0:0:root:/root:/bin/sh
# no line
web:x:101:102:web:/www:/bin/sh
odd:x:a:b:::
short:x:1
500:x:7:7::/h:
"""
GROUP = "root:x:0:\nweb:x:102:\nextra:x:555:web,other\nwheel:x:10:root\n"


@pytest.mark.parametrize(
    ("name", "ids", "home"),
    [
        ("web", (101, 102, (555,)), "/www"),
        ("101", (101, 102, (555,)), "/www"),
        ("web:wheel", (101, 10, (555,)), "/www"),
        ("web:77", (101, 77, (555,)), "/www"),
        ("4000", (4000, 0, ()), "/"),
        ("4000:web", (4000, 102, ()), "/"),
        ("0", (0, 0, (10,)), "/root"),
        ("500", (7, 7, ()), "/h"),
    ],
)
def test_a_user_is_found_by_name_or_number(name: str, ids: tuple[int, int, tuple[int, ...]], home: str) -> None:
    user, where = lookup(User(name=name), PASSWD, GROUP)
    assert (user.uid, user.gid, user.additional_gids, where) == (*ids, home)


def test_the_manifests_groups_are_added() -> None:
    user, _ = lookup(User(name="web", additional_gids=(9, 555)), PASSWD, GROUP)
    assert user.additional_gids == (9, 555)


@pytest.mark.parametrize(
    ("name", "why"),
    [("nope", "unable to find user nope"), ("web:nope", "unable to find group nope"), ("short", "unable to find user")],
)
def test_an_unknown_user_is_an_error(name: str, why: str) -> None:
    with pytest.raises(UserProblem, match=why):
        lookup(User(name=name), PASSWD, GROUP)


def test_an_image_without_tables_has_users_by_number_only() -> None:
    assert lookup(User(name="5:6"), "", "") == (User(uid=5, gid=6), "/")
    with pytest.raises(UserProblem):
        lookup(User(name="web"), "", "")


def test_a_strict_policy_leaves_out_the_images_members() -> None:
    passwd, group = "web:x:33:33::/srv:/bin/sh\n", "web:x:33:\nlogs:x:44:web\n"
    given = User(name="web", additional_gids=(7,))
    assert lookup(given, passwd, group)[0].additional_gids == (7, 44)
    assert lookup(replace(given, only_given=True), passwd, group)[0].additional_gids == (7,)
