"""Names of images and their complete forms."""

from __future__ import annotations

import pytest

from fairlead.images.errors import ImageError
from fairlead.images.reference import parse_reference, short

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.14", "docker.io/library/nginx:1.14"),
        ("team/app", "docker.io/team/app:latest"),
        ("index.docker.io/team/app", "docker.io/team/app:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/a/b/c:v1", "localhost:5000/a/b/c:v1"),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
        ("registry.k8s.io/e2e-test-images/agnhost:2.53", "registry.k8s.io/e2e-test-images/agnhost:2.53"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"nginx:1@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
    ],
)
def test_a_name_is_completed_as_docker_does(text: str, complete: str) -> None:
    assert str(parse_reference(text)) == complete


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Nginx", "repository names are in lower case"),
        ("nginx:", '"" is not a tag'),
        ("nginx:a/b", "is not the name of a registry"),
        ("nginx@sha256:12", "the digest is not sha256:"),
        ("a/../b", "is not a repository"),
        ("", "is not a repository"),
        ("-x.io/a", "is not the name of a registry"),
    ],
)
def test_an_invalid_name_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ImageError, match=r"invalid image name") as caught:
        parse_reference(text)
    assert why in str(caught.value)


def test_the_short_form_lacks_docker_hubs_own_parts() -> None:
    assert short("docker.io/library/nginx:1") == "nginx:1"
    assert short("docker.io/a/b:1") == "a/b:1"
    assert short("quay.io/a/b:1") == "quay.io/a/b:1"
