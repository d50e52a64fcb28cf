"""Whether a response has any content: nobody is asked about one that only announces an answer.

Punctuation, "Thought process:" or "Let's solve this step by step." alone are found correct by many judges (arXiv
2507.08794). What is left of a response without its thoughts, markup and tokens is read in pieces, and a piece is empty
if it has nothing but words that announce, and one at least that does nothing else. So every wording of an
announcement is found, and an answer of one letter, digit or sign is none.
"""

from __future__ import annotations

import html
import re
import unicodedata

from contextrl.answers.lookalikes import TWINS
from contextrl.judge.llm.neutralise import NEWLINE, visible, without_tokens

_THOUGHT = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|seed:think)"
_OPENS = re.compile(
    rf"<\s?{_THOUGHT}\s?>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|channel\|>\s?(?:analysis|commentary)\b",
    re.IGNORECASE,
)
_CLOSES = re.compile(
    rf"<\s?/\s?{_THOUGHT}\s?>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|channel\|>\s?final\s?<\|message\|>",
    re.IGNORECASE,
)
#: Markup that shows nothing by itself: tags, fences with their language, commands that only set type.
_MARKUP = re.compile(
    r"</?[a-z][\w:-]{0,30}(?:\s[^<>]{0,100})?/?>"
    r"|<!--.{0,200}?-->"
    r"|^[ \t]{0,8}(?:```|~~~)[ \t]{0,8}[\w+-]{0,20}[ \t]{0,8}$"
    r"|\\(?:begin|end)\s?\{[a-z]{1,20}\*?\}"
    r"|\\(?:[hv]space|hskip|phantom)\*?\s?\{[^{}]{0,20}\}"
    r"|\\(?:boxed|fbox|framebox|text\w{0,6}|math(?:rm|bf|it|sf|tt)|displaystyle|left|right|big[lr]?|quad|qquad"
    r"|[lcv]?dots|square|blacksquare|qed(?:symbol|here)?|Box|underline|large|Large|tag|label|null|relax"
    r"|newline|par|item|section|subsection|centering|noindent)(?![A-Za-z])"
    r"|\\[ ,;:!()\[\]\\]"
    r"|\\[a-z]{1,20}(?:\s?\{\s{0,8}\}){1,4}|!?\[\]\([^()]{0,100}\)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
#: Signs of mathematics that end a proof or only lead to a value: no values themselves.
_NO_VALUES = re.compile("[\u2190-\u21ff\u27f0-\u27ff\u2900-\u297f\u220e\u2234-\u2237\u22ee-\u22f1]")
#: What a lone sign says in words, where the reference has the words.
_SIGNS = {
    "<": "less|smaller|fewer|below|before",
    ">": "greater|more|larger|bigger|above|after",
    "=": "equal|same",
    "+": "plus|add|sum|positive|increas",
    "-": "minus|subtract|negative|decreas|dash|hyphen",
    "*": "times|multipl|star|asterisk",
    "/": "divi|slash",
    "÷": "divi",
    "%": "percent",
    "?": "question",
    "!": "exclamation|factorial",
    "✓✔✅☑👍": "yes|true|correct|right|check|tick|thumb",
    "✗✘❌✖👎": "no|false|incorrect|wrong|cross|thumb",
}


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: Idioms whose words mean something elsewhere ("one", "way", "of").
_IDIOMS = re.compile(
    r"\bstep\s?-?\s?by\s?-?\s?step\b|\bone (?:step|thing) at a time\b|\bone by one\b|\b(?:first|second) of all\b"
    r"|\bstep (?:1|one)\b|\bas (?:follows|required|desired|requested|needed|below)\b|\bof course\b|\bno problem\b"
    r"|\bin (?:conclusion|summary|short|detail|order|order to)\b"
    r"|\b(?:good|great|interesting|nice) (?:question|problem)\b"
    r"|\bchain of thought\b|\bline of (?:thought|reasoning)\b|\bq ?e ?d\b|\bthat s (?:it|all)\b"
    r"|\bthank(?:s| you)\b|\bto (?:this|the) (?:question|problem)\b|\bhence (?:proved|proven|shown)\b"
    r"|\b(?:we|i) are done\b|\b(?:all|it s|it is) (?:done|finished)\b|\bhere (?:we|you) (?:go|are)\b"
    r"|\bend of (?:the )?(?:answer|solution|proof|response|reasoning|explanation)\b"
    r"|\bi (?:really |honestly )?(?:do not|don t|dont) know(?: the (?:answer|solution))?\b"
    r"|\b(?:i have )?no idea\b"
    r"|\b(?:i (?:a )?m )?not sure\b|\bidk\b"
    r"|\bno (?:answer|solution|response)(?: (?:is |was )?(?:provided|given|found|available))\b"
    r"|\bno (?:answer|response)\b|\bnot applicable\b|\b(?:shown|given|provided|is) below\b|\bdap an\b"
    r"|\bdive (?:right )?in(?:to it)?\b"
    r"|\b(?:i (?:m |am )?(?:sorry )?(?:but )?(?:i )?)?(?:can ?not|can t|unable to) (?:answer|solve|help|assist)\b"
    r"|\blet me know if you (?:have any|need any|need more|need further|have more) (?:help|questions|assistance)\b"
    r"|\b(?:i )?hope (?:this|that|it) helps\b"
)
#: One of these at least makes an announcement.
_ANNOUNCES = _listed(
    """
    solution solutions solve solving solved answer answers answered answering reasoning reason analysis analyse analyze
    analyzing analysing explanation explain explaining thought thoughts think thinking let lets okay ok okey sure
    certainly absolutely definitely alright here proof prove proved proven derivation rationale justification
    conclusion conclude summary response respond result results output verdict breakdown approach method calculation
    calculate calculating compute computing computation work working worked examine examining understand understanding
    done finished complete completed completes placeholder tbd todo
    begin start starting final finally given option choice
    hello hi hey assistant hmm wait reconsider loading processing ans soln found
    greetings please welcome first insert therefore thus hence so sorry
    voici respuesta solucion razonamiento analisis explicacion resolver resolvamos pensemos pensar vamos
    losung antwort erklarung begrundung uberlegung losen denken
    reponse raisonnement analyse explication resolvons pensons resoudre
    resposta solucao raciocinio analise explicacao resolver pensar
    risposta soluzione ragionamento analisi spiegazione risolviamo pensiamo
    antwoord oplossing redenering uitleg odpowiedz rozwiazanie cevap cozum giai dap loi
    ответ решение рассуждение объяснение анализ решим решить подумаем давайте
    الجواب الحل الاجابة الإجابة التفسير التحليل لنحل
    उत्तर हल समाधान व्याख्या
    """
)
#: Words that may stand beside an announcement.
_BESIDE = _listed(
    """
    the this that these those my our your his its to of for in on by at with from about into and or now then next step
    steps process problem problems question questions task exercise equation expression image picture figure diagram
    is are was will be would can could should shall must may might do does did go going get gets given find finding
    determine determining identify look looking read reading see consider considering use using follow follows
    following followed carefully systematically thoroughly quickly together detailed detail brief short complete full
    correct right above below through out up down it we us me you i m ll d s re ve need needs want wanted have has
    happy glad help assist try trying provide provided provides give giving gives show shown showing write writing
    break down each every all some more provide only just simply logically logical careful deep breath take taking
    based according information there as well value been being ready goes again statement required end ends hand
    paso por de la el los las para este esta un una lo que es con problema pregunta final mi nuestra
    schritt fur lass lasst lassen sie uns konnen das dieses die der den ist lautet zu wir problem frage
    etape par est cette ce le les pour nous une finale probleme
    passo esta este essa esse um uma e o a os do da problema pergunta
    per questo questa il lo gli di finale
    stap voor laten we dit is het krok po kroku jest adim son buoc chung ta hay tung
    это шаг за шагом этот эту задачу по шагам вот мой окончательный
    هذه خطوة بخطوة النهائي النهائية هو المسالة المشكلة
    है हैं चलो आइए इसे करते करें चरण दर कदम अंतिम
    """
)
#: Alone, what somebody does or has.
_ALONE = _listed("work working here thought")
#: These take the place of an answer.
_PLACEHOLDERS = _listed("none null nil nan void empty blank nothing")
#: Of these only one that leads on is no answer: "A step", "I think", "First, let us ...", but not "Answer: A".
_LEADING = _listed("a an i first now then next one o e y")
_COPULAS = _listed("is are was be es est ist s")
#: What may follow a copula without being the answer, or begin a piece that tells what will be done.
_LEAD_ON = _listed("to the this that as my our your")
_IMPERATIVES = _listed(
    "follow read look see consider use using find determine identify break go looking based according considering"
)
#: Only so much is looked at: an answer after more of nothing is not worth a judge.
_LOOKED_AT = 20_000
#: Languages that set no spaces: what announces, and what may stand beside it.
_ANNOUNCES_UNSPACED = re.compile(
    "综上所述|综上|所以|因此|让我们|讓我們|我们来|首先|好的|答案|回答|思考|思路|分析|推理|证明|證明|证毕|證畢|完成|完毕|步骤|步驟|过程|過程|一步一步|一步步|逐步|"
    "解答|解析|解法|解题|解題|解决|解決|解説|解い|解き|解|答え|答|计算|計算|不知道|结论|結論|结果|結果|如下|"
    "풀이|풀어|해설|정답|답변|해답|답|설명|분석|생각|해결|단계별|단계|まず|かいせつ|こたえ|考え方|考えて|考え|ステップ|順番に|説明|คำตอบ|วิธีทำ"
)
_BESIDE_UNSPACED = re.compile(
    "(?:我们|我|来|中|故|請|请|这个|这道|这|此|该|問題|问题|题目|题|地|的|是|为|為|最终|最終|最后|一下|将|会|要|需要|以下|下面|仔细|可以|先|"
    "ましょう|ていき|いき|みます|みましょう|ます|です|ください|から|まで|この|その|では|それでは|について|ひとつずつ|一つずつ|バイ|"
    "ごとに|を|は|で|に|の|て|と|く|し|"
    "은|는|이|가|을|를|의|로|으로|에|문제|보겠습니다|봅시다|보자|하겠습니다|합니다|해|과정|최종|다음|같습니다|과|입니다)+"
)
_PLACEHOLDERS_UNSPACED = {"无", "無", "没有", "なし"}
#: A reference in these words means that there is nothing, so that a response of "none" may be right.
_MEANS_NOTHING = re.compile(
    r"^\W*(?:0+(?:\.0+)?|zero|no|not|never|neither|none|nothing|nobody|nil|null|empty|∅|\\emptyset|\\varnothing|无|無|没有|零|なし)"
    r"(?![a-z])",
    re.IGNORECASE,
)
_DOUBT = re.compile(r"\b(?:know|cannot|can't|unknown|undetermined|insufficient|not enough|unclear|idea|sure)\b", re.I)
_ASSENT = {"sure", "certainly", "absolutely", "definitely", "of course"}
_CJK = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_ENDS = re.compile(r"[.!?;:,…。！？；：，、\n]+")


def says_nothing(text: str, answer: str = "", question: str = "") -> bool:
    """Whether a response has no content: only thoughts, markup, punctuation, or an announcement of what never comes.

    Args:
        text: the response.
        answer: the reference. Where it is itself such a text ("N/A", "OK", ":") or means that there is nothing, or has
            the response's sign, a response may be right and is for the judge.
        question: where it names the response among what may be answered, the judge is asked too.
    """
    bare = text.strip()
    if answer and (bare == answer.strip() or (bare in answer and any(char.isalnum() for char in bare))):
        return False
    said = _without_markup(text)
    if not any(char.isalnum() for char in said):
        return not (said and _is_sign(said, answer))
    if not _is_announcement(said):
        return False
    return not (_is_kin(said, answer) or _is_option(said, question))


def after_thoughts(text: str) -> str:
    """What a response says outside its thoughts: after the last block, and before the first where it opens late.

    A block that opens and never closes hides the rest; one that only closes was opened by the prompt.
    """
    first, last, rest = _OPENS.search(text), None, text
    for closing in _CLOSES.finditer(text):
        last = closing
    before = ""
    if last is not None:
        rest = text[last.end() :]
        before = text[: first.start()] if first is not None and first.start() < last.start() else ""
    unclosed = _OPENS.search(rest)
    return f"{before}\n{rest[: unclosed.start()] if unclosed else rest}"


def _without_markup(text: str) -> str:
    """The characters that a reader sees, without thoughts, template tokens and markup."""
    text = after_thoughts(visible(NEWLINE.sub("\n", text)))
    text = visible(html.unescape(text)).replace("\u00a0", " ")
    text = without_tokens(text)
    return re.sub(r"[{}$*`#_|\\]+", " ", _MARKUP.sub(" ", text)).strip()


def _is_sign(said: str, answer: str) -> bool:
    """Whether signs without a letter or digit may answer: those with a value of their own, and the reference's."""
    signs = _NO_VALUES.sub("", "".join(said.split()))
    if any(unicodedata.category(char) == "Sm" and ord(char) > 0xFF and char not in "✓✔" for char in signs):
        return True
    bare = _without_markup(answer)
    if bare and not any(char.isalnum() for char in bare):
        return True
    if any(not char.isascii() and unicodedata.category(char).startswith("S") and char in answer for char in signs):
        return True
    return any(
        set(signs) <= set(meant) and re.search(rf"\b(?:{words})", answer, re.IGNORECASE)
        for meant, words in _SIGNS.items()
    )


def _folded(text: str) -> str:
    """Lower case without accents, letters of other alphabets as the Latin ones that they look like."""
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    text = "".join(char for char in text if unicodedata.category(char) != "Mn" or _CJK.match(char))
    return unicodedata.normalize("NFC", text.translate(TWINS))


def _words(text: str) -> list[str]:
    return "".join(char if char.isalnum() or _CJK.match(char) else " " for char in text).split()


def _vocabulary(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word for entry in words for word in _words(_folded(entry)))


_ANNOUNCING, _NEUTRAL = _vocabulary(_ANNOUNCES), _vocabulary(_BESIDE)
_ALL = _ANNOUNCING | _NEUTRAL | _PLACEHOLDERS


def _is_announcement(said: str) -> bool:
    """Whether each piece of a text only announces, or stands in the answer's place."""
    # "Na" is sodium; "NA", "na" and "n/a" are no answer.
    said = re.sub(r"\b(?:[nN]\s?[/.]\s?[aA]|NA|na)\b\.?", " none ", said)
    said = re.sub(r"\bq\.\s?e\.\s?[dfi]\b", " qed ", said, flags=re.IGNORECASE)
    said = re.sub(r"(^|[.!?:;\n]\s{0,8})((?:first|firstly|now|next|then|so)),", r"\1\2", said, flags=re.IGNORECASE)
    said = re.sub(r"\b[éè]\b", "est", said)
    pieces = (_idiomless(_words(_folded(piece))) for piece in _ENDS.split(said[:_LOOKED_AT]))
    return all(_is_empty_piece(words) for words in pieces if words)


def _idiomless(words: list[str]) -> list[str]:
    return _IDIOMS.sub(" done ", re.sub(r"\blet s\b", "lets", " ".join(words))).split()


def _is_empty_piece(words: list[str]) -> bool:
    if set(words) - {"a", "the"} <= _ALONE and len(words) < 3:
        return False
    announces = words[0] in _IMPERATIVES and len(words) > 1
    for position, word in enumerate(words):
        following = words[position + 1] if position + 1 < len(words) else ""
        if word in _LEADING:
            if following not in _ALL | _LEADING or (following in _COPULAS and len(word) == 1 and word != "i"):
                return False
        elif word in _PLACEHOLDERS and following == "of":
            return False
        elif word in _ANNOUNCING or word in _PLACEHOLDERS:
            announces = True
        elif _CJK.search(word):
            if not _BESIDE_UNSPACED.fullmatch(word):
                if not _is_empty_unspaced(word):
                    return False
                announces = True
        elif word not in _NEUTRAL:
            return False
    return announces and not _states(words)


def _states(words: list[str]) -> bool:
    """Whether something follows the last copula that may be the answer: "the answer is right"."""
    last = max((place for place, word in enumerate(words) if word in _COPULAS), default=len(words))
    rest = words[last + 1 :]
    return bool(rest) and rest[0] not in _LEAD_ON and not any(word in _ANNOUNCING | _PLACEHOLDERS for word in rest)


def _is_empty_unspaced(word: str) -> bool:
    left, announced = _ANNOUNCES_UNSPACED.subn(" ", word)
    return word in _PLACEHOLDERS_UNSPACED or (
        announced > 0
        and all(part in _PLACEHOLDERS_UNSPACED or _BESIDE_UNSPACED.fullmatch(part) for part in left.split())
    )


def _is_kin(said: str, answer: str) -> bool:
    """Whether the reference is such a text too, or one of its words: then the response may be right."""
    bare = _without_markup(answer)
    if not bare:
        return False
    words, wanted = _words(_folded(said)), set(_words(_folded(bare)))
    if "step" in words and wanted & {"1", "1st", "one", "first", "step"}:
        return True
    if _is_announcement(bare) or any(len(word) > 3 for word in wanted & set(words)):
        return True
    if _MEANS_NOTHING.match(bare):
        return any(word in _PLACEHOLDERS | _PLACEHOLDERS_UNSPACED or word == "n" for word in words)
    if _DOUBT.search(answer):
        return _DOUBT.search(said) is not None
    return bool(wanted & {"yes", "no", "true", "false"}) and " ".join(words) in _ASSENT


def _is_option(said: str, question: str) -> bool:
    """Whether the question lists the text as one of the options."""
    wording = r"\W{1,3}".join(map(re.escape, re.findall(r"\w+", said)[:20]))
    return (
        re.search(rf"(?:^|[\s(,;])\(?[A-J][).:]\s{{0,3}}(?:an?\s|the\s)?{wording}\b", question, re.IGNORECASE)
        is not None
    )
