"""CLIP by open_clip, for users who have a checkpoint."""

import os
import pickle
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cliply_resources.embedding.contract import Image, Vectors
from cliply_resources.errors import StepFailed, ToolMissing

__all__ = ["OpenClipEmbedder"]

BATCH = 32
"""Pictures or texts at once: fills a small GPU, and keeps memory flat."""


_UNLOADABLE = (
    RuntimeError,
    ValueError,
    KeyError,
    AttributeError,
    TypeError,
    EOFError,
    AssertionError,
    pickle.UnpicklingError,
)
"""What torch and open_clip raise for files that are no checkpoint, or one of another model."""


class OpenClipEmbedder:
    """A CLIP model from a checkpoint on this machine, on the GPU where torch sees one. See `Embedder`.

    `model` is a name that open_clip knows (`ViT-B-32`), or a model configuration file of its format (`.json`).

    Raises:
        ToolMissing: open_clip, the checkpoint or the configuration is not there.
        StepFailed: the file is not a checkpoint of this model.
    """

    def __init__(self, model: str, weights: Path) -> None:
        if find_spec("open_clip") is None:
            raise ToolMissing(
                "A CLIP checkpoint is configured, but open_clip is not installed.",
                remedy='Install it with: pip install "cliply[ml]", or unset CLIPLY_CLIP_WEIGHTS.',
            )
        if not weights.is_file():
            raise ToolMissing(
                f"The CLIP checkpoint {weights} does not exist.",
                remedy="Point CLIPLY_CLIP_WEIGHTS to the file, or unset it to search by words alone.",
            )
        # Some models' tokenizers would otherwise be looked up on the network.
        os.environ["HF_HUB_OFFLINE"] = "1"
        import torch

        known = _known_name(model)
        self._model, self._prepare, self._tokenize = _load(known, weights)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model.to(self._device).eval()
        self.name = f"open_clip {known} {_sha256(weights)[:16]}"
        self.dimensions = int(self._embed_texts([""]).shape[1])

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """As the contract says; the usual models read the first 75 tokens, some 50 words."""
        rows = [self._embed_texts(list(texts[at : at + BATCH])) for at in range(0, len(texts), BATCH)]
        return self._together(rows)

    def embed_images(self, pictures: Sequence[Image]) -> Vectors:
        """As the contract says; the model sees the middle square of each picture."""
        rows = [self._embed_images(pictures[at : at + BATCH]) for at in range(0, len(pictures), BATCH)]
        return self._together(rows)

    def _embed_texts(self, texts: list[str]) -> Vectors:
        import torch

        with torch.inference_mode():
            found = self._model.encode_text(self._tokenize(texts).to(self._device), normalize=True)
        return np.asarray(found.float().cpu().numpy(), dtype=np.float32)

    def _embed_images(self, pictures: Sequence[Image]) -> Vectors:
        import torch
        from PIL import Image as Pillow

        prepared = [self._prepare(Pillow.fromarray(np.ascontiguousarray(picture[..., ::-1]))) for picture in pictures]
        with torch.inference_mode():
            found = self._model.encode_image(torch.stack(prepared).to(self._device), normalize=True)
        return np.asarray(found.float().cpu().numpy(), dtype=np.float32)

    def _together(self, rows: list[Vectors]) -> Vectors:
        return np.concatenate(rows) if rows else np.zeros((0, self.dimensions), dtype=np.float32)


def _known_name(model: str) -> str:
    import open_clip

    if not model.endswith(".json"):
        if model not in open_clip.list_models():
            raise ToolMissing(
                f"open_clip knows no model {model!r}.",
                remedy="Set CLIPLY_CLIP_MODEL to a name such as ViT-B-32, or to a model configuration file.",
            )
        return model
    path = Path(model)
    if not path.is_file():
        raise ToolMissing(
            f"The model configuration {model} does not exist.", remedy="Point CLIPLY_CLIP_MODEL to the file."
        )
    open_clip.add_model_config(path)
    return path.stem


def _load(model: str, weights: Path) -> tuple[Any, Any, Any]:
    import open_clip

    try:
        loaded, _, prepare = open_clip.create_model_and_transforms(model, pretrained=str(weights))
        return loaded, prepare, open_clip.get_tokenizer(model)
    except _UNLOADABLE as problem:
        raise StepFailed(
            f"The file {weights.name} cannot be loaded as a checkpoint of {model}. "
            "Check CLIPLY_CLIP_MODEL and CLIPLY_CLIP_WEIGHTS.",
            detail=repr(problem),
        ) from problem


def _sha256(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
