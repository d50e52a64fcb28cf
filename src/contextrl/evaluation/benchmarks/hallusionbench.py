"""HallusionBench (arXiv 2310.14566): yes or no about figures, some of them altered so that the answer turns round."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from contextrl.data.pictures import picture
from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.benchmark import Benchmark, text_of
from contextrl.evaluation.benchmarks.items import Item, Mark, Protocol, Response, Scored, Scorer, Source
from contextrl.evaluation.benchmarks.metrics import Metric, Metrics, accuracy, all_right
from contextrl.evaluation.benchmarks.prompts import prompt, shown
from contextrl.evaluation.benchmarks.replies import text_of_reply
from contextrl.evaluation.benchmarks.steps import Ask, Step
from contextrl.evaluation.benchmarks.yes_no import read_yes_no
from contextrl.records.example import ImageHandle

#: What names a question, in the order in which VLMEvalKit's index joins it.
_KEYS = ("category", "subcategory", "visual_input", "set_id", "figure_id", "question_id")
_ANSWERS = {"1": "Yes", "yes": "Yes", "0": "No", "no": "No"}
_UNCLEAR = "unclear"
_UNREAD = Mark(0.0, how="unresolved")
#: VLMEvalKit asks its judge so often, hotter each time.
_TRIES = 5
_HEAT = 0.5
#: Of VLMEvalKit's `process_punctuation`; its asterisks, colons and apostrophes stay, so `**Yes**` is no yes.
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_DIGIT_COMMA = re.compile(r"\d,\d")
_PERIOD = re.compile(r"(?<!\d)\.(?!\d)")
#: It passes `re.UNICODE` where `re.sub` takes a count, so that only so many periods go.
_PERIODS = int(re.UNICODE)
#: "I do not know", which is right where a question needs a figure and none is shown.
_IGNORANCE = re.compile(
    r"\b(?:i (?:do not|don['’]t|cannot|can['’]t|am unable to|['’]m unable to|am not (?:sure|certain)|['’]m not (?:sure"
    r"|certain))|(?:can ?not|can['’]t|could not|impossible to|not possible to|difficult to|unable to|no way to) (?:be "
    r"|definitively |reliably )?(?:determin|answer|verif|confirm|know|tell|say|assess|see|view|provid)\w*"
    r"|(?:unclear|unknown|uncertain)\b|(?:no|without (?:the|an|any)|not? (?:enough|sufficient)|insufficient) (?:image"
    r"|figure|chart|table|map|picture|information|data|context))"
    r"|无法|不能确定|不确定|不知道|没有(?:提供)?(?:图|信息|数据)|不清楚",
    re.IGNORECASE,
)


class HallusionBench(Benchmark):
    """1,129 questions, 178 of them without a figure; right by question, by figure and by group of questions."""

    name = "hallusionbench"
    title = "HallusionBench"
    family = "perception"
    source = Source(
        hub="lmms-lab/HallusionBench",
        split="image",
        rows=1129,
        licence="BSD-3-Clause",
        columns=(*_KEYS, "question", "gt_answer", "gt_answer_details"),
        configs=("image", "non_image"),
        by_split=True,
    )
    columns: ClassVar[Mapping[str, str]] = {"a_acc": "aAcc", "f_acc": "fAcc", "q_acc": "qAcc"}
    headline = "a_acc"
    judge_prompts: ClassVar[Mapping[Scorer, tuple[str, ...]]] = {
        "official": ("hallusionbench",),
        "vlmevalkit": ("yes_no",),
        "robust": ("yes_no",),
    }
    notes: ClassVar[Mapping[Scorer, str]] = {
        "official": "A judge (the authors': gpt-4, at temperature 1) compares each response with the reference answer: "
        "correct, incorrect or unclear. Its prompt is ours, with the authors' inputs and reply. Unclear is right where "
        "a question that needs a figure is asked without one (category VS, figure 0). All 1,129 questions count, those "
        "without a figure among them; VS figure 0 is no figure of fAcc.",
        "vlmevalkit": "Only the 951 questions with a figure. A response is read where exactly one of the words yes and "
        "no is in it; bold text (**Yes**) is none of them. Else a judge says Yes, No or Unknown, five times at most, "
        "with a prompt of ours; Unknown is wrong.",
        "robust": "All 1,129 questions. What a response finally says counts: yes or no, also in Chinese, or that the "
        "statement is right or wrong. Where it says neither, a judge may match its meaning; without a judge it is "
        "wrong. A VS question without its figure is also right where the response says that it cannot know, as its "
        "authors have it.",
    }

    def item(self, row: Mapping[str, Any], position: int) -> Item | None:
        where = f"{self.title}, row {position + 1}"
        keys = _keys(row, where)
        category, subcategory, visual, set_id, *_ = keys
        said = text_of(row, "gt_answer" if "gt_answer" in row else "answer", where).strip()
        answer = _ANSWERS.get(said.lower())
        if answer is None:
            raise InputError("an answer of 0 or 1, Yes or No", found=repr(said), where=where)
        details = text_of(row, "gt_answer_details", where) if "gt_answer_details" in row else answer
        images: tuple[ImageHandle, ...] = ()
        if visual != "0":
            images = (picture(row.get("image"), where=f"{where}, column 'image'", base=None),)
        return Item(
            id="_".join(keys),
            columns={
                **dict(zip(_KEYS, keys, strict=True)),
                "question": text_of(row, "question", where),
                "answer": answer,
                "gt_answer_details": details,
            },
            images=images,
            # Groups of questions and figures lie within a set.
            cluster=f"{category}_{subcategory}_{set_id}",
        )

    def prompt(self, item: Item, protocol: Protocol) -> str:
        """The bare question: the authors leave the rest to the model, and VLMEvalKit adds nothing for Qwen3-VL."""
        del protocol
        return str(item.columns["question"])

    def score(self, item: Item, response: Response, scorer: Scorer, *, seed: int = 0) -> Step:
        if scorer == "official":
            return _compared(item, response, seed)
        if scorer == "vlmevalkit":
            said = only_word(response.text)
            if said is None and item.columns["visual_input"] != "0":
                return _matched(item, response, seed)
            return _mark(item, said)
        return _robust(item, response, seed)

    def counts(self, item: Item, scorer: Scorer) -> bool:
        """VLMEvalKit's table has only the questions with a figure."""
        return scorer != "vlmevalkit" or item.columns["visual_input"] != "0"

    def summarise(self, scored: Sequence[Scored], scorer: Scorer) -> Metrics:
        """All, and by category, subcategory and whether a figure is the original or an altered one."""
        scored = [one for one in scored if self.counts(one.item, scorer)]
        figures = dict(_three(scored, ""))
        for column in ("category", "subcategory"):
            for name, part in _parts(scored, partial(_named, column)).items():
                figures |= _three(part, f"/{name}")
        # The authors' easy and hard questions are groups, taken over the altered figures or over all others.
        for name, part in _parts(scored, _hardness).items():
            figures[f"q_acc/{name}"] = _grouped(part, _question)
        return figures


