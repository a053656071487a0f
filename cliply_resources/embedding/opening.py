"""Which embedding engine this installation uses."""

from importlib.util import find_spec

from cliply_resources.embedding.contract import Embedder
from cliply_resources.embedding.open_clip_engine import OpenClipEmbedder
from cliply_resources.errors import ToolMissing
from cliply_resources.settings import Settings

__all__ = ["embedder_fingerprint", "open_embedder"]


def open_embedder(settings: Settings) -> Embedder:
    """The user's own CLIP checkpoint; nothing is ever downloaded.

    Raises:
        ToolMissing: no checkpoint is configured, it is not there, or open_clip is not installed.
        StepFailed: the file is not a checkpoint of the configured model.
    """
    if settings.clip_weights is None:
        raise ToolMissing(
            "Pictures are not searched, because no CLIP checkpoint is configured.",
            remedy="Point CLIPLY_CLIP_WEIGHTS to one, and CLIPLY_CLIP_MODEL to its model's name.",
        )
    return OpenClipEmbedder(settings.clip_model, settings.clip_weights)


def embedder_fingerprint(settings: Settings) -> str:
    """Changes when another engine or checkpoint would be used; empty where there is none. Reads no weights."""
    weights = settings.clip_weights
    if weights is None or not weights.is_file() or find_spec("open_clip") is None:
        return ""
    found = weights.stat()
    return f"open_clip {settings.clip_model} {weights.name} {found.st_size} {found.st_mtime_ns}"
