"""What a step asks a model about candidates: prompts from text files, pictures where a question shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, Generic, TypeVar

from contextrl.building.candidates import Candidate
from contextrl.building.kept import Kept, digest_of
from contextrl.building.model_settings import ResponseSampling
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context
from contextrl.data.markers import placed
from contextrl.errors import InputError, nearest_key
from contextrl.evaluation.answering.pictures import picture_url
from contextrl.evaluation.answering.server import answer_of
from contextrl.judge.llm.completions import Call, Completions, Settled
from contextrl.judge.llm.envelope import Failure, Reply
from contextrl.judge.llm.neutralise import broken_tokens
from contextrl.judge.settings import PriceConfig, ServerConfig

K = TypeVar("K")
#: A prompt: texts, and numbers of pictures where they are shown.
Parts = tuple[str | int, ...]
_SHIPPED = Path(__file__).parent / "prompts"
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
#: A think block that a server has left in the content; what follows it is what is said.
_THOUGHT = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL)
_THINKING = re.compile(r"\A\s*<think(?:ing)?>")


@dataclass(frozen=True)
class Ask(Generic[K]):
    """One request about a candidate.

    Attributes:
        key: what its outcome is known by.
        parts: the prompt.
        images: names of the candidate's pictures.
        fields: of the request: temperature, seed, ...
        system: stands before the prompt; empty: nothing does.
    """

    key: K
    parts: Parts
    images: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    system: str = ""


@dataclass(frozen=True)
class Said:
    """What a model said.

    Attributes:
        text: None where it said nothing, after all retries, or where nobody needs it any more.
        finish_reason: as the server says it: `stop`, `length`, ...
        error: why there is no text.
    """

    text: str | None
    finish_reason: str = ""
    prompt_tokens: int = 0
    tokens: int = 0
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether the service is why there is no text: another time there may be one, but not of a request that it
        rejects.
        """
        return self.text is None and bool(self.error) and not self.error.startswith("rejected")


class Asking:
    """A model, the pictures that it is shown, and what it has said already.

    Args:
        server: its name and what goes with every request; the addresses do not matter to what it says.
        image_max_side: in pixels; None sends pictures as they are.
    """

    def __init__(
        self, completions: Completions, server: ServerConfig, pictures: PictureStore, image_max_side: int | None
    ) -> None:
        self.completions, self.pictures, self.image_max_side = completions, pictures, image_max_side
        self._identity = [server.model, server.extra, image_max_side]

    def answers(
        self, asks: Iterable[Ask[K]], kept: Kept, wanted: Callable[[], bool] = lambda: True
    ) -> Iterator[tuple[K, Said]]:
        """What comes of each, in the order in which it comes; what is kept is not asked.

        Args:
            asks: made when their turn comes, in another thread, so that only a few prompts are in memory.
            wanted: once it is False nothing more is asked; what is under way still comes, since it is paid for.

        Raises:
            ServiceError: the servers are gone or a budget is spent; what they have said is kept.
        """
        calls = (self._call(ask, kept) for ask in asks)
        for (key, digest), outcome, _ in self.completions.stream(takewhile(lambda _: wanted(), calls)):
            answer = answer_of(digest, outcome)
            if answer.response is None or isinstance(outcome, Failure):
                yield key, Said(None, error=answer.error or "no answer")
                continue
            said = Said(answer.response, answer.finish_reason, outcome.prompt_tokens, answer.tokens)
            if not isinstance(outcome, _Kept):
                kept.put(digest, {name: value for name, value in vars(said).items() if name != "error"})
            yield key, said

    def _call(self, ask: Ask[K], kept: Kept) -> Call[tuple[K, str]] | Settled[tuple[K, str]]:
        digest = digest_of("said", self._identity, ask.system, ask.parts, ask.images, ask.fields)
        if (record := kept.get(digest)) is None:
            return Call((ask.key, digest), partial(self._messages, ask), ask.fields, needs_content=True)
        tokens = record["prompt_tokens"], record["tokens"]
        return Settled((ask.key, digest), _Kept(record["text"], record["finish_reason"], None, False, *tokens))

    def _messages(self, ask: Ask[Any]) -> str:
        """The conversation as JSON; addresses of pictures are put in as they are, since they are long."""
        content = json.dumps("".join(map(str, ask.parts)))
        if any(isinstance(part, int) for part in ask.parts):
            content = f"[{', '.join(self._part(part, ask.images) for part in ask.parts)}]"
        first = f'{{"role": "system", "content": {json.dumps(ask.system)}}}, ' if ask.system else ""
        return f'[{first}{{"role": "user", "content": {content}}}]'

    def _part(self, part: str | int, images: Sequence[str]) -> str:
        if isinstance(part, str):
            return f'{{"type": "text", "text": {json.dumps(part)}}}'
        url = picture_url(self.pictures.path(images[part]), self.image_max_side)
        return f'{{"type": "image_url", "image_url": {{"url": "{url}"}}}}'