def only_word(text: str) -> str | None:
    """`Yes` or `No` where exactly one of the words is in a text, as VLMEvalKit's `YOrN_Extraction` reads it."""
    words = set(_without_punctuation(text.lower()).split())
    if ("yes" in words) == ("no" in words):
        return None
    return "Yes" if "yes" in words else "No"


def _without_punctuation(text: str) -> str:
    """VLMEvalKit's `process_punctuation`: a mark beside a space anywhere goes, any other becomes one."""
    cleaned = text
    has_digit_comma = _DIGIT_COMMA.search(text) is not None
    for mark in _PUNCTUATION:
        if mark in text:
            goes = has_digit_comma or f"{mark} " in text or f" {mark}" in text
            cleaned = cleaned.replace(mark, "" if goes else " ")
    return _PERIOD.sub("", cleaned, count=_PERIODS)


def _keys(row: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """The columns that name a question; VLMEvalKit's rows have them in their index."""
    if "set_id" in row or "index" not in row:
        keys = tuple(text_of(row, key, where).strip() for key in _KEYS)
    else:
        index = text_of(row, "index", where)
        keys = tuple(index.split("_"))
        if len(keys) != len(_KEYS):
            raise InputError("an index VD_video_1_0_1_0", found=repr(index), where=where)
    if keys[0] not in ("VD", "VS") or keys[2] not in ("0", "1", "2"):
        found = f"{keys[0]!r}, {keys[2]!r}"
        raise InputError("category VD or VS, visual_input 0, 1 or 2", found=found, where=where)
    return keys


def _lacks_figure(item: Item) -> bool:
    return bool(item.columns["category"] == "VS" and item.columns["figure_id"] == "0")


def _mark(item: Item, said: str | None, *, by_judge: bool = False) -> Mark:
    if said is None:
        return _UNREAD
    return Mark(float(said == item.columns["answer"]), said, how="judge" if by_judge else "rule")


def _compared(item: Item, response: Response, seed: int) -> Ask:
    """The authors' judgement."""

    def then(reply: str) -> Mark:
        said = text_of_reply(reply).lower()
        verdict = "incorrect" if "incorrect" in said else "correct" if "correct" in said else _UNCLEAR
        right = verdict == "correct" or (verdict == _UNCLEAR and _lacks_figure(item))
        return Mark(float(right), how="judge", label=verdict)

    values = {"question": item.columns["question"], "answer": item.columns["gt_answer_details"]}
    text = prompt("hallusionbench").filled(**{k: shown(v) for k, v in values.items()}, response=shown(response.text))
    return Ask(text, then, temperature=1.0, seed=seed)


def _matched(item: Item, response: Response, seed: int, tried: int = 0) -> Ask:
    """VLMEvalKit's judge, which is asked again while it says neither yes nor no."""

    def then(reply: str) -> Step:
        said = only_word(text_of_reply(reply))
        if said is None and tried + 1 < _TRIES:
            return _matched(item, response, seed, tried + 1)
        return _mark(item, said, by_judge=True)

    return Ask(_match_prompt(item, response), then, temperature=_HEAT * tried, seed=seed + tried, without=_UNREAD)


def _robust(item: Item, response: Response, seed: int) -> Step:
    said = read_yes_no(response.text)
    if said is not None:
        return _mark(item, "Yes" if said else "No")
    open_is_right = Mark(1.0, label=_UNCLEAR) if _lacks_figure(item) else None
    spoken = response.text.strip()
    if open_is_right and not response.truncated and _IGNORANCE.search(spoken[:2_000]):
        return open_is_right
    if response.truncated or not any(character.isalnum() for character in spoken):
        return _UNREAD

    def then(reply: str) -> Mark:
        matched = only_word(text_of_reply(reply))
        return open_is_right if matched is None and open_is_right else _mark(item, matched, by_judge=True)

    return Ask(_match_prompt(item, response), then, seed=seed, without=_UNREAD)


def _match_prompt(item: Item, response: Response) -> str:
    return prompt("yes_no").filled(question=shown(item.columns["question"]), response=shown(response.text))


def _three(scored: Sequence[Scored], suffix: str) -> Metrics:
    with_figure = [one for one in scored if not _lacks_figure(one.item)]
    return {
        f"a_acc{suffix}": accuracy((one.item.cluster, one.mark.score) for one in scored),
        f"f_acc{suffix}": _grouped(with_figure, _figure),
        f"q_acc{suffix}": _grouped(scored, _question),
    }


def _grouped(scored: Iterable[Scored], key: Callable[[Item], str]) -> Metric:
    """The share of groups that are right throughout."""
    groups: dict[str, list[Scored]] = defaultdict(list)
    for one in scored:
        groups[key(one.item)].append(one)
    return accuracy((group[0].item.cluster, all_right([one.mark.score for one in group])) for group in groups.values())


def _figure(item: Item) -> str:
    return f"{item.cluster}_{item.columns['figure_id']}"


def _question(item: Item) -> str:
    return f"{item.cluster}_{item.columns['question_id']}"


def _named(column: str, item: Item) -> str:
    """The category, or `VD_ocr`: subcategories of the two categories have names in common."""
    category = str(item.columns["category"])
    return category if column == "category" else f"{category}_{item.columns['subcategory']}"


def _hardness(item: Item) -> str:
    return "hard" if item.columns["visual_input"] == "2" else "easy"


def _parts(scored: Sequence[Scored], name: Callable[[Item], str]) -> dict[str, list[Scored]]:
    parts: dict[str, list[Scored]] = defaultdict(list)
    for one in scored:
        parts[name(one.item)].append(one)
    return dict(sorted(parts.items()))
