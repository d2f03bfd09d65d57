"""Unpacking of layers: what they may contain, and that nothing leaves their directory."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import stat
import tarfile
from pathlib import Path

import pytest
import zstandard

from fairlead.images.errors import LayerError
from fairlead.images.layers.stream import Unpacked
from fairlead.images.layers.tree import remove_tree
from fairlead.images.layers.unpack import LayerUnpacker, Limits
from fairlead.images.manifest import digest_of
from tests.images.imagemaker import entry, folder, gzipped, hard_link, link, tar_of

Entry = tuple[tarfile.TarInfo, bytes]


def unpack(root: Path, data: bytes, limits: Limits | None = None) -> str:
    """Unpacks into `root/layer` and returns the digest of the tar archive."""
    layer = root / "layer"
    layer.mkdir()
    fd = os.open(layer, os.O_RDONLY)
    try:
        source = Unpacked(io.BytesIO(data))
        LayerUnpacker(fd, owners=False, limits=limits or Limits()).unpack(source)
        return source.digest
    finally:
        os.close(fd)


def test_files_have_their_contents_modes_times_links_and_attributes(tmp_path: Path) -> None:
    attribute = {"SCHILY.xattr.user.note": "hello"}
    data = tar_of(
        folder("closed", 0o500),
        entry("closed/tool", b"\x00x" * 5000, mode=0o4755, mtime=1000),
        hard_link("closed/other", "closed/tool"),
        link("way", "closed/tool"),
        entry("noted", "n", pax_headers=attribute),
        entry("pipe", type=tarfile.FIFOTYPE),
    )
    assert unpack(tmp_path, data) == digest_of(data)
    layer = tmp_path / "layer"
    tool = (layer / "closed/tool").stat()
    assert (layer / "closed/tool").read_bytes() == b"\x00x" * 5000
    assert (stat.S_IMODE(tool.st_mode), tool.st_mtime, tool.st_nlink) == (0o4755, 1000, 2)
    assert stat.S_IMODE((layer / "closed").stat().st_mode) == 0o500
    assert os.readlink(layer / "way") == "closed/tool"
    assert os.getxattr(layer / "noted", "user.note") == b"hello"
    assert stat.S_ISFIFO((layer / "pipe").stat().st_mode)


@pytest.mark.parametrize(
    "pack",
    [gzipped, lambda d: zstandard.compress(d), bz2.compress, lzma.compress, lambda d: gzipped(d[:9]) + gzipped(d[9:])],
)
def test_compressed_layers_have_the_digest_of_what_is_inside(pack: object, tmp_path: Path) -> None:
    data = tar_of(entry("a", os.urandom(100_000)), entry("b", b"\0" * 3_000_000))
    assert callable(pack)
    assert unpack(tmp_path, pack(data)) == digest_of(data)
    assert (tmp_path / "layer/b").stat().st_size == 3_000_000


def test_whiteouts_take_the_form_that_overlayfs_reads(tmp_path: Path) -> None:
    data = tar_of(
        entry("etc/.wh.gone"),
        entry("data/.wh..wh..opq"),
        entry("data/new", "new"),
        entry(".wh.was"),
        entry("was/again", "x"),
        entry(".wh..wh.plnk"),
    )
    unpack(tmp_path, data)
    layer = tmp_path / "layer"
    gone = (layer / "etc/gone").lstat()
    assert (stat.S_ISCHR(gone.st_mode), gone.st_rdev) == (True, 0)
    assert os.getxattr(layer / "data", "user.overlay.opaque") == b"y"
    assert os.getxattr(layer / "was", "user.overlay.opaque") == b"y"
    assert sorted(os.listdir(layer)) == ["data", "etc", "was"]


def test_a_sparse_file_keeps_its_holes(tmp_path: Path) -> None:
    headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": "50000004",
        "GNU.sparse.name": "s",
    }
    regions = b"1\n50000000\n4\n".ljust(512, b"\0")
    unpack(tmp_path, tar_of(entry("x", regions + b"last", pax_headers=headers)))
    status = (tmp_path / "layer/s").stat()
    assert status.st_size == 50_000_004
    assert status.st_blocks * 512 < 1_000_000
    with open(tmp_path / "layer/s", "rb") as file:
        file.seek(50_000_000)
        assert file.read() == b"last"


def test_a_link_in_a_path_is_followed_inside_the_layer(tmp_path: Path) -> None:
    unpack(
        tmp_path,
        tar_of(
            folder("usr/lib"),
            link("lib", "/usr/lib"),
            entry("lib/a", "a"),
            link("up", "usr/../usr"),
            entry("up/b", "b"),
        ),
    )
    assert (tmp_path / "layer/usr/lib/a").read_text() == "a"
    assert (tmp_path / "layer/usr/b").read_text() == "b"


def test_a_later_entry_replaces_an_earlier_one(tmp_path: Path) -> None:
    unpack(
        tmp_path,
        tar_of(
            entry("a/b/c", "1"),
            entry("a", "file"),
            link("d", "a"),
            folder("d"),
            entry("d/e", "2"),
        ),
    )
    assert (tmp_path / "layer/a").read_text() == "file"
    assert (tmp_path / "layer/d/e").read_text() == "2"


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([entry("../out", "x")], "leads out of the layer"),
        ([entry("a/../../out", "x")], "leads out of the layer"),
        ([link("up", "../.."), entry("up/out", "x")], "leads out of the layer through the link"),
        ([link("a", "b"), link("b", "a"), entry("a/x", "x")], "too many links"),
        ([entry("f", "x"), entry("f/out", "x")], "which is not a directory"),
        ([hard_link("h", "../../etc/passwd")], "leads out of the layer"),
        ([hard_link("h", "missing")], "which the layer lacks"),
        ([folder("d"), hard_link("h", "d")], "hard link to a directory"),
        ([entry("sda", type=tarfile.BLKTYPE, devmajor=8)], "is a device"),
        ([entry("x/mem", type=tarfile.CHRTYPE, devmajor=1, devminor=1)], "is a device"),
        ([entry("a/.wh...")], "invalid whiteout"),
        ([entry("a/.wh.")], "invalid whiteout"),
        ([entry("o", "", pax_headers={"SCHILY.xattr.user.overlay.redirect": "/etc"})], "only overlayfs may set"),
        ([entry("/".join("a" * 300), "x")], "more than 200 parts"),
    ],
)
def test_a_hostile_layer_is_refused_and_writes_nothing_outside(entries: list[Entry], why: str, tmp_path: Path) -> None:
    with pytest.raises(LayerError) as caught:
        unpack(tmp_path, tar_of(*entries))
    assert why in str(caught.value)
    assert os.listdir(tmp_path) == ["layer"]


def test_absolute_names_and_links_mean_the_layers_own_root(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    unpack(tmp_path, tar_of(entry("/abs", "1"), link("swap", str(outside)), entry("swap/x", "2")))
    assert os.listdir(outside) == []
    assert (tmp_path / "layer/abs").read_text() == "1"
    assert (tmp_path / f"layer{outside}/x").read_text() == "2"


def test_devices_that_each_container_has_are_left_out(tmp_path: Path) -> None:
    null = entry("chroot/dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)
    unpack(tmp_path, tar_of(null, entry("dev/sda", type=tarfile.BLKTYPE, devmajor=8)))
    assert os.listdir(tmp_path / "layer/chroot/dev") == os.listdir(tmp_path / "layer/dev") == []


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(entries=99), "more than 99 entries"),
        (Limits(size=50_000), "more than 50000 bytes of files"),
        (Limits(small=50_000, ratio=20), "more than 20 times its size"),
    ],
)
def test_a_bomb_is_refused_before_it_is_written(limits: Limits, why: str, tmp_path: Path) -> None:
    data = gzipped(tar_of(*(entry(f"f{n}", b"\0" * 1000) for n in range(100))))
    with pytest.raises(LayerError, match=why):
        unpack(tmp_path, data, limits)


@pytest.mark.parametrize("cut", [100, 600, 5000])
def test_a_layer_that_ends_too_early_is_refused(cut: int, tmp_path: Path) -> None:
    whole = gzipped(tar_of(entry("a", os.urandom(10_000))))
    with pytest.raises(LayerError, match=r"damaged|ends"):
        unpack(tmp_path, whole[:cut])


def test_an_extended_header_of_any_length_is_not_read_into_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 5 << 20
    data = header.tobuf(tarfile.USTAR_FORMAT) + b"\0" * (5 << 20)
    with pytest.raises(LayerError, match="too long"):
        unpack(tmp_path, data)


def test_a_tree_is_removed_whatever_its_modes(tmp_path: Path) -> None:
    unpack(tmp_path, tar_of(folder("a", 0o500), folder("a/b", 0), entry("a/c", "x", mode=0)))
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        remove_tree(fd, "layer")
    finally:
        os.close(fd)
    assert os.listdir(tmp_path) == []
