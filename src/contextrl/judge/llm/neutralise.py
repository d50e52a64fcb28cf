"""Untrusted text made safe to stand inside a judge's prompt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Neutralised:
    text: str
    cut: bool


def neutralise(text: str, *, limit: int = 32_000) -> Neutralised:
    if len(text) <= limit:
        return Neutralised(text, False)
    half = limit // 2
    return Neutralised(f"{text[:half]}[... {len(text) - limit} characters left out ...]{text[-half:]}", True)


def says_nothing(text: str) -> bool:
    return not any(char.isalnum() for char in text)