class _Kept(Reply):
    """A reply that was kept."""


def as_asked(text: str) -> str:
    """A text of a source as a model is asked it: as training asks it, and with no token of a chat template in it."""
    return broken_tokens(text.encode("utf-8", "replace").decode("utf-8"))


def question_parts(candidate: Candidate, safe: Callable[[str], str] = as_asked) -> Parts:
    """A question with its pictures where it has them."""
    parts = placed(candidate.question, len(candidate.images))
    return tuple(safe(part) if isinstance(part, str) else part for part in parts)


def filled(template: str, values: Mapping[str, str | Parts]) -> Parts:
    """A prompt's file with its placeholders filled in one pass: what a value contains is never looked at again."""
    found: list[str | int] = []
    for place, piece in enumerate(_PLACEHOLDER.split(template.strip())):
        value = values[piece] if place % 2 else piece
        for part in (value,) if isinstance(value, str) else value:
            if isinstance(part, str) and found and isinstance(found[-1], str):
                found[-1] += part
            elif part != "":
                found.append(part)
    return tuple(found)


def sampling_fields(sampling: ResponseSampling, context: Context, *names: object) -> dict[str, Any]:
    """Fields of a request whose seed is of its own.

    Args:
        names: what is asked for: the step, the candidate, the response's number.
    """
    # 31 bits, which every server takes.
    seed = None if sampling.seed is None else context.draw(*names, sampling.seed) >> 33
    fields = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "max_tokens": sampling.max_tokens,
        "seed": seed,
    }
    return {name: value for name, value in fields.items() if value is not None}


def without_thoughts(text: str) -> str:
    """What is said after a think block; nothing where the block does not end."""
    text = _THOUGHT.sub("", text)
    return "" if _THINKING.match(text) else text.strip()


def cost_of(said: Sequence[Said], prices: PriceConfig) -> float:
    """What replies cost, in the currency of the prices."""
    prompt, reply = sum(one.prompt_tokens for one in said), sum(one.tokens for one in said)
    return round((prompt * prices.prompt + reply * prices.completion) / 1e6, 6)


def load_prompts(placeholders: Mapping[str, set[str]], folder: Path | None, where: str) -> dict[str, str]:
    """The shipped prompts by name, with the files of a folder in place of those of the same name.

    Args:
        placeholders: what each prompt shows, all of which it must.
        where: the setting that names the folder.

    Raises:
        InputError: no such folder; a file with another name, or with other placeholders.
    """
    texts = {name: (_SHIPPED / f"{name}.txt").read_text(encoding="utf-8") for name in placeholders}
    if folder is None:
        return texts
    if not folder.is_dir():
        raise InputError("a folder of prompt files", found="no such folder", where=f"{where}: {folder}")
    names = [f"{name}.txt" for name in placeholders]
    for path in sorted(folder.glob("*.txt")):
        if path.name not in names:
            found = f"{path.name}{nearest_key(path.name, names)}"
            raise InputError("the name of a shipped prompt", found=found, where=f"{where}: {folder}")
        texts[path.stem] = read_prompt(path, placeholders[path.stem], where)
    if not any((folder / name).is_file() for name in names):
        raise InputError(f"one of {', '.join(names)}", found="none of them", where=f"{where}: {folder}")
    return texts


def read_prompt(path: Path, placeholders: set[str], where: str) -> str:
    """A prompt's file of the user's.

    Raises:
        InputError: it cannot be read, or has not exactly these placeholders.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = getattr(error, "strerror", None) or "something else"
        raise InputError("a text file in UTF-8", found=found, where=f"{where}: {path}") from error
    there = set(_PLACEHOLDER.findall(text))
    if there != placeholders:
        expected = " and ".join(f"{{{{{name}}}}}" for name in sorted(placeholders)) or "no placeholder"
        found = ", ".join(f"{{{{{name}}}}}" for name in sorted(there)) or "none"
        raise InputError(expected, found=found, where=f"{where}: {path}")
    return text
