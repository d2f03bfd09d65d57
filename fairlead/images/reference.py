"""Names of images, as Docker writes and completes them. Pure.

`nginx` is `docker.io/library/nginx:latest`. Source: the grammar of the distribution project's reference package.
"""

from __future__ import annotations

import re

from fairlead.base.dataclass import dataclass
from fairlead.images.errors import ImageError

DOCKER_HUB = "docker.io"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PATH}(?:/{_PATH})*")
_HOST = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]+)?")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """A complete name: the registry, the repository, and a tag or a digest."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""
    """If it is set, it decides, and the tag is only for readers."""

    @property
    def name(self) -> str:
        """Returns the name without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def target(self) -> str:
        """Returns the part of a registry's URL that names the manifest."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def parse_reference(text: str) -> Reference:
    """Returns the complete name. Raises ImageError."""
    head, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _invalid(text, "the digest is not sha256: and 64 hexadecimal digits")
    registry, path = _split(head)
    repository, colon, tag = path.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _invalid(text, f'"{tag}" is not a tag')
    if not _HOST.fullmatch(registry):
        raise _invalid(text, f'"{registry}" is not the name of a registry')
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    if not _REPOSITORY.fullmatch(repository) or len(f"{registry}/{repository}") > _LONGEST:
        lower = "; repository names are in lower case" if repository != repository.lower() else ""
        raise _invalid(text, f'"{repository}" is not a repository{lower}')
    return Reference(registry, repository, tag or ("" if digest else "latest"), digest)


def _split(head: str) -> tuple[str, str]:
    """Returns registry and rest. The first part is a registry if it looks like a host."""
    first, slash, rest = head.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        return DOCKER_HUB, head
    return (DOCKER_HUB if first == "index.docker.io" else first), rest


def _invalid(text: str, why: str) -> ImageError:
    return ImageError(f'invalid image name "{text}": {why}')


def short(reference: str) -> str:
    """Returns a complete name in the short form that people write: without Docker Hub's own parts."""
    return reference.removeprefix(f"{DOCKER_HUB}/").removeprefix("library/")
