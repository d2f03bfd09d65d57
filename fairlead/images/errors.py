"""The errors of this package. Their texts are for users: they reach the events of Pods and the command line."""

from __future__ import annotations


class ImageError(Exception):
    """An image that cannot be read, stored or run."""


class LayerError(ImageError):
    """A layer that is refused, because it is damaged or would write outside of its directory."""
