"""Settings of rollouts by vLLM: what makes no sense is refused by name, with what to change, before anything starts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from runs import SETTINGS

from contextrl.engines.vllm.settings import NEVER, needed_length, plain_options, sampling_options
from contextrl.errors import InputError
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.vllm_settings import check_vllm, without_vllm


def arguments(folder: Path, **settings: Any) -> ContextRLConfig:
    return ContextRLConfig(output_dir=str(folder / "run"), **(SETTINGS | {"use_vllm": True} | settings))


class Config:
    """A model's config with so many positions."""

    quantization_config = None

    def __init__(self, positions: int | None = None) -> None:
        self.max_position_embeddings = positions

    def get_text_config(self) -> Any:
        return self


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"vllm_mode": "colocate", "vllm_gpu_memory_utilization": 0.5, "vllm_model_impl": "transformers"},
        {"vllm_mode": "server", "vllm_server_base_url": "http://127.0.0.1:8000"},
        {"vllm_mode": "server", "vllm_server_host": "there", "vllm_server_port": 8001, "vllm_group_port": 5000},
        {"vllm_importance_sampling_correction": False},
        {"vllm_importance_sampling_mode": "token_truncate", "vllm_importance_sampling_clip_max": 2.0},
        {"generation_kwargs": {"presence_penalty": 0.1, "suppress_tokens": [3], "logit_bias": {4: 1.0}}},
    ],
)
def test_what_makes_sense_is_taken(tmp_path: Path, settings: dict[str, Any]) -> None:
    args = arguments(tmp_path, **settings)
    assert args.use_vllm
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"use_vllm": False, "vllm_gpu_memory_utilization": 0.5}, ["train.vllm_gpu_memory_utilization", "use_vllm"]),
        ({"use_vllm": False, "vllm_mode": "server"}, ["train.vllm_mode", "'server'"]),
        ({"vllm_mode": "sever"}, ["train.vllm_mode", "did you mean server?"]),
        ({"vllm_structured_outputs_regex": "a+"}, ["train.vllm_structured_outputs_regex", "a+"]),
        ({"vllm_server_base_url": "http://there:1"}, ["train.vllm_server_base_url", "vllm_mode to server"]),
        ({"vllm_mode": "server", "vllm_tensor_parallel_size": 2}, ["train.vllm_tensor_parallel_size", "vllm serve"]),
        ({"vllm_mode": "server", "vllm_enable_sleep_mode": True}, ["train.vllm_enable_sleep_mode"]),
        ({"vllm_mode": "server", "vllm_max_model_length": 512}, ["train.vllm_max_model_length"]),
        ({"vllm_tensor_parallel_size": 2}, ["train.vllm_tensor_parallel_size", "divides all 1"]),
        ({"vllm_tensor_parallel_size": 0}, ["train.vllm_tensor_parallel_size"]),
        ({"vllm_gpu_memory_utilization": 0.0}, ["train.vllm_gpu_memory_utilization"]),
        ({"vllm_gpu_memory_utilization": 1.5}, ["train.vllm_gpu_memory_utilization", "1.5"]),
        ({"vllm_gpu_memory_utilization": float("nan")}, ["train.vllm_gpu_memory_utilization"]),
        ({"vllm_model_impl": "terratorch"}, ["train.vllm_model_impl"]),
        ({"vllm_mode": "server", "vllm_server_port": 0}, ["train.vllm_server_port"]),
        ({"vllm_mode": "server", "vllm_server_base_url": "there:8000"}, ["train.vllm_server_base_url"]),
        ({"vllm_mode": "server", "vllm_server_base_url": "http://me:secret@there"}, ["train.vllm_server_base_url"]),
        ({"vllm_importance_sampling_mode": "tokens"}, ["train.vllm_importance_sampling_mode", "token_mask"]),
        ({"vllm_importance_sampling_clip_max": -1.0}, ["train.vllm_importance_sampling_clip_max"]),
        ({"cache_implementation": "static"}, ["train.cache_implementation"]),
        ({"generation_kwargs": {"seed": 3}}, ["train.generation_kwargs, seed", "a group's samples would be equal"]),
        ({"generation_kwargs": {"no_repeat_ngram_size": 3}}, ["generation_kwargs, no_repeat_ngram_size"]),
        ({"generation_kwargs": {"num_beams": 3}}, ["generation_kwargs, num_beams"]),
        ({"generation_kwargs": {"presence_penality": 1}}, ["did you mean presence_penalty?"]),
        ({"generation_kwargs": {"temperature": 0.5}}, ["Set train.temperature"]),
        ({"generation_kwargs": {"n": 4}}, ["Set train.num_generations"]),
        ({"generation_kwargs": {"max_new_tokens": 4}}, ["Set train.max_completion_length"]),
        ({"generation_kwargs": {"stop": ["."]}}, ["generation_kwargs, stop"]),
    ],
)
def test_what_does_not_is_refused_by_name(tmp_path: Path, settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises((InputError, ValueError)) as refusal:
        arguments(tmp_path, **settings)
    assert isinstance(refusal.value, InputError)
    assert [word for word in words if word not in str(refusal.value)] == []
    assert "secret" not in str(refusal.value)


def test_without_vllm_installed_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install contextrl\[vllm\]"):
        check_vllm(arguments(tmp_path), Config())


@pytest.mark.parametrize(
    ("settings", "positions", "needed"),
    [
        ({}, None, 4096 + 16),
        ({"prompts": {"max_prompt_tokens": 100}}, None, 4096 + 16),
        ({"prompts": {"max_prompt_tokens": 100}, "stage2": {"max_context_tokens": 300}}, None, 316),
        ({"prompts": {"max_prompt_tokens": 100}, "stage2": False}, None, 116),
        ({"prompts": {"max_prompt_tokens": 900}, "stage2": {"max_context_tokens": 300}}, None, 916),
        ({}, 512, 512),
    ],
)
def test_contexts_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], positions: int | None, needed: int
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
    assert needed_length(arguments(tmp_path, **settings), Config(positions)) == needed
    check_vllm(arguments(tmp_path, vllm_max_model_length=needed, **settings), Config(positions))
    with pytest.raises(InputError, match=rf"train.vllm_max_model_length: expected at least {needed} tokens"):
        check_vllm(arguments(tmp_path, vllm_max_model_length=needed - 1, **settings), Config(positions))


