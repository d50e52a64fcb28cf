"""What a checkpoint's generation_config.json says of sampling changes neither samples nor evaluation, and is kept."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import ScriptedJudge, build_trainer
from transformers import GenerationConfig

from contextrl.evaluation.generation import generate_greedy
from contextrl.miniature.tasks import miniature_examples
from contextrl.policy import generation
from contextrl.policy.generation import ignored_settings, own_settings_only
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompting import Prompting
from contextrl.policy.prompts import build_prompts
from contextrl.rollout.sampling import Draws

#: Each by itself changes what is sampled, were it to be used.
SETTINGS: dict[str, dict[str, Any]] = {
    "ngrams": {"no_repeat_ngram_size": 1},
    "penalty": {"repetition_penalty": 9.0},
    "bad-words": {"bad_words_ids": [[token] for token in range(40, 300)]},
    "suppressed": {"suppress_tokens": list(range(60, 300))},
    "suppressed-at-first": {"begin_suppress_tokens": list(range(40, 300))},
    "forced": {"forced_bos_token_id": 50, "forced_eos_token_id": 51},
    "length": {"min_new_tokens": 8, "min_length": 200},
    "temperature": {"do_sample": True, "temperature": 0.01, "top_p": 0.1, "top_k": 1, "min_p": 0.99},
    "typical": {"typical_p": 0.01, "do_sample": True},
    "bias": {"sequence_bias": [[[60], 100.0]]},
    "beams": {"num_beams": 3, "do_sample": False},
}
ROWS = 3


def checkpoint(policy: Path, folder: Path, settings: dict[str, Any]) -> Path:
    """The policy with settings in its generation_config.json."""
    shutil.copytree(policy, folder)
    file = folder / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    return folder


def greedy(policy: Path) -> list[str]:
    processor = load_processor(str(policy), policy_config(str(policy)))
    responses = generate_greedy(
        load_policy(str(policy)), Prompting(processor), miniature_examples("train", ROWS), max_new_tokens=12
    )
    return [response.text for response in responses]


def sampled(policy: Path, folder: Path, *, shared_prefix: bool, **settings: Any) -> list[list[int]]:
    judge = ScriptedJudge(lambda _: "correct")
    trainer = build_trainer(policy, folder, judge, shared_prefix=shared_prefix, beta=0.0, **settings)
    assert (trainer.engines.sharing.way == "packed") == shared_prefix
    prompts = build_prompts(trainer.processing_class, miniature_examples("train", ROWS))
    reading = trainer.engines.engine.read(prompts)
    return reading.sample(Draws([0, 1, 2] * 2, [[]] * 6, range(6))).ids


@pytest.fixture(scope="module")
def plain(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What comes of the policy as it is."""
    folder = tmp_path_factory.mktemp("plain")
    return {
        "greedy": greedy(tiny_policy),
        "shared": sampled(tiny_policy, folder / "shared", shared_prefix=True),
        "separate": sampled(tiny_policy, folder / "separate", shared_prefix=False),
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_evaluation_is_what_it_was(tiny_policy: Path, tmp_path: Path, plain: dict[str, Any], name: str) -> None:
    assert greedy(checkpoint(tiny_policy, tmp_path / "policy", SETTINGS[name])) == plain["greedy"]


@pytest.mark.parametrize("engine", ["shared", "separate"])
def test_samples_are_what_they_were(tiny_policy: Path, tmp_path: Path, plain: dict[str, Any], engine: str) -> None:
    """All settings at once, but for beams, with which nothing would be sampled."""
    together = {key: value for name, part in SETTINGS.items() if name != "beams" for key, value in part.items()}
    policy = checkpoint(tiny_policy, tmp_path / "policy", together)
    assert sampled(policy, tmp_path / "run", shared_prefix=engine == "shared") == plain[engine]


def test_the_settings_would_have_changed_it(tiny_policy: Path, tmp_path: Path, plain: dict[str, Any]) -> None:
    """What transformers does by itself: without this, the tests above could not fail."""
    policy = checkpoint(tiny_policy, tmp_path / "policy", SETTINGS["ngrams"] | SETTINGS["bad-words"])
    processor = load_processor(str(policy), policy_config(str(policy)))
    model = load_policy(str(policy))
    inputs = build_prompts(processor, miniature_examples("train", ROWS)).padded(0).tensors
    asked = GenerationConfig(max_new_tokens=12, do_sample=False, eos_token_id=2, pad_token_id=0)
    width = inputs["input_ids"].size(1)
    leaked = model.generate(**inputs, generation_config=asked)[:, width:]
    with own_settings_only(model):
        own = model.generate(**inputs, generation_config=asked)[:, width:]
    assert not torch.equal(leaked[:, : own.size(1)], own)


@pytest.mark.parametrize("shared_prefix", [True, False])
def test_what_a_user_asks_for_is_done(tiny_policy: Path, tmp_path: Path, shared_prefix: bool) -> None:
    policy = checkpoint(tiny_policy, tmp_path / "policy", {"suppress_tokens": [60], "temperature": 0.5})
    asked = {"bad_words_ids": [[token] for token in range(40, 200)], "min_new_tokens": 6}
    samples = sampled(policy, tmp_path / "run", shared_prefix=shared_prefix, generation_kwargs=asked)
    assert all(len(sample) >= 6 for sample in samples)
    assert not {token for sample in samples for token in sample} & set(range(40, 200))


@pytest.mark.parametrize("shared_prefix", [True, False])
def test_end_tokens_of_the_checkpoint_end_a_sample(tiny_policy: Path, tmp_path: Path, shared_prefix: bool) -> None:
    ends = list(range(2, 300))
    policy = checkpoint(tiny_policy, tmp_path / "policy", {"eos_token_id": ends, "temperature": 0.5})
    samples = sampled(policy, tmp_path / "run", shared_prefix=shared_prefix)
    assert min(map(len, samples)) == 1, "most tokens end a sample at once"
    for sample in samples:
        assert not set(sample[:-1]) & set(ends)


def test_it_is_said_once_and_names_what_is_ignored(
    tiny_policy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    policy = checkpoint(tiny_policy, tmp_path / "policy", {"repetition_penalty": 1.05, "top_k": 20, "do_sample": True})
    with caplog.at_level(logging.WARNING, logger=generation.logger.name):
        greedy(policy)
        sampled(policy, tmp_path / "run", shared_prefix=True)
    said = [record.getMessage() for record in caplog.records if record.name == generation.logger.name]
    assert len(said) == 1
    assert "\n" not in said[0]
    assert "do_sample, repetition_penalty, top_k" in said[0]


def test_nothing_is_said_of_what_changes_nothing(tiny_policy: Path) -> None:
    assert ignored_settings(load_policy(str(tiny_policy)).generation_config) == []
    harmless = GenerationConfig(
        eos_token_id=[1, 2], pad_token_id=0, use_cache=True, cache_implementation="hybrid", temperature=1.0, top_p=1.0
    )
    assert ignored_settings(harmless) == []


def test_saved_models_keep_their_own(tiny_policy: Path, tmp_path: Path) -> None:
    settings = {"repetition_penalty": 1.05, "no_repeat_ngram_size": 4, "eos_token_id": [2, 5]}
    policy = checkpoint(tiny_policy, tmp_path / "policy", settings)
    trainer = build_trainer(policy, tmp_path / "run", ScriptedJudge(lambda _: "correct"), max_steps=1, beta=0.0)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    saved = json.loads((tmp_path / "saved" / "generation_config.json").read_text())
    # Aligning with the tokenizer, transformers may name an end token twice.
    saved["eos_token_id"] = sorted(set(saved["eos_token_id"]))
    assert {key: saved[key] for key in settings} == settings


def test_settings_come_back_after_an_error(tiny_policy: Path) -> None:
    model = load_policy(str(tiny_policy))
    before = model.generation_config
    with pytest.raises(KeyError), own_settings_only(model):
        raise KeyError
    assert model.generation_config is before
