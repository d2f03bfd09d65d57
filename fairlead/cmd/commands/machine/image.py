"""`fairlead image`: the images of this user, for the Pods of all clusters."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cmd.cluster.paths import docker_config, image_store, registries_file, state_home
from fairlead.cmd.errors import CommandError
from fairlead.cmd.program import as_typed

if TYPE_CHECKING:
    from fairlead.images.store.store import ImageStore, StoredImage

_VARIABLE = "FAIRLEAD_REGISTRIES"
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
    building = add("build", "make an image of a directory or a script, without an engine", _build)
    _add_build_flags(building)
    pulling = add("pull", "pull an image from its registry, also if a host image has its name", _pull)
    pulling.add_argument("image", metavar="IMAGE", help="name of the image")
    prune = add("prune", "remove what neither an image nor a Pod of this user's clusters needs", _prune)
    prune.add_argument("--all", action="store_true", help="remove all images too")
    save = add("save", "write images to an archive that Docker, podman and containerd load", _save)
    save.add_argument("images", metavar="IMAGE", nargs="+", help=_IMAGE)
    save.add_argument("-o", "--output", metavar="FILE", default="-", help="archive to write (default: -, the output)")
    load_from = add("load-from", "load an image from another engine on this machine", _load_from)
    load_from.add_argument("engine", choices=["docker", "podman", "containerd"], help="engine that has the image")
    load_from.add_argument("images", metavar="IMAGE", nargs="+", help="name of the image in that engine")
    remove = add("remove", "remove images; Pods that run go on", _remove)
    remove.add_argument("images", metavar="IMAGE", nargs="+", help=_IMAGE)


def _add_build_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="NAME", help="name of the new image")
    parser.add_argument("source", metavar="DIR", help="directory or script; it becomes /app")
    parser.add_argument(
        "--base", metavar="IMAGE", help="image of the store to build on (default: programs of this machine)"
    )
    parser.add_argument("--entrypoint", metavar="CMD", type=_words, help="program to run, with its arguments")
    parser.add_argument(
        "--command", metavar="ARGS", dest="arguments", type=_words, help="arguments that a manifest's `args` replace"
    )
    parser.add_argument("--env", metavar="NAME=VALUE", action="append", type=_variable, help="environment variable")
    parser.add_argument("--port", metavar="PORT", action="append", type=int, help="port on which the program listens")
    parser.add_argument("--user", metavar="USER[:GROUP]", help="user to run as")
    parser.add_argument("--workdir", metavar="PATH", help="working directory (default: /app, or the base's)")
    parser.add_argument("--program", metavar="NAME", action="append", help="further program of this machine to add")


def _words(text: str) -> tuple[str, ...]:
    import shlex

    return tuple(shlex.split(text))


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f'"{text}": expected NAME=VALUE')
    return name, value


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
        print(as_typed("no images; `fairlead image load FILE` loads an archive of `docker save`"))
    return 0


def _inspect(store: ImageStore, args: argparse.Namespace) -> int:
    print(json.dumps(_summary(store, _find(store, args.image)), indent=2))
    return 0


def _remove(store: ImageStore, args: argparse.Namespace) -> int:
    from fairlead.images.store.gc import remove

    for name in remove(store, args.images):
        print(f"removed {_shown(name)}")
    return 0


def _build(store: ImageStore, args: argparse.Namespace) -> int:
    from fairlead.images.building.build import build

    flags: dict[str, object] = {
        "base": args.base,
        "entrypoint": args.entrypoint,
        "command": args.arguments,
        "env": dict(args.env or ()),
        "ports": tuple(args.port or ()),
        "user": args.user,
        "workdir": args.workdir,
        "programs": tuple(args.program or ()),
    }
    image = build(store, args.image, Path(args.source), flags)
    print(f"built {_shown(image.name)} ({image.id[7:19]}, {_bytes(image.size)})")
    return 0


def _pull(store: ImageStore, args: argparse.Namespace) -> int:
    import asyncio

    from fairlead.base.clock import RealClock
    from fairlead.images.reference import parse_reference
    from fairlead.images.registry.credentials import of_docker
    from fairlead.images.registry.pull import Progress, pull
    from fairlead.images.registry.settings import parse_allowed, read_registries

    reference = parse_reference(args.image)
    try:
        allowed = parse_allowed(os.environ.get(_VARIABLE) or "host")
    except ValueError as error:
        raise CommandError(f"invalid ${_VARIABLE} {error}") from error
    shows, clock = sys.stderr.isatty(), RealClock()

    def report(progress: Progress) -> None:
        if shows:
            done, total = _bytes(progress.done), _bytes(progress.total)
            print(f"\r{_shown(str(reference))}: {done} of {total}\x1b[K", end="", file=sys.stderr, flush=True)

    start = clock.monotonic()
    registries = read_registries(registries_file(), allowed=allowed, variable=_VARIABLE)
    credentials = of_docker(str(docker_config()), reference)
    image = asyncio.run(pull(store, reference, registries=registries, credentials=credentials, report=report))
    if shows:
        print(file=sys.stderr)
    print(f"pulled {_shown(image.name)} ({image.id[7:19]}, {_bytes(image.size)}) in {clock.monotonic() - start:.1f} s")
    return 0


def _prune(store: ImageStore, args: argparse.Namespace) -> int:
    from fairlead.images.store.gc import in_use, prune, prune_host_layers

    if args.all:
        store.names.remove({image.name for image in store.all()})
    clusters = str(state_home())
    prune_host_layers(store.root, clusters)
    print(f"freed {_bytes(prune(store, in_use=lambda: in_use(clusters)))}")
    return 0


def _save(store: ImageStore, args: argparse.Namespace) -> int:
    from fairlead.images.archive.save import save

    if args.output == "-" and sys.stdout.isatty():
        raise CommandError("cannot write an archive to a terminal: name a file with -o FILE")
    with store.lease:
        images = [_found(store.find_for_use(text), text) for text in args.images]
        if args.output == "-":
            save(store, images, sys.stdout.buffer)
            return 0
        with open(args.output, "wb") as file:
            save(store, images, file)
    return 0


def _load_from(store: ImageStore, args: argparse.Namespace) -> int:
    from fairlead.images.archive.engines import exported
    from fairlead.images.archive.load import load

    for name in args.images:
        with exported(args.engine, name) as archive:
            for image in load(store, archive):
                print(f"loaded {_shown(image.name)} ({image.id[7:19]})")
    return 0


def _find(store: ImageStore, text: str) -> StoredImage:
    return _found(store.find(text), text)


def _found(image: StoredImage | None, text: str) -> StoredImage:
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
