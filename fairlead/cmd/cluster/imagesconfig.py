"""The catalogue of host images in a cluster's settings."""

from __future__ import annotations

from pathlib import Path

from fairlead.cmd.errors import UsageError


def check_images(path: str) -> None:
    """Raises UsageError if the file cannot be used as a catalogue."""
    if not path:
        return
    from fairlead.node.images.catalogue import parse_catalogue

    try:
        parse_catalogue(Path(path).read_text(encoding="utf-8"))
    except OSError as e:
        raise UsageError(f"--images {path}: {e.strerror}: name another file, or none") from e
    except ValueError as e:
        raise UsageError(f"--images {path}: {e}") from e
