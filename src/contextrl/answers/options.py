"""Choice letters and yes or no."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from contextrl.answers.wrapping import WRAPPED, unwrap

_LETTER = r"[(\[{<]?[A-J](?![A-Za-z0-9])[)\]}>]?"
_JOINED = r"(?: ?,(?: ?(?:and|or)\b)? ?| (?:and|or) | ?[、;&/|] ?| ?(?:或|以及|和|与|及) ?)"
#: Letters with nothing between them but space, brackets or a plus sign: only where nothing else is said.
_LIST = re.compile(
    rf"{_LETTER}(?:(?:{_JOINED}| ?\+ ?| |(?<=[)\]}}>])(?=[(\[{{<])){_LETTER}){{0,9}}[.。]?", re.IGNORECASE
)
_PREFIX = r"(?:the\s+)?(?:(?:options?|choices?|letters?|answers?)\s*:?\s+|选项\s*|选择\s*|选\s*)?"
_LETTERS = re.compile(
    rf"{_PREFIX}(?P<list>[A-J]{{2,5}}(?![^\W_])|{_LETTER}(?:{_JOINED}{_LETTER}){{0,9}})(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_BE = r"(?:is|are|was|were|seems?|looks?|appears?|would\s+be|should\s+be|must\s+be|can\s+be)"
_REJECTED = re.compile(
    rf"[\s,)]*(?:选项|项|答案)?\s*(?:(?:which|that)\s+)?(?:{_BE}\s+(?:\w+ly\s+|both\s+|all\s+|also\s+)?(?:not"
    rf"|incorrect|wrong|false|invalid"
    r"|ruled|excluded|eliminated|out\b|impossible|never|unlikely)|isn['’]t|aren['’]t|wasn['’]t|can\s?not|can['’]t"
    r"|couldn['’]t"
    r"|doesn['’]t|does\s+not|fails?\b|[都均](?:不|没|错|是错|被排除|可以?排除|可以?被排除)|没|不|错|被排除|被否|排除|有误|是?错|是?不)",
    re.IGNORECASE,
)
_NOT_ANOTHER = re.compile(r"\s*[,;]?\s*(?:而)?不(?:是|选)\s*[A-J]")
_CONFIRMED = re.compile(
    rf"\s*(?:both\s+)?{_BE}\s+(?!hardly|barely|scarcely)(?:\w+ly\s+|both\s+|therefore\s+|thus\s+|indeed\s+)?(?:the\s+)?"
    r"(?:only\s+)?(?:correct|right|true|best|final|answer)|\s*[都均](?:是)?(?:对|正确)",
    re.IGNORECASE,
)
_DISCUSSED = re.compile(
    rf"\s+(?:{_BE}|can|could|may|might|would|should|has|have|does|do|says|shows|states)\b", re.IGNORECASE
)
#: What may follow the letters A and I, which are words too.
_GOES_ON = r"because|since|as\b|instead\b|rather\s+than\b|not\b"
_OTHERWISE = re.compile(
    r"[\s,;.)(—-]*(?:or\b|maybe\b|perhaps\b|possibly\b|或|(?:but|and)\s+(?:also\b|maybe\b|perhaps\b|it\s+could))"
    r"|.{0,60}\b(?:or|but|could\s+(?:also\s+)?be|also|maybe|perhaps)\s+(?:option\s+|choice\s+)?\(?[A-J]\b\)?"
    r"(?!\s+(?:is|are|was)\s+(?:not|in|wrong|false))",
    re.IGNORECASE,
)
#: An arrow, a relation or a dash to another letter (`A → B`, `A–D`), and what makes the letter another name (`C#`).
_NOT_ALONE = re.compile(
    r"\s*(?:[-–—~=<>→⇒≥≤≠+∨∧]|\\[A-Za-z]+|\\ ?\s*or\\?|\.{2,3}|(?:to|through|with|plus|versus|vs)\b)"
    r"[\s\\]*\(?[A-J]\b(?!['’]|\s+[a-z])"
    r"|[#+]|-[a-z]|\s*=",
)
#: The question's options, repeated: `A. cat B. dog C. cow`.
_ENUMERATED = re.compile(
    r"(?:the\s+)?(?:options?|choices?)?\s*:?\s*\(?A[.):].{0,80}?[\s(]B[.):].{0,80}?[\s(]C[.):]",
    re.IGNORECASE | re.DOTALL,
)
YES_NO = re.compile(
    r"(?P<yes>yes|true|correct|yeah|yep|是的|是|对|正确|y(?![\w/]))|"
    r"(?P<no>no(?!\w| idea)|false|incorrect|not (?:true|correct)|nope|否|不是的|不是|不对|错误|不正确|没有"
    r"|不(?![一-鿿])|n(?![\w/]))",
    re.IGNORECASE,
)
#: What may follow a yes or a no without a comma: a sentence of its own.
_CLAUSE = re.compile(
    r"\s+(?:because|since|as|it|they|he|she|this|that|these|those|there|we|you|i|the|all|both|sir)\b(?!\s+(?:if"
    r"|when|not sure))",
    re.IGNORECASE,
)
_HEDGE = re.compile(
    r"\b(?:and|or|not sure|maybe|unsure|perhaps|possibly|if|unless|depends|depending|sometimes|partly|partially"
    r"|in some|in part|provided|assuming|except|mostly|only|almost|in theory|in principle)\b|或|和|也许|可能|有时|除非",
    re.IGNORECASE,
)
_UNDER_CONDITION = re.compile(
    r"\b(?:if|unless|depends|not sure|provided|assuming|although not|though not|(?:not|n['’]t) (?:\w+ )?always"
    r"|(?:can(?:not|['’]t| not)|could(?:n['’]t| not)) (?:tell|say|know|see|determine|answer|be sure))\b",
    re.IGNORECASE,
)
_YES_AGAIN = re.compile(r"(?<!not )(?<!不)\b(?:yes|true)\b|(?<!不)是的|[，,。]\s*是(?=$|[。！，])", re.IGNORECASE)
_NO_AGAIN = re.compile(
    r"(?:^|[,;:.!?(—-]|\bso|\bbut|\bactually|\brather|\bit is|\bthen|\bis)\s*(?:no|false|not so)\b(?!\s+(?:doubt"
    r"|question|matter|problem))",
    re.IGNORECASE,
)
_OF_SENTENCE = re.compile(r"[.!?。！？\n;；]")
_DENIED = re.compile(
    r"\b(?:none|neither|nor|not|never|no|if|unless|whether|either|why|might|except)\b|n['’]t\b|不|没|是否|如果|排除|除",
    re.IGNORECASE,
)
_DENIED_ZH = re.compile(r"(?:不|别|勿|不要|排除|无法)(?:该|应|应该|能|可|可以|会|要)?\s*$")
_SEVERAL = rf"(?:[(\[]?[A-J][)\].]?{_JOINED}){{0,8}}"
_IS_RIGHT = re.compile(
    rf"(?<![A-Za-z])(?P<list>{_SEVERAL}[(\[]?[A-J][)\].]?)\s+(?:is|are)\s+(?:therefore\s+|thus\s+|both\s+"
    rf"|clearly\s+|indeed\s+)?"
    r"(?:the\s+)?(?:only\s+)?(?:(?:correct|right|best|final)(?:\s+(?:answer|option|choice)s?)?|answers?)\b"
)
_CHOSEN = re.compile(
    r"\b(?:choose|chose|pick|select|go(?:ing)? with|settle on|opt for)\s+(?:the\s+)?(?:options?\s+|choices?\s+"
    r"|answer\s+)?"
    rf"(?P<list>{_SEVERAL}[(\[]?[A-J](?![A-Za-z'’])[)\]]?)"
)
_CHOSEN_ZH = re.compile(
    r"(?:故选|应选|答案选|选择|选)(?!项|出|取|中|手)\s*[:：]?\s*"
    rf"(?P<list>{_SEVERAL}[(\[]?[A-J]{{1,5}}(?![A-Za-z])[)\]]?)(?=(?P<rest>[^\n。]{{0,20}}))"
)
_RIGHT_ZH = re.compile(
    rf"(?:选项|项)?\s*(?P<list>{_SEVERAL}[A-J])(?![A-Za-z])(?:选项|项)?(?:都|均)?(?:是)?(?:正确|对的)(?!吗|与否)"
)


def normalized(value: str) -> str:
    """Full-width and traditional forms as the patterns here know them."""
    return unicodedata.normalize("NFKC", value).replace("選", "选").replace("項", "项").replace("與", "与")


def choice_statements(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, letters) of sentences of their own that name the right options: `(B) is correct`, `故选B`."""
    for pattern in (_IS_RIGHT, _CHOSEN, _CHOSEN_ZH, _RIGHT_ZH):
        for match in pattern.finditer(text):
            start = match.start()
            before = _OF_SENTENCE.split(text[max(0, start - 120) : start])[-1]
            chinese = pattern is _CHOSEN_ZH
            if (_DENIED_ZH if chinese else _DENIED).search(before):
                continue
            if chinese and _REJECTED.match(match["rest"]):
                continue
            yield start, match.end("list"), match["list"]


