"""The CLIP adapter: what it refuses without its packages, and a tiny real checkpoint where they are there."""

import json
from pathlib import Path

import numpy as np
import pytest

from cliply_resources.embedding import Embedder, embedder_fingerprint, open_embedder
from cliply_resources.errors import StepFailed, ToolMissing
from cliply_resources.settings import Settings

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def test_no_checkpoint_is_said_with_the_remedy() -> None:
    with pytest.raises(ToolMissing, match="CLIPLY_CLIP_WEIGHTS"):
        open_embedder(Settings(clip_weights=None))
    assert embedder_fingerprint(Settings(clip_weights=None)) == ""


def test_a_checkpoint_that_is_not_there_is_said(tmp_path: Path) -> None:
    chosen = Settings(clip_weights=tmp_path / "missing.pt")
    with pytest.raises(ToolMissing, match=r"missing\.pt|not installed"):
        open_embedder(chosen)
    assert embedder_fingerprint(chosen) == ""


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A model of one layer each, with weights as they are before any training."""
    open_clip = pytest.importorskip("open_clip")
    import torch

    folder = tmp_path_factory.mktemp("clip")
    model = folder / "tiny.json"
    model.write_text(json.dumps(TINY))
    open_clip.add_model_config(model)
    torch.manual_seed(1)
    weights = folder / "tiny.pt"
    torch.save(open_clip.create_model("tiny").state_dict(), weights)
    return Settings(clip_model=str(model), clip_weights=weights)


@pytest.fixture(scope="module")
def embedder(configured: Settings) -> Embedder:
    return open_embedder(configured)


def test_vectors_have_length_one_and_come_in_order(embedder: Embedder) -> None:
    noise = np.random.default_rng(1)
    pictures = [noise.integers(0, 255, (high, 64, 3), np.uint8) for high in (36, 64, 90)] * 15
    for vectors, count in ((embedder.embed_images(pictures), 45), (embedder.embed_texts(["a cat", "a dog"] * 20), 40)):
        assert vectors.dtype == np.float32
        assert vectors.shape == (count, embedder.dimensions)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    seen = embedder.embed_images(pictures)
    assert np.allclose(seen[0], seen[42], atol=1e-5)
    assert not np.allclose(seen[0], seen[1], atol=1e-3)


def test_colours_are_seen_as_they_are(embedder: Embedder) -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 2] = 255
    assert not np.allclose(embedder.embed_images([red])[0], embedder.embed_images([red[..., ::-1]])[0], atol=1e-3)


def test_nothing_gives_no_rows_and_long_texts_are_cut(embedder: Embedder) -> None:
    assert embedder.embed_texts([]).shape == embedder.embed_images([]).shape == (0, embedder.dimensions)
    assert embedder.embed_texts(["word " * 500]).shape == (1, embedder.dimensions)


def test_the_name_is_the_checkpoints_and_the_fingerprint_is_there(embedder: Embedder, configured: Settings) -> None:
    assert embedder.name.startswith("open_clip tiny ")
    assert open_embedder(configured).name == embedder.name
    assert "tiny.pt" in embedder_fingerprint(configured)


def test_a_file_that_is_no_checkpoint_is_said(configured: Settings, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"not a checkpoint")
    with pytest.raises(StepFailed, match=r"broken\.pt"):
        open_embedder(Settings(clip_model=configured.clip_model, clip_weights=broken))


def test_a_checkpoint_of_another_model_is_said(configured: Settings) -> None:
    with pytest.raises(StepFailed, match="ViT-B-32"):
        open_embedder(Settings(clip_model="ViT-B-32", clip_weights=configured.clip_weights))
    with pytest.raises(ToolMissing, match="knows no model"):
        open_embedder(Settings(clip_model="no-such-model", clip_weights=configured.clip_weights))
