"""The list of home folders."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from fairlead.cmd.wiring.homes import home_folders, outer_id
from tests.net.sandbox import as_any_user, in_sandbox

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
me:x:1000:1000:Me:/data/me:/bin/sh
odd:x:1001:1001::/:/bin/sh
nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin
+::::::
"""


def test_persons_homes_and_the_variables_are_found_and_system_folders_are_not(tmp_path: Path) -> None:
    file = tmp_path / "passwd"
    file.write_text(PASSWD)
    own = pwd.getpwuid(os.getuid()).pw_dir
    found = home_folders({"HOME": "/elsewhere"}, passwd=str(file))
    assert set(found) == {"/root", "/data/me", "/elsewhere", own}
    for useless in ("/", "/usr/", "relative", ""):
        assert set(home_folders({"HOME": useless}, passwd=f"{tmp_path}/none")) == {own}


@as_any_user
def test_the_users_id_is_known_inside_of_a_namespace_that_shows_it_as_root(ordinary: bool) -> None:
    outside = 65534 if ordinary and os.getuid() == 0 else os.getuid()
    assert in_sandbox(lambda: (os.getuid(), outer_id()), ordinary=ordinary) == (0, outside)
