"""A trained model behind vLLM: what `contextrl export RUN OUT --merge` writes is served as it is."""

from __future__ import annotations

import base64
import io
import json
import os
import urllib.request
from pathlib import Path

import pytest
import torch

from contextrl.data.images import open_image
from contextrl.evaluation.generation import generate_greedy
from contextrl.miniature.tasks import miniature_examples
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example

QUESTIONS, LONGEST = 24, 40


def answer(url: str, example: Example) -> str:
    """What the server writes, greedily."""
    images = []
    for handle in example.images:
        buffer = io.BytesIO()
        open_image(handle).save(buffer, format="PNG")
        coded = base64.b64encode(buffer.getvalue()).decode()
        images.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{coded}"}})
    body = {
        "model": "trained-model",
        "temperature": 0,
        "max_tokens": LONGEST,
        "messages": [{"role": "user", "content": [*images, {"type": "text", "text": example.question}]}],
    }
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        return str(json.load(reply)["choices"][0]["message"]["content"]).strip()


def test_the_server_writes_what_the_trained_policy_writes(trained_model_url: str) -> None:
    folder = os.environ["CONTEXTRL_VLLM_TRAINED_FOLDER"]
    assert not (Path(folder) / "adapter_config.json").exists()
    torch.set_num_threads(1)
    examples = miniature_examples("dev", QUESTIONS)
    prompting = Prompting(load_processor(folder, policy_config(folder)))
    ours = [
        response.text.strip()
        for response in generate_greedy(load_policy(folder), prompting, examples, max_new_tokens=LONGEST)
    ]
    theirs = [answer(trained_model_url, example) for example in examples]
    assert len(set(ours)) > QUESTIONS // 4
    # Two implementations round differently: where two tokens are all but equally likely, they may part.
    assert sum(a == b for a, b in zip(ours, theirs, strict=True)) >= QUESTIONS - 2
    assert pytest.approx(sum(map(len, ours)), rel=0.2) == sum(map(len, theirs))
