"""Host images: which name gets what."""

from __future__ import annotations

import asyncio
from importlib import resources
from pathlib import Path

import pytest

from fairlead.node.images.catalogue import find, parse_catalogue, render_file, repository
from fairlead.node.images.host import HostImages, NoImage

BUILT_IN = resources.files("fairlead.node.images").joinpath("catalogue.toml").read_text()


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("nginx", "nginx"),
        ("nginx:1.14", "nginx"),
        ("docker.io/library/nginx:1.14", "nginx"),
        ("library/nginx", "nginx"),
        ("localhost:5000/team/nginx@sha256:00", "team/nginx"),
        ("registry.example.com:443/a/b:tag", "a/b"),
        ("fairlead/web:v2", "fairlead/web"),
    ],
)
def test_the_name_is_what_is_left_without_registry_and_tag(image: str, expected: str) -> None:
    assert repository(image) == expected


def test_a_plain_name_also_serves_longer_ones_but_not_other_names() -> None:
    entries = parse_catalogue(BUILT_IN)
    for image in ("nginx:1.14", "registry.example.com/team/nginx:2", "docker.io/library/nginx"):
        entry = find(entries, image)
        assert entry is not None
        assert entry.program == "nginx"
    assert find(entries, "nginx-ingress") is None
    assert find(entries, "other/web") is None


def test_programs_with_an_interface_of_their_image_serve_no_longer_names() -> None:
    entries = parse_catalogue(BUILT_IN)
    for image in ("redis:7", "docker.io/library/redis", "mirror.example.com/library/redis:7"):
        assert find(entries, image) is not None
    for image in ("bitnami/redis", "registry.example.com/team/postgres:16", "jenkins/node"):
        assert find(entries, image) is None


def test_a_users_catalogue_comes_first(tmp_path: Path) -> None:
    own = tmp_path / "images.toml"
    own.write_text('[[image]]\nnames = ["nginx", "my-*"]\nprogram = "sh"\nargs = ["sh", "-c", "true"]\n')
    images = HostImages(files=[str(own)], version="9")
    for name in ("nginx:1", "example.com/my-app:3"):
        assert asyncio.run(images.resolve(name)).args == ("sh", "-c", "true")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[image]]\nnames = 'x'\nprogram = 'y'", "image[0].names: expected a list of strings, got a string"),
        ("[[image]]\nnames = ['x']", "image[0]: names and program are required"),
        ("[[image]]\nnames = ['x']\nprogram='y'\nnope=1", "image[0].nope: unknown field"),
        ("[[images]]", "images: unknown field, did you mean image?"),
        ("x =", "is not valid TOML"),
    ],
)
def test_an_error_in_a_catalogue_is_reported_and_other_images_still_work(
    text: str, problem: str, tmp_path: Path
) -> None:
    own = tmp_path / "images.toml"
    own.write_text(text)
    images = HostImages(files=[str(own)], version="9")
    with pytest.raises(NoImage) as caught:
        asyncio.run(images.resolve("example.com/own:1"))
    assert f"add an [[image]] for it to {own} ({own} cannot be used: {problem}" in str(caught.value)
    assert asyncio.run(images.resolve("fairlead/web")).id == "host://fairlead/web/9"


def test_a_catalogue_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    own = tmp_path / "images.toml"
    images = HostImages(files=[str(own)], version="9")
    with pytest.raises(NoImage, match="add an"):
        asyncio.run(images.resolve("mine"))
    own.write_text('[[image]]\nnames = ["mine"]\nprogram = "sh"\n')
    assert asyncio.run(images.resolve("mine")).id == "host://sh"


def test_an_unknown_image_names_the_cure() -> None:
    with pytest.raises(NoImage) as caught:
        asyncio.run(HostImages(files=(), version="9").resolve("example.com/own:1"))
    assert 'no host image serves "example.com/own:1"' in str(caught.value)
    assert all(f" {name}, " in str(caught.value) for name in ("fairlead/web", "nginx", "redis"))


def test_a_missing_program_is_replaced_and_reported(tmp_path: Path) -> None:
    own = tmp_path / "images.toml"
    own.write_text(
        '[[image]]\nnames = ["httpd"]\nprogram = "no-such-httpd"\ninstead = "fairlead/web"\ninstead_args = ["80"]\n'
        '[[image]]\nnames = ["redis"]\nprogram = "no-such-redis"\n'
    )
    images = HostImages(files=[str(own)], version="9")
    found = asyncio.run(images.resolve("httpd:2.4"))
    assert found.source == "is served by fairlead/web 9 (80): no-such-httpd is not installed on the host"
    assert (found.id, found.args) == ("host://fairlead/web/9", ("80",))
    with pytest.raises(NoImage, match="which is not installed on the host: install it"):
        asyncio.run(images.resolve("redis"))