def choice_in(value: str) -> str | None:
    """Return the letters that a statement's value names, in order; None if it names none."""
    letters = parse_choice(value)
    if letters:
        return ", ".join(sorted(letters))
    if letters is not None:
        return value  # "A or B": stated, but not one answer
    if _DENIED.search(value) or re.search(r"\b(?:wrong|incorrect|false)\b", value):
        return None
    marked = {a or b for a, b in re.findall(r"\(([A-J])\)|\boption ([A-J])\b", value)}
    return marked.pop() if len(marked) == 1 else None


#: Of another option, after one was stated.
ALSO_RIGHT = re.compile(
    rf"(?<![A-Za-z])\(?[A-J]\)?\s+(?:{_BE}|can|could|may|might)\s+(?:be\s+)?(?:also|equally|likewise|just as)\b"
    r"|\b(?:so|and so) is \(?[A-J]\b|(?<![A-Za-z])[A-J](?:选项)?也(?:是)?(?:对|正确)"
)


def parse_choice(value: str) -> frozenset[str] | None:
    """Return the letters that `value` starts with; empty for a hedge ("A or B"), None if it names none."""
    value = unwrap(normalized(value))
    value = " ".join(WRAPPED.sub(r"\1", value).replace("$", "").split())
    if _LIST.fullmatch(value) and (len(value) > 1 or value.isalpha()):
        return _listed(value)
    match = _LETTERS.match(value)
    if match is None:
        return None
    listed, rest = match["list"], match["rest"]
    ends_here = not rest.strip() or rest[0] in ".:)]},;、"
    if _REJECTED.match(rest) and not _NOT_ANOTHER.match(rest):
        return None if re.match(r"\s*(?:are\b|were\b|[都均])", rest) else _before_rejected(listed)
    if len(listed) > 1 and listed.isascii() and listed.isalpha():
        in_order = listed.isupper() and list(listed) == sorted(set(listed))
        return frozenset(listed) if in_order and (ends_here or not rest[0].isascii()) else None
    if re.match(r"[A-Za-z'’_]", rest):
        return None
    if (
        _ENUMERATED.match(value)
        or re.search(r"\bor\b|[/|]|或", listed, re.IGNORECASE)
        or _OTHERWISE.match(_OF_SENTENCE.split(rest)[0])
    ):
        return frozenset()
    if _NOT_ALONE.match(rest):
        return frozenset() if re.search(r"[A-J]\b", rest) else None
    confirmed = _CONFIRMED.match(rest)
    if not confirmed and _DISCUSSED.match(rest):
        return None
    bracketed = listed[0] in "([{<" or listed[-1] in ")]}>"
    if not ends_here and not confirmed and not re.match(r"\s+(?:because|since|as\b|both\b|together\b|\()", rest):
        listed = _first(listed)
    if not bracketed and listed[0].islower() and not ends_here:
        return None
    # "A cat" and "I think" are words, not choices.
    if not bracketed and not confirmed and listed[:1] in "AI" and re.match(rf"\s+(?!{_GOES_ON})[a-z]", rest):
        return None
    return _letters(listed)


