"""VLMEvalKit's multiple choice: its prompt, its rule, its judge that matches an answer with options, its random option.

After `vlmeval/dataset/image_mcq.py`, `vlmeval/utils/matching_util.py` and `vlmeval/dataset/utils/multiple_choice.py` as
they were when the paper was written (February 2026). The regular expression "answer is X" came later, in June 2026, and
is left out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from contextrl.evaluation.benchmarks.items import Mark
from contextrl.evaluation.benchmarks.prompts import prompt, shown
from contextrl.evaluation.benchmarks.replies import asked, text_of_reply
from contextrl.evaluation.benchmarks.steps import Ask, Step

#: An answer that is none of the options.
NONE = "Z"
#: Prompts of the judge, for `Benchmark.judge_prompts`.
JUDGE_PROMPTS = ("mcq_match", "mcq_match_zh")
#: Parts of every benchmark's note.
RULE_NOTE = (
    "The rule of the paper's time: one option letter among the last four words, or one option's text; without the "
    'expression "answer is X" of June 2026. Otherwise a judge names the most similar option (three tries), and where '
    "it names none a random option or none counts, drawn by seed and question: see counts.random. The judge's text is "
    "ours, with the same examples and reply format."
)
NOTE = f"{RULE_NOTE} Where there is no judge, what the rule cannot read is wrong."
_SPACES = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_NO_RESPONSE = "Failed to obtain answer via API"
_CHINESE = re.compile("[\u4e00-\u9fff]")
_TRIES = 3
#: What an answer that the rule cannot read comes to where there is no judge.
WITHOUT_JUDGE = Mark(0.0, how="unresolved", detail="no judge")


def mcq_prompt(question: str, options: Mapping[str, str], *, hint: str | None = None, instruction: bool = True) -> str:
    """The user's turn.

    Args:
        options: texts by letter, in order.
        instruction: whether the request to select follows the options.
    """
    lines = [f"Hint: {hint}\n"] if hint is not None else []
    lines.append(f"Question: {question}\n")
    if options:
        lines += ["Options:\n", *(f"{letter}. {text}\n" for letter, text in options.items())]
        if instruction:
            lines.append("Please select the correct answer from the options above. \n")
    return "".join(lines)


def inferred_option(answer: str, options: Mapping[str, str]) -> str | None:
    """The letter that the rule reads; `NONE` for a refusal, None where it reads nothing."""
    return _by_letter(answer, options) or _by_text(answer, options)


def matched(
    response: str,
    answer: str,
    options: Mapping[str, str],
    question: str,
    *,
    key: str,
    seed: int,
    prompt_name: str = "",
    without: Mark = WITHOUT_JUDGE,
) -> Step:
    """Score a response by the rule, or else by a judge that matches it with the options.

    Args:
        answer: the right letter.
        key: the item's, unique among all benchmarks: with `seed` it draws the random option.
        prompt_name: of the judge's prompt; by default one in the question's language.
        without: the mark where there is no judge.
    """
    if (letter := inferred_option(response, options)) is not None:
        return _mark(letter, answer, "rule")
    name = prompt_name or ("mcq_match_zh" if _CHINESE.search(question) else "mcq_match")
    listed = "".join(f"{letter}. {text}\n" for letter, text in options.items())
    text = prompt(name).filled(question=shown(question), options=shown(listed), response=shown(response))

    def read(reply: str) -> Mark | None:
        said = inferred_option(text_of_reply(reply), options)
        return None if said is None else _mark(said, answer, "judge")

    drawn = random.Random(f"{seed} {key}".encode("utf-8", "backslashreplace")).choice([*options, NONE])
    unread = Mark(float(drawn == answer), drawn, how="random")
    first = Ask(text, then=lambda _: unread, seed=seed, without=without)
    return asked(first, read, tries=_TRIES, unread=unread)


def _mark(letter: str, answer: str, how: str) -> Mark:
    if letter == NONE and how == "rule":
        return Mark(0.0, NONE, how="unresolved")
    return Mark(float(letter == answer), letter, how="judge" if how == "judge" else "rule")


def _by_letter(answer: str, options: Mapping[str, str]) -> str | None:
    if _NO_RESPONSE in answer:
        return None
    if any(refusal in answer for refusal in _REFUSALS):
        return NONE
    words = answer.translate(_SPACES).split()
    said = set(words)
    letters = [letter for letter in options if letter in said]
    if len(letters) == 1:
        return letters[0] if words.index(letters[0]) > len(words) - 5 else None
    return NONE if not letters and NONE in said else None


def _by_text(answer: str, options: Mapping[str, str]) -> str | None:
    if len(answer) > 2 * sum(len(text) for text in options.values()):
        return None
    said = answer.lower()
    found = [letter for letter, text in options.items() if text.lower() in said]
    return found[0] if len(found) == 1 else None
