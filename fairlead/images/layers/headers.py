"""Tar headers with bounds. The standard library reads extended headers of any length into memory."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import Any, cast

from fairlead.images.errors import LayerError
from fairlead.images.layers.stream import Readable

_LONGEST_HEADER = 1 << 20
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_BUFFER = 1 << 18


class BoundedHeader(tarfile.TarInfo):
    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENDED and self.size > _LONGEST_HEADER:
            raise LayerError(f"a header of {self.size} bytes is too long")
        if self.size < 0:
            raise LayerError(f'"{self.name}" has a negative size')
        return cast("tarfile.TarInfo", super()._proc_member(tar))  # type: ignore[misc]


def members(source: Readable) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yields the entries of a tar stream. The contents of an entry can be read until the next one. Raises
    LayerError."""
    try:
        with tarfile.open(
            fileobj=cast("Any", source),
            mode="r|",
            bufsize=_BUFFER,
            tarinfo=BoundedHeader,
            encoding="utf-8",
            errors="surrogateescape",
        ) as tar:
            while (member := tar.next()) is not None:
                yield tar, member
                cast("Any", tar).members.clear()  # the library would keep every entry
    except (tarfile.TarError, ValueError, IndexError, RecursionError) as error:
        raise LayerError(f"the tar archive is damaged: {error}") from error


def regions(member: tarfile.TarInfo) -> list[tuple[int, int]]:
    """Returns the parts of a file that the archive has, as (offset, length): one, unless the file is sparse."""
    return cast("list[tuple[int, int]] | None", cast("Any", member).sparse) or [(0, member.size)]


def pieces(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[tuple[int, bytes]]:
    """Yields the contents of a file as (offset, bytes), without the holes of a sparse file."""
    file = cast("Any", tar.fileobj)
    file.seek(member.offset_data)
    for offset, length in regions(member):
        at, left = offset, length
        while left > 0:
            data: bytes = file.read(min(left, 1 << 20))
            if not data:
                raise LayerError(f'the archive ends in the middle of "{member.name}"')
            yield at, data
            at += len(data)
            left -= len(data)
