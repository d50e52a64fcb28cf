"""Processors: how large the pictures are that a policy sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from contextrl.errors import InputError
from contextrl.miniature import BASE_POLICY
from contextrl.policy.loading import load_processor, policy_config
from contextrl.policy.prompts import build_prompts
from contextrl.records.example import Example

PHOTO = Example("photo", "What is it?", "A cat. Answer: cat", "cat", "text", images=(Image.new("RGB", (400, 300)),))


def tokens(max_pixels: int | None, path: Path = BASE_POLICY) -> int:
    processor = load_processor(str(path), policy_config(str(path)), max_pixels)
    ids = build_prompts(processor, [PHOTO]).ids[0]
    return ids.count(processor.image_token_id)


def test_a_photo_is_scaled_down_to_the_pixels_that_are_set() -> None:
    # A token is 8 x 8 pixels, and the processor's own files allow 128 x 128.
    assert 200 < tokens(None) <= 256
    assert 40 < tokens(64 * 64) <= 64
    assert 4 * tokens(64 * 64) == pytest.approx(tokens(128 * 128), rel=0.2)


def test_what_is_saved_keeps_the_limit(tmp_path: Path) -> None:
    load_processor(str(BASE_POLICY), policy_config(str(BASE_POLICY)), 64 * 64).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((BASE_POLICY / "config.json").read_bytes())
    assert tokens(None, tmp_path) == tokens(64 * 64)


def test_fewer_pixels_than_the_smallest_picture_are_refused() -> None:
    with pytest.raises(InputError, match=r"model\.max_pixels: expected at least 64 pixels"):
        tokens(63)


def test_a_text_only_policy_has_no_pixels_to_limit(tmp_path: Path) -> None:
    load_processor(str(BASE_POLICY), policy_config(str(BASE_POLICY))).tokenizer.save_pretrained(tmp_path)
    config = policy_config(str(BASE_POLICY)).text_config
    with pytest.raises(InputError, match=r"model\.max_pixels"):
        load_processor(str(tmp_path), config, 4096)


def folder_with_code(path: Path, *, auto: str) -> Path:
    """A model folder whose files ask for Python of their own, which says when it is run."""
    code = f"open({str(path / 'ran')!r}, 'w').close()\nfrom transformers import PretrainedConfig as C\n"
    (path / "own.py").write_text(code + "class Own(C):\n    model_type = 'own'\n")
    if auto == "config":
        (path / "config.json").write_text('{"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}')
    else:
        (path / "config.json").write_text('{"model_type": "qwen3"}')
        (path / "tokenizer_config.json").write_text(
            '{"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", null]}}'
        )
    return path


def test_code_that_a_model_brings_is_not_run_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on stdin"))
    folder = folder_with_code(tmp_path, auto="config")
    with pytest.raises(InputError, match=r"model\.trust_remote_code"):
        policy_config(str(folder))
    assert not (folder / "ran").exists()


def test_code_that_a_tokenizer_brings_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on stdin"))
    folder = folder_with_code(tmp_path, auto="tokenizer")
    with pytest.raises((InputError, ValueError)):  # it has no tokenizer but its own
        load_processor(str(folder), policy_config(str(folder)))
    assert not (folder / "ran").exists()


def test_code_is_run_where_it_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = folder_with_code(tmp_path, auto="config")
    assert policy_config(str(folder), trust_remote_code=True).model_type == "own"
    assert (folder / "ran").exists()