def test_sleep_mode_wants_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
    with pytest.raises(InputError, match=r"train\.vllm_enable_sleep_mode"):
        check_vllm(arguments(tmp_path, vllm_enable_sleep_mode=True), Config())


def test_grpo_trainer_builds_no_engine_of_its_own(tmp_path: Path) -> None:
    args = arguments(tmp_path)
    with without_vllm(args):
        assert not args.use_vllm
    assert args.use_vllm


def test_what_vllm_is_asked(tmp_path: Path) -> None:
    args = arguments(tmp_path, generation_kwargs={"suppress_tokens": [8], "logit_bias": {4: 1.5}, "bad_words": ["no"]})
    host = SimpleNamespace(
        args=args,
        generation_kwargs={"suppress_tokens": [8, 151655]},
        temperature=0.7,
        top_p=0.9,
        top_k=None,
        min_p=None,
        repetition_penalty=1.1,
        max_completion_length=16,
        eos_token_ids=[1, 2],
    )
    options = sampling_options(host)  # type: ignore[arg-type]
    assert options["logit_bias"] == {4: 1.5, 8: NEVER, 151655: NEVER}
    assert options["bad_words"] == ["no"]
    assert (options["temperature"], options["top_p"], options["top_k"], options["min_p"]) == (0.7, 0.9, 0, 0.0)
    assert (options["ignore_eos"], options["stop_token_ids"], options["max_tokens"]) == (True, [1, 2], 16)
    assert not {"suppress_tokens", "seed", "n"} & options.keys()
    plain = plain_options(options, 5)
    assert plain["logit_bias"] == {8: NEVER, 151655: NEVER}
    assert (plain["top_p"], plain["repetition_penalty"], plain["temperature"], plain["max_tokens"]) == (
        1.0,
        1.0,
        0.7,
        5,
    )
    assert "bad_words" not in plain
