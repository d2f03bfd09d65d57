"""`fairlead image`: the images of this user, for the Pods of all clusters."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cmd.cluster.paths import image_store
from fairlead.cmd.errors import CommandError

if TYPE_CHECKING:
    from fairlead.images.store.store import ImageStore, StoredImage

_IMAGE = "name of the image, or its id"
Verb = Callable[["ImageStore", argparse.Namespace], int]


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, help="what to do")

    def add(name: str, summary: str, run_verb: Verb) -> argparse.ArgumentParser:
        made = verbs.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + ".", allow_abbrev=False
        )
        made.set_defaults(run_verb=run_verb)
        return made

    load = add("load", "load the images of an archive made by `docker save`, or of an OCI image layout", _load)
    load.add_argument("file", metavar="FILE", help="archive, compressed or not; - reads standard input")
    load.add_argument("--tag", default="", metavar="NAME", help="name for an image that the archive does not name")
    listing = add("list", "list the images", _list)
    listing.add_argument("-o", "--output", choices=["json"], help="output format: json (default: a table)")
    inspect = add("inspect", "show an image's config and layers as JSON", _inspect)
    inspect.add_argument("image", metavar="IMAGE", help=_IMAGE)
    remove = add("remove", "remove images; Pods that run go on", _remove)
    remove.add_argument("images", metavar="IMAGE", nargs="+", help=_IMAGE)


def run(args: argparse.Namespace) -> int:
    from fairlead.images.errors import ImageError
    from fairlead.images.store.store import ImageStore

    verb: Verb = args.run_verb
    try:
        return verb(ImageStore(image_store()), args)
    except ImageError as error:
        raise CommandError(str(error)) from error


def _load(store: ImageStore, args: argparse.Namespace) -> int:
    from fairlead.images.archive.load import load, load_file

    if args.file == "-":
        loaded = load(store, sys.stdin.buffer, name=args.tag)
    else:
        loaded = load_file(store, Path(args.file), name=args.tag)
    for image in loaded:
        print(f"loaded {_shown(image.name)} ({image.id[7:19]})")
    return 0


def _list(store: ImageStore, args: argparse.Namespace) -> int:
    from fairlead.cli.table import render

    images = store.all()
    if args.output == "json":
        print(json.dumps([_summary(store, image) for image in images], indent=2))
    elif images:
        rows = [(_shown(i.name), i.id[7:19], _bytes(i.size), i.config.created or "") for i in images]
        print(render(("NAME", "ID", "SIZE", "CREATED"), rows))
    else:
        print("no images; `fairlead image load FILE` loads an archive of `docker save`")
    return 0


def _inspect(store: ImageStore, args: argparse.Namespace) -> int:
    print(json.dumps(_summary(store, _find(store, args.image)), indent=2))
    return 0


def _remove(store: ImageStore, args: argparse.Namespace) -> int:
    from fairlead.images.store.gc import remove

    for name in remove(store, args.images):
        print(f"removed {_shown(name)}")
    return 0


def _find(store: ImageStore, text: str) -> StoredImage:
    image = store.find(text)
    if image is None:
        raise CommandError(f'no such image: "{text}"; `fairlead image list` lists the images')
    return image


def _summary(store: ImageStore, image: StoredImage) -> dict[str, object]:
    import msgspec

    layers = [
        {"digest": layer.digest, "diffID": diff_id, "size": layer.size, "path": str(store.layers.path(diff_id))}
        for layer, diff_id in zip(image.manifest.layers, image.config.diff_ids, strict=True)
    ]
    return {
        "name": image.name,
        "id": image.id,
        "digest": image.pulled or image.digest,
        "size": image.size,
        "layers": layers,
        "config": msgspec.to_builtins(image.config),
    }


def _shown(name: str) -> str:
    from fairlead.images.reference import short

    return short(name)


def _bytes(size: int) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size = size // 1000
    return f"{size:.3g} GB"