def test_only_known_names_are_filled_into_files() -> None:
    assert render_file("\n$pod $remote_addr ${ip}\n", {"pod": "p", "ip": "1"}) == "p $remote_addr 1\n"


def test_a_program_of_the_host_is_better_than_one_that_answers_like_it() -> None:
    images = HostImages(files=(), version="9")
    assert images.offer("busybox:1.36") == "program"
    assert images.offer("traefik/whoami") == "substitute"
    assert images.offer("example.com/own:1") == ""


def test_every_built_in_entry_can_be_made_or_says_why_not() -> None:
    images, problems = HostImages(files=(), version="9"), []
    for entry in parse_catalogue(BUILT_IN):
        try:
            image = asyncio.run(images.resolve(entry.names[0].replace("*", "")))
        except NoImage as error:
            problems.append(str(error))
        else:
            assert image.id.startswith("host://")
            assert image.command or image.args
    assert all("which is not installed on the host: install it" in problem for problem in problems)


def test_a_web_server_of_a_tutorial_has_its_programs_name_in_the_container() -> None:
    image = asyncio.run(HostImages(files=(), version="9").resolve("registry.k8s.io/e2e-test-images/agnhost:2.53"))
    assert image.source == "is built into fairlead 9 as fairlead/web, which answers like agnhost"
    assert (image.id, image.command, image.args) == ("host://fairlead/web/9/agnhost", ("/agnhost",), ("pause",))
    assert image.files["/agnhost"].endswith('start.py --like agnhost "$@"\n')


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("home/tool", "is in the home folder .*/home, and containers see no homes: put it into /usr/local/bin or /opt"),
        ("place/tool", "is not executable: chmod a\\+x .*/place/tool"),
        ("place/missing", "is not installed on the host: install it"),
    ],
)
def test_a_program_that_cannot_run_says_why(program: str, problem: str, tmp_path: Path) -> None:
    for folder in ("home", "place"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").write_text("#!/bin/sh\n")
    own = tmp_path / "images.toml"
    own.write_text(f'[[image]]\nnames = ["mine"]\nprogram = "{tmp_path}/{program}"\n')
    images = HostImages(files=[str(own)], version="9", homes=[str(tmp_path / "home")])
    with pytest.raises(NoImage, match=problem):
        asyncio.run(images.resolve("mine"))


def test_an_executable_program_in_a_home_is_refused_too(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    own = tmp_path / "images.toml"
    own.write_text(f'[[image]]\nnames = ["mine"]\nprogram = "{tool}"\n')
    with pytest.raises(NoImage, match="containers see no homes"):
        asyncio.run(HostImages(files=[str(own)], version="9", homes=[str(tmp_path)]).resolve("mine"))


def test_the_newest_of_several_versions_is_taken(tmp_path: Path) -> None:
    for version in ("9", "15", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        if version != "17":
            (tmp_path / version / "bin" / "server").write_text("#!/bin/sh\n")
            (tmp_path / version / "bin" / "server").chmod(0o755)
    own = tmp_path / "images.toml"
    own.write_text(
        f'[[image]]\nnames = ["db"]\nprogram = "server"\nlook_in = ["{tmp_path}/*/bin"]\nargs = ["server"]\n'
    )
    image = asyncio.run(HostImages(files=[str(own)], version="9").resolve("db"))
    assert image.source.endswith(f"({tmp_path}/15/bin/server)")
    assert image.env["PATH"].endswith(f":{tmp_path}/15/bin")


def test_the_clusters_catalogue_comes_before_the_files(tmp_path: Path) -> None:
    files = [tmp_path / "cluster.toml", tmp_path / "user.toml"]
    for file in files:
        names = '["mine", "yours"]' if file == files[1] else '["mine"]'
        file.write_text(f'[[image]]\nnames = {names}\nprogram = "sh"\nargs = ["{file.name}"]\n')
    images = HostImages(files=[str(file) for file in files], version="9")
    assert asyncio.run(images.resolve("mine")).args == ("cluster.toml",)
    assert asyncio.run(images.resolve("yours")).args == ("user.toml",)
    images.from_api.update('[[image]]\nnames = ["yours"]\nprogram = "sh"\nargs = ["ConfigMap"]\n')
    assert asyncio.run(images.resolve("yours")).args == ("ConfigMap",)
    images.from_api.update("[[image]]\nnames = 7\n")
    assert asyncio.run(images.resolve("yours")).args == ("user.toml",)
    with pytest.raises(NoImage, match=r"ConfigMap kube-system/fairlead-images cannot be used: image\[0\].names"):
        asyncio.run(images.resolve("example.com/none"))