def _listed(value: str) -> frozenset[str]:
    """The set that a list is; empty where it offers a choice, or names every option from A on."""
    letters = re.findall(r"(?<![A-Z])[A-J](?![A-Z])", value.upper())
    if re.search(r"\bor\b|[/|]|或", value, re.IGNORECASE):
        return frozenset()
    if re.match(r"[(\[][A-J][)\]] [A-J](?![)\]])", value, re.IGNORECASE):
        return frozenset()  # "(C) A, B" may be option C with its text
    bare = re.fullmatch(r"[A-Ja-j](?:\s+[A-Ja-j])+", value)
    every = letters == [chr(ord("A") + place) for place in range(len(letters))]
    return frozenset() if bare and every and len(letters) > 3 else frozenset(letters)


def _first(listed: str) -> str:
    """`B` of "B, A is wrong": what follows is a sentence about the last letter, unless "and" joins it to the others."""
    if re.search(r"\band\b|[&和与及]|以及", listed, re.IGNORECASE):
        return listed
    return re.split(r"(?<=[A-Ja-j])\b|(?<=[)\]}>])", listed, maxsplit=1)[0]


def _before_rejected(listed: str) -> frozenset[str] | None:
    """What "B, A is wrong" still states, and "A and B is wrong" does not."""
    comma = re.fullmatch(rf"({_LETTER})\s*[,;、]\s*{_LETTER}", listed)
    return _letters(comma[1]) if comma else None


def _letters(listed: str) -> frozenset[str]:
    return frozenset(re.findall(r"(?<![A-Z])[A-J](?![A-Z])", listed.upper()))


def parse_yes_no(value: str) -> bool | None:
    """Return what `value` starts with, yes or no; None for neither, for a hedge ("yes and no") and for a quantity."""
    value = unwrap(unicodedata.normalize("NFKC", value))
    match = YES_NO.match(value)
    if match is None:
        return None
    rest = value[match.end() :]
    if (rest[:1].isalpha() and rest[:1].isascii()) or re.match(r"\s*/", rest):
        return None
    if rest[:1].isalpha() and not re.match(r"[的，,。]", rest):
        return None
    if re.match(r"\s+[A-Za-z]", rest) and not _CLAUSE.match(rest):
        return None  # "no way to tell", "no more than two"
    yes = match["yes"] is not None
    sentence = _OF_SENTENCE.split(rest, maxsplit=1)[0]
    if _HEDGE.search(sentence[:16]) or _UNDER_CONDITION.search(sentence):
        return None
    if re.match(r"\.?\s*\d", rest):
        return None  # No. 3
    again = (_NO_AGAIN if yes else _YES_AGAIN).search(rest)
    return None if again else yes
