"""What answers are made of: lists, points, sets, intervals and relations, compared part by part.

How two scalars compare is the caller's: numbers at once, expressions in the worker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

_RELATIONS = {
    **{"<": "<", "\\lt": "<", ">": ">", "\\gt": ">", "=": "=", "\\ne": "!=", "\\neq": "!="},
    **{"\\le": "<=", "\\leq": "<=", "\\leqslant": "<=", "\\ge": ">=", "\\geq": ">=", "\\geqslant": ">="},
}
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
_RELATION = re.compile(r"\\(?:leqslant|geqslant|leq|geq|le|ge|lt|gt|neq|ne)(?![A-Za-z])|[<>=]")
_SEPARATOR = re.compile(
    r"\s*(?:[,，、;；]|\\(?:text|mathrm)\s*\{\s*(?:and|or|和|或)\s*\}|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])|[和或])"
    r"(?:\s*(?:\\(?:text|mathrm)\s*\{\s*(?:and|or)\s*\}|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])))?\s*"
)
_OR = re.compile(r"\\(?:text|mathrm)\s*\{\s*(?:or|或)\s*\}|(?<![A-Za-z\\])or(?![A-Za-z])|或")
_NAME = re.compile(
    r"\\?[A-Za-z](?:_\{?\w{1,3}\}?|'{1,2})?|[A-Z]{2,4}|\\(?:angle|overline|triangle)\s*\{?\s*[A-Z]{1,3}\s*\}?|[a-z]\([a-z]\)"
)
_ATOM = re.compile(r"[A-Za-z]|\\[a-z]+|-?\s*\d+(?:\.\d+)?")
_SET_BUILDER = re.compile(r"\\\{\s*[A-Za-z]\s*(?:\\in\s*\\mathbb\{?R\}?\s*)?(?:\||\\mid|:)(.*)\\\}", re.DOTALL)
_MEMBER = re.compile(r"[A-Za-z]\s*\\in\s*(.*)", re.DOTALL)
_NAMED_STRUCTURE = re.compile(
    rf"(?:(?:(?P<name>{_NAME.pattern}|[A-Z](?:\s*\\(?:cup|cap|setminus)\s*[A-Z]){{1,4}})\s*=\s*)?(?=[(\[]|\\\{{)"
    r"|(?P<point>[A-Z])\s*(?=\([^()]*,))(?P<value>.*)",
    re.DOTALL,
)
_NAMED_POINT = re.compile(r"[A-Z]\s*=?\s*(?=\([^()]*,[^()]*\)$)")
_MAX_PARTS = 24
_INFINITY = ("-\\infty", "\\infty")

Equal = bool | None
Part = TypeVar("Part")


class Scalars(Protocol):
    """How the parts are compared; either may raise to say that it cannot here."""

    def equal(self, response: str, reference: str) -> Equal: ...

    def multiple(self, response: tuple[str, str], reference: tuple[str, str], positive: bool) -> Equal:
        """Whether left minus right of one relation is a (positive) constant times that of the other."""


@dataclass(frozen=True)
class Chain:
    """`a < b < c`: expressions and the relations between them."""

    terms: tuple[str, ...]
    relations: tuple[str, ...]

    @property
    def is_inequality(self) -> bool:
        return any(relation != "=" for relation in self.relations)

    def rising(self) -> Chain:
        """The same read from the other end where that makes it `<`."""
        if any(relation in (">", ">=") for relation in self.relations):
            return Chain(self.terms[::-1], tuple(_FLIPPED[relation] for relation in self.relations[::-1]))
        return self


@dataclass(frozen=True)
class Interval:
    """Its ends and whether they belong to it; the variable it is about, where one is named."""

    ends: tuple[str, str]
    closed: tuple[bool, bool]
    name: str = ""


def structures_equal(response: str, reference: str, scalars: Scalars) -> Equal:
    """Compare two LaTeX answers by their parts."""
    sides = [_stripped(side) for side in (response, reference)]
    named = _named_structure(sides[0]), _named_structure(sides[1])
    if named[0] and named[1] and (named[0][0] or named[1][0]):
        outcome = structures_equal(named[0][1], named[1][1], scalars)
        return None if outcome and named[0][0] and named[1][0] and named[0][0] != named[1][0] else outcome
    unions = [_union(side) for side in sides]
    if bool(unions[0]) != bool(unions[1]):  # beside an interval, a pair in round brackets is one
        unions = [_union(side, pairs=True) for side in sides]
    if unions[0] and unions[1]:
        return _intervals_equal(unions[0], unions[1], scalars)
    parts = [split_parts(side) for side in sides]
    if max(map(len, parts)) > _MAX_PARTS:
        return True if sides[0] == sides[1] else None
    if len(parts[0]) == len(parts[1]) == 1:
        return _part_equal(sides[0], sides[1], scalars)
    braces = [_inside(side, "\\{", "\\}") for side in sides]
    lists = [split_parts(inner) if inner is not None else part for inner, part in zip(braces, parts, strict=True)]
    return _lists_equal(lists[0], lists[1], response + reference, scalars)


def _named_structure(side: str) -> tuple[str, str] | None:
    """(name, value) of a point, a set or an interval: `D = [0,1)`, `P(1,2)`; the name may be empty."""
    match = _NAMED_STRUCTURE.fullmatch(side)
    if match is None or len(split_parts(match["value"])) > 1 or len(parse_chain(match["value"]).terms) > 1:
        return None
    return re.sub(r"\s", "", match["name"] or match["point"] or ""), match["value"]


def _stripped(side: str) -> str:
    side = re.sub(r"^\{([^{}]*,[^{}]*)\}$", r"\\{\1\\}", side.strip())
    if builder := _SET_BUILDER.fullmatch(side):
        return builder[1].strip()
    if member := _MEMBER.fullmatch(side):
        return member[1].strip()
    return side


def split_parts(text: str) -> list[str]:
    """Split at commas and "or" outside brackets; `\\pm 2` is 2 and -2."""
    parts, start = [], 0
    for match in _SEPARATOR.finditer(text):
        if match.start() >= start and _depth(text[: match.start()]) == 0:
            parts.append(text[start : match.start()])
            start = match.end()
    parts.append(text[start:])
    parts = [part.strip() for part in parts if part.strip()]
    signed = [re.subn(r"\\pm(?![a-z])", sign, part) for part in parts for sign in ("+", "-")]
    if not any(count for _, count in signed):
        return parts
    if any(count > 1 for _, count in signed):
        return parts
    return [
        text.strip().removeprefix("+").strip() for place, (text, count) in enumerate(signed) if count or place % 2 == 0
    ]


def _depth(text: str) -> int:
    return sum(map(text.count, "([{")) - sum(map(text.count, ")]}"))


def _inside(text: str, opening: str, closing: str) -> str | None:
    if text.startswith(opening) and text.endswith(closing) and len(text) > len(opening) + len(closing):
        inner = text[len(opening) : -len(closing)]
        return inner if _depth(inner) == 0 else None
    return None


def _lists_equal(response: Sequence[str], reference: Sequence[str], written: str, scalars: Scalars) -> Equal:
    """Compare as multisets; None where a comma may belong to a number, or named values stand beside bare ones."""
    if len(response) != len(reference):
        return _bracketed(response, reference, written, scalars)
    named = [[_assigned(part) for part in side] for side in (response, reference)]
    names = [{name for name, _ in side} for side in named]
    if names[0] == names[1] and "" not in names[0] and len(names[0]) == len(response) > 1:
        pairs = zip(sorted(named[0]), sorted(named[1]), strict=True)
        return conjunction(scalars.equal(a, b) for (_, a), (_, b) in pairs)
    outcome = _matched(response, reference, lambda part, other: _part_equal(part, other, scalars))
    one_sided = {""} in names and max(len(side - {""}) for side in names) > 1
    if not outcome or not one_sided:
        return outcome
    stems = {re.sub(r"_\{?\w\}?$", "", name) for side in names for name in side} - {""}
    in_order = conjunction(_part_equal(a, b, scalars) for a, b in zip(response, reference, strict=True))
    return True if len(stems) == 1 and in_order else None  # x_1 = 2, x_2 = 3 are 2, 3


def _bracketed(response: Sequence[str], reference: Sequence[str], written: str, scalars: Scalars) -> Equal:
    """A list beside one in brackets: never certainly equal, and different where a part is."""
    if any(parse_chain(part).is_inequality for part in (*response, *reference)):
        return None  # "x <= 5 and x > 2" is one interval
    points = [_coordinates(side[0]) if len(side) == 1 else None for side in (response, reference)]
    lists = [point[2] if point else list(side) for point, side in zip(points, (response, reference), strict=True)]
    if len(lists[0]) == len(lists[1]):
        return None if conjunction(scalars.equal(a, b) for a, b in zip(*lists, strict=True)) is not False else False
    return None if re.search(r"\d,\d{3}(?!\d)", written) else False


def _matched(response: Sequence[Part], reference: Sequence[Part], equal: Callable[[Part, Part], Equal]) -> Equal:
    """Whether each part has a partner of its own."""
    left, doubtful = list(reference), False
    for part in response:
        for place, other in enumerate(left):
            outcome = equal(part, other)
            if outcome:
                del left[place]
                break
            doubtful |= outcome is None
        else:
            return None if doubtful else False
    return True


def _part_equal(response: str, reference: str, scalars: Scalars) -> Equal:
    unnamed = [_NAMED_POINT.sub("", side) for side in (response, reference)]
    if (unnamed[0] == response) != (unnamed[1] == reference) and all(map(_coordinates, unnamed)):
        response, reference = unnamed  # M(1,2) and (1,2); but C(5,2) may be 10
    tuples = [_coordinates(side) for side in (response, reference)]
    if tuples[0] and tuples[1]:
        return _ordered_equal(tuples[0], tuples[1], response + reference, scalars)
    if bool(tuples[0]) != bool(tuples[1]) and _is_number_like(response if tuples[1] else reference):
        return False
    inner = [_inside(side, "\\{", "\\}") for side in (response, reference)]
    if inner[0] is not None and inner[1] is not None:
        distinct = [list(dict.fromkeys(split_parts(side))) for side in inner if side is not None]
        return _lists_equal(distinct[0], distinct[1], response + reference, scalars)
    if (inner[0] is None) != (inner[1] is None):
        both = [
            split_parts(side if inside is None else inside)
            for side, inside in zip((response, reference), inner, strict=True)
        ]
        return _lists_equal(both[0], both[1], response + reference, scalars) if len(both[0]) == len(both[1]) else False
    return _chains_equal(parse_chain(response), parse_chain(reference), scalars)


def _is_number_like(text: str) -> bool:
    return re.fullmatch(r"-?\d+(?:\.\d+)?", text) is not None


def _coordinates(text: str) -> tuple[str, str, list[str]] | None:
    """Brackets and parts of `(a, b)` and `[a, b)`; None for anything else."""
    if len(text) < 5 or text[0] not in "([" or text[-1] not in ")]":
        return None
    inner = text[1:-1]
    if _depth(inner) != 0 or re.search(r"^[^(\[]*[)\]]", inner):
        return None
    parts = split_parts(inner) if "," in inner or "，" in inner else []
    return (text[0], text[-1], parts) if len(parts) > 1 else None


def _ordered_equal(
    response: tuple[str, str, list[str]], reference: tuple[str, str, list[str]], written: str, scalars: Scalars
) -> Equal:
    if len(response[2]) != len(reference[2]):
        return None if re.search(r"\d,\d{3}(?!\d)", written) else False
    if response[:2] != reference[:2]:
        pairs_of_numbers = len(reference[2]) == 2
        return False if pairs_of_numbers else None
    return conjunction(scalars.equal(a, b) for a, b in zip(response[2], reference[2], strict=True))


def conjunction(outcomes: Iterable[Equal]) -> Equal:
    """False if one is, None if one is in doubt, else True."""
    seen: list[Equal] = []
    for outcome in outcomes:
        if outcome is False:
            return False
        seen.append(outcome)
    return None if None in seen else True


def parse_chain(text: str) -> Chain:
    """Split at the relations outside brackets."""
    terms, relations, start = [], [], 0
    for match in _RELATION.finditer(text):
        if _depth(text[: match.start()]) == 0:
            terms.append(text[start : match.start()].strip())
            relations.append(_RELATIONS[match[0]])
            start = match.end()
    return Chain((*terms, text[start:].strip()), tuple(relations))


def _assigned(part: str) -> tuple[str, str]:
    """(name, value) of `x = 2` and `2 = x`; an empty name for anything that is no assignment."""
    chain = parse_chain(part)
    return _assignment(chain) or ("", part)


def _assignment(chain: Chain) -> tuple[str, str] | None:
    if not chain.relations or chain.is_inequality:
        return None
    if _NAME.fullmatch(chain.terms[0]):
        return chain.terms[0], chain.terms[-1]
    if _NAME.fullmatch(chain.terms[-1]) and len(chain.terms) == 2:
        return chain.terms[-1], chain.terms[0]
    return None


def _chains_equal(response: Chain, reference: Chain, scalars: Scalars) -> Equal:
    kinds = [("<" if chain.is_inequality else "=" if chain.relations else "") for chain in (response, reference)]
    if kinds == ["", ""]:
        return scalars.equal(response.terms[0], reference.terms[0])
    if "<" not in kinds:
        return _equations_equal(response, reference, scalars)
    if kinds != ["<", "<"] and any(
        "\\cup" in side.terms[0] or "\\setminus" in side.terms[0] for side in (response, reference)
    ):
        return None  # x != 2 beside the union of what is left
    if kinds != ["<", "<"]:
        return False  # x >= 5 is neither 5 nor x = 5
    rising = response.rising(), reference.rising()
    atoms = all(_ATOM.fullmatch(term) for chain in rising for term in chain.terms)
    if len(rising[0].terms) == len(rising[1].terms):
        same = rising[0].relations == rising[1].relations
        outcome = conjunction(scalars.equal(a, b) for a, b in zip(rising[0].terms, rising[1].terms, strict=True))
        if outcome or (outcome is False and atoms and same):
            return same and outcome
    intervals = [interval_of(chain) for chain in rising]
    if intervals[0] and intervals[1] and intervals[0].name == intervals[1].name:
        return _interval_equal(intervals[0], intervals[1], scalars)
    if len(rising[0].terms) == len(rising[1].terms) == 2:
        return _single_equal(rising[0], rising[1], scalars)
    return None


def _single_equal(response: Chain, reference: Chain, scalars: Scalars) -> Equal:
    if response.relations != reference.relations:
        return None
    pairs = [(chain.terms[0], chain.terms[1]) for chain in (response, reference)]
    directed = response.relations[0] != "!="
    if scalars.multiple(pairs[0], pairs[1], positive=directed):
        return True
    return False if directed and scalars.multiple(pairs[0], pairs[1], positive=False) else None


def _equations_equal(response: Chain, reference: Chain, scalars: Scalars) -> Equal:
    assigned = _assignment(response), _assignment(reference)
    if response.relations and reference.relations:
        if assigned[0] and assigned[1] and assigned[0][0] == assigned[1][0]:
            return scalars.equal(assigned[0][1], assigned[1][1])
        outcome: Equal = None
        if len(response.terms) == len(reference.terms) == 2:
            pairs = [(chain.terms[0], chain.terms[1]) for chain in (response, reference)]
            outcome = scalars.multiple(pairs[0], pairs[1], positive=False)
        if outcome is not True and assigned[0] and assigned[1]:
            return None if scalars.equal(assigned[0][1], assigned[1][1]) is not False else False
        return outcome
    equation, value = (response, reference.terms[0]) if response.relations else (reference, response.terms[0])
    named = assigned[0] or assigned[1]
    if named:
        sides = (named[1], value) if response.relations else (value, named[1])
        return scalars.equal(*sides)
    sides = (equation.terms[-1], value) if response.relations else (value, equation.terms[-1])
    if re.search("[A-Za-z]", re.sub(r"\\[a-z]+", "", "".join(equation.terms[:-1]))):
        return None  # x^2 - x = 0 says more than its right side
    return scalars.equal(*sides)


def interval_of(chain: Chain) -> Interval | None:
    """`2 < x <= 5`, `x < 5` as an interval; None for relations between other things."""
    rising = chain.rising()
    if any(relation not in ("<", "<=") for relation in rising.relations):
        return None
    closed = [relation == "<=" for relation in rising.relations]
    named = [_NAME.fullmatch(term) is not None for term in rising.terms]
    if len(rising.terms) == 3 and named == [False, True, False]:
        return Interval((rising.terms[0], rising.terms[2]), (closed[0], closed[1]), rising.terms[1])
    if named == [True, False]:
        return Interval((_INFINITY[0], rising.terms[1]), (False, closed[0]), rising.terms[0])
    if named == [False, True]:
        return Interval((rising.terms[0], _INFINITY[1]), (closed[0], False), rising.terms[1])
    return None


def _union(side: str, pairs: bool = False) -> list[Interval] | None:
    """The intervals of `[1,2) \\cup (3,4)` and of `x < 0 or x > 1`; None for a plain pair in round brackets."""
    pieces = re.split(r"\s*\\cup(?![a-z])\s*", side)
    if len(pieces) == 1 and _OR.search(side):
        pieces = split_parts(side)
    found: list[Interval] = []
    for piece in pieces:
        pair = _coordinates(piece)
        interval = interval_of(parse_chain(piece))
        if pair and len(pair[2]) == 2:
            ends = tuple(re.sub(r"^\+\s*", "", end) for end in pair[2])
            interval = Interval((ends[0], ends[1]), (pair[0] == "[", pair[1] == "]"))
        if interval is None:
            return None
        found.append(interval)
    plain_pair = len(found) == 1 and not found[0].name and found[0].closed == (False, False)
    return None if plain_pair and "infty" not in side and not pairs else found


def _intervals_equal(response: list[Interval], reference: list[Interval], scalars: Scalars) -> Equal:
    if len(response) != len(reference):
        return None  # they may overlap
    return _matched(response, reference, lambda one, other: _interval_equal(one, other, scalars))


def _interval_equal(response: Interval, reference: Interval, scalars: Scalars) -> Equal:
    if response.closed != reference.closed:
        return False
    outcome = conjunction(_end_equal(a, b, scalars) for a, b in zip(response.ends, reference.ends, strict=True))
    same_name = not response.name or not reference.name or response.name == reference.name
    return outcome if same_name or not outcome else None


def _end_equal(response: str, reference: str, scalars: Scalars) -> Equal:
    infinite = [re.sub(r"\s", "", end) in _INFINITY for end in (response, reference)]
    if any(infinite):
        return re.sub(r"\s", "", response) == re.sub(r"\s", "", reference)
    return scalars.equal(response, reference)
