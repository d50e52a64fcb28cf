"""Which of several right solutions is the reference: the model compares them, and cannot be told by one of them.

Solutions stand in a drawn order under drawn letters, so that nothing in them can name its own place, and what the
choice is read from is broken where a solution writes it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

from contextrl.building.asking import Ask, Asking, Said, filled, question_parts, without_thoughts
from contextrl.building.candidates import Candidate
from contextrl.building.kept import Kept
from contextrl.building.model_settings import Choosing, ReferenceSettings
from contextrl.building.pipeline import Context
from contextrl.judge.llm.neutralise import neutralise

PROMPTS = {
    "listwise": {"question", "answer", "solutions", "letters", "example"},
    "pairwise": {"question", "answer", "solutions", "letters", "example"},
    "unreadable": set[str](),
}
#: Letters of solutions: none that names an option of a question, none that is read as a digit or a word.
_LETTERS = "JKLMNPQRSTUVWXYZ"
_TIES = frozenset(("TIE", "NEITHER", "BOTH", "NONE", "EQUAL", "DRAW"))
_MARKUP = r"[\s>#*_`\"'{(\[\\$-]{0,12}"
#: A line that names a choice.
_NAMED = re.compile(
    rf"^{_MARKUP}(?:the[ ])?(?:best|better)(?:[ ](?:one|solution|response|choice))?"
    r"[*_`\"')\]} \t]{0,6}[:：]"
    # Alone on the next line, or on this one.
    r"([*_ \t]{0,6}\n{1,2}[*_( \t]{0,6}[A-Z][*_). \t]{0,6}$|.{0,80})",
    re.IGNORECASE | re.MULTILINE,
)
#: What it names: one letter or a word for none, and not the first of several.
_VALUE = re.compile(
    rf"{_MARKUP}(?:boxed\{{|(?:an?|response|solution)\s)?{_MARKUP}(?:text\{{)?([A-Z]{{1,8}})(?![\w'-])"
    r"(?!\W{0,4}(?:or|and|vs\.?|versus|as\s+well\s+as)\b\W{0,4}[A-Z]\b)"
    # `K; M` and `K M` name two; `K, a clear one` names one.
    r"(?!\W{0,4}[,/&=|;+]\W{0,4}(?-i:[J-Z])\b)(?![ \t]{1,3}[*_`(]{0,4}(?-i:[J-Z])\b)",
    re.IGNORECASE,
)
_ALONE = re.compile(rf"{_MARKUP}(?:boxed\{{)?([A-Z]|(?i:tie|neither|both|equal|draw))[\s.*_`\"')\]}}$]{{0,8}}")
#: What a solution may not write, since a reply that quotes it would be read.
_FORGED = re.compile(r"(\b(?:best|better)\b[^:：\n]{0,24})[:：]", re.IGNORECASE)
#: A solution that speaks to whoever compares it: a textbook's does not.
_ADDRESSED = re.compile(
    r"\b(?:choose|pick|select|prefer|vote for)\s{1,3}(?:(?:this|my)\s{1,3}(?:response|solution)|me)\b"
    r"|\b(?:choose|pick|select|prefer|vote for)\s{1,3}(?:response|solution|candidate)\s{1,3}[A-Z]\b"
    r"|\b(?:choose|pick|select|prefer|vote for)\s{1,3}(?:the\s{1,3}"
    r"(?:first|second|third|fourth|last|next|above|following)\s{1,3})?(?:response|candidate)(?:\s{1,3}(?:no\.\s?|number\s|#)?\d{1,2})?(?=\s{0,3}(?:[.,;:!)\"'\n]|$))"
    r"|(?:^|[.!?]\s{1,3})(?:please\s{1,3})?"
    r"(?:choose|pick|select|prefer|vote for)\s{1,3}this(?:\s{1,3}one)?\s{0,3}[.!\n]"
    r"|\b(?:this|my)\s{1,3}(?:response|solution)\s{1,3}(?:is|must be|should be)\s{1,3}"
    r"(?:clearly\s{1,3}|by far\s{1,3})?(?:the\s{1,3})?(?:best|better|preferred)\b"
    r"(?!\s{1,3}(?:approximation|estimate|fit|bound|value|known|possible|linear|rational|integer|choice\s+of|suited)\b)"
    r"|\b(?:best|better|right|preferred)\s{1,3}(?:response|candidate)\s{1,3}is\s{1,3}(?:this|mine|response|candidate|number)\b"
    r"|\b(?:note|message|instructions?|reminder)\s{1,3}(?:to|for)\s{1,3}(?:the\s{1,3}|any\s{1,3})?(?:graders?|judges?|evaluators?"
    r"|reviewers?|verifiers?|chooser)\b"
    r"|^\W{0,6}(?:dear\s{1,3})?(?:grader|judge|evaluator|reviewer|verifier)\s{0,3}[:,]"
    r"|\b(?:ignore|disregard|forget)\s{1,3}(?:all\s{1,3}|the\s{1,3}|any\s{1,3}|your\s{1,3}){0,2}"
    r"(?:previous|other|above|earlier|prior)\s{1,3}(?:instructions?|responses?|solutions?|prompts?)\b"
    r"|^\W{0,6}(?:best|better)\s{0,3}[:：]\W{0,6}[A-Z]\b",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class Choice:
    """What was chosen for a candidate.

    Attributes:
        number: of the solution.
        by: `only` one, `first`, `listwise`, `pairwise`, or `length` where the model's replies decided nothing.
    """

    number: int
    by: str


@dataclass
class Figures:
    """Figures of the choices.

    Attributes:
        comparisons: that were asked for.
        unreadable: replies without a choice, repeated ones included.
        undecided: pairs without a winner.
        said: all replies.
        failed: comparisons that nobody has replied to.
    """

    comparisons: int = 0
    unreadable: int = 0
    undecided: int = 0
    said: list[Said] = field(default_factory=list)
    failed: int = 0


def addresses_reader(text: str) -> bool:
    """Whether a solution speaks to whoever chooses, which no reference does."""
    return _ADDRESSED.search(text) is not None


def choice_in(reply: str, letters: Sequence[str], *, ties: bool = False) -> str | None:
    """The letter that a reply names last, `""` for a tie; None where it names none of these.

    Args:
        letters: of the solutions.
        ties: a tie may be named as well.
    """
    text = without_thoughts(reply)
    named = _NAMED.findall(text)
    value = _VALUE.match(named[-1]) if named else _ALONE.fullmatch(text)
    if value is None:
        return None
    found = value[1].upper()
    if ties and found in _TIES:
        return ""
    return found if found in letters else None


def middle(lengths: Mapping[int, int]) -> int:
    """The number of the solution of middle length, of two middle ones the longer, of equal ones the first drawn.

    The shortest may be a bare answer, and the longest rambles.
    """
    ordered = sorted(lengths, key=lambda number: (lengths[number], -number))
    return ordered[len(ordered) // 2]


#: A candidate's place in the part, and the solutions that are compared in this order.
_Comparison = tuple[int, tuple[int, ...]]


class Chooser:
    """Lets a model choose.

    Args:
        texts: the prompts, as `PROMPTS` names them.
    """

    def __init__(self, asking: Asking, settings: ReferenceSettings, texts: Mapping[str, str], context: Context) -> None:
        self.asking, self.settings, self.texts, self.context = asking, settings, texts, context
        self.figures = Figures()

    def of(self, solutions: Sequence[tuple[Candidate, Mapping[int, str]]], kept: Kept) -> list[Choice | None]:
        """A choice for each candidate; None where there is nothing to choose from.

        Args:
            solutions: right ones by their numbers.

        Raises:
            ServiceError: the model is gone or its budget is spent.
        """
        distinct = [(candidate, _distinct(texts)) for candidate, texts in solutions]
        named: list[dict[tuple[int, ...], int | None]] = [{} for _ in distinct]
        for (index, order), number in self._asked(distinct, kept).items():
            named[index][order] = number
        return [
            self._choice(texts, found) if texts else None for (_, texts), found in zip(distinct, named, strict=True)
        ]

    def _asked(
        self, solutions: Sequence[tuple[Candidate, Mapping[int, str]]], kept: Kept
    ) -> dict[_Comparison, int | None]:
        """The solution that each comparison names, None for a tie; an unreadable one is asked for once more."""
        named: dict[_Comparison, int | None] = {}
        open_ = [
            (index, order) for index, (one, texts) in enumerate(solutions) for order in self._orders(one, list(texts))
        ]
        self.figures.comparisons += len(open_)
        for again in (False, True):
            asks = self._asks(solutions, open_, again)
            for number, (key, said) in enumerate(self.asking.answers(asks, kept), start=1):
                self.context.tell(f"{number} of {len(open_)} compared")
                self.figures.said.append(said)
                letters = self._letters(solutions[key[0]][0], key[1])
                # Asked twice, a comparison has failed if the last reply has never come.
                self.figures.failed += again and said.failed
                found = choice_in(said.text or "", letters, ties=self.settings.choose == "pairwise")
                if found is None:
                    self.figures.unreadable += 1
                else:
                    named[key] = key[1][letters.index(found)] if found else None
            open_ = [key for key in open_ if key not in named]
        return named

    def _asks(
        self, solutions: Sequence[tuple[Candidate, Mapping[int, str]]], keys: Iterable[_Comparison], again: bool
    ) -> Iterator[Ask[_Comparison]]:
        for key in keys:
            yield self._ask(key, *solutions[key[0]], again=again)

    def _orders(self, candidate: Candidate, numbers: list[int]) -> Iterator[tuple[int, ...]]:
        """Orders in which solutions are compared."""
        how: Choosing = self.settings.choose
        if len(numbers) < 2 or how == "first":
            return
        if how == "pairwise":
            yield from permutations(numbers, 2)
        else:
            yield tuple(sorted(numbers, key=lambda number: self.context.draw("order", candidate.id, number)))

    def _letters(self, candidate: Candidate, order: Sequence[int]) -> list[str]:
        """A letter for each place, in the alphabet's order; which letters, nobody can know beforehand."""
        drawn = sorted(_LETTERS, key=lambda letter: self.context.draw("letter", candidate.id, *order, letter))
        return sorted(drawn[: len(order)])

    def _ask(
        self, key: _Comparison, candidate: Candidate, texts: Mapping[int, str], *, again: bool
    ) -> Ask[_Comparison]:
        letters = self._letters(candidate, key[1])
        shown = [
            f"<response {letter}>\n{_shown(texts[number])}\n</response {letter}>"
            for letter, number in zip(letters, key[1], strict=True)
        ]
        parts = filled(
            self.texts[self.settings.choose],
            {
                "question": question_parts(candidate, _shown),
                "answer": _shown(candidate.answer),
                "solutions": "\n\n".join(shown),
                "letters": ", ".join(letters),
                # Which letter an example shows must favour none.
                "example": letters[self.context.draw("example", candidate.id, *key[1]) % len(letters)],
            },
        )
        if again:
            parts = filled("{{prompt}}\n\n{{again}}", {"prompt": parts, "again": self.texts["unreadable"].strip()})
        fields: dict[str, Any] = {"max_tokens": self.settings.choice.max_tokens}
        if self.settings.choice.temperature is not None:
            fields["temperature"] = self.settings.choice.temperature
        return Ask(key, parts, candidate.images, fields)

    def _choice(self, texts: Mapping[int, str], named: Mapping[tuple[int, ...], int | None]) -> Choice:
        numbers = list(texts)
        lengths = {number: len(text) for number, text in texts.items()}
        if len(numbers) == 1:
            return Choice(numbers[0], "only")
        if self.settings.choose == "first":
            return Choice(numbers[0], "first")
        if self.settings.choose == "listwise":
            found = next(iter(named.values()), None)
            return Choice(middle(lengths), "length") if found is None else Choice(found, "listwise")
        return self._by_pairs(numbers, lengths, named)

    def _by_pairs(
        self, numbers: Sequence[int], lengths: Mapping[int, int], named: Mapping[tuple[int, ...], int | None]
    ) -> Choice:
        """The one with the most wins. A pair is won by who is named in both orders, else it is undecided."""
        wins: Counter[int] = Counter()
        for left, right in permutations(numbers, 2):
            if left < right:
                both = (named.get((left, right)), named.get((right, left)))
                if both[0] is not None and both[0] == both[1]:
                    wins[both[0]] += 1
                else:
                    self.figures.undecided += 1
        most = max(wins.values(), default=0)
        best = {number: lengths[number] for number in numbers if wins[number] == most}
        return Choice(middle(best), "pairwise" if len(best) == 1 else "length")


def _distinct(texts: Mapping[int, str]) -> dict[int, str]:
    """Solutions without those that say the same as an earlier one."""
    first: dict[str, int] = {}
    for number, text in texts.items():
        first.setdefault(" ".join(text.split()), number)
    return {number: texts[number] for number in first.values()}


def _shown(text: str) -> str:
    """A text in which nothing can end its place in the prompt, or be read as a choice where a reply quotes it."""
    return _FORGED.sub("\\1∶", neutralise(text).text)
