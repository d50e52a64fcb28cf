"""Words that give a response away as the revision of something said before: what nobody writes who answers afresh.

Phrases are found anywhere; openings only where a response begins with them, since "looking again" is an ordinary check
of one's own steps once there are any; faults not where the question itself is about mistakes.
"""

from __future__ import annotations

import re

from contextrl.rollout.word_patterns import from_words

_ADVERB = r"(?:,?\s+of\s+course,?\s+|\s+\w+ly\s+|\s+)"
_EARLIER = r"(?:previous|earlier|prior|former|revised|corrected|updated)"
_TEXT = r"(?:answer|attempt|response|solution|try|submission|reply)"
_WORK = (
    r"(?:answer|attempt|response|solution|reading|calculation|reasoning|analysis|interpretation|conclusion|count|sum"
    r"|statement|result|explanation|estimate|reply|step)"
)
_OWN = (
    r"(?:answer|attempt|response|solution|reading|calculation|reasoning|analysis|interpretation|conclusion|count"
    r"|explanation|estimate|reply)"
)
_WRONG = r"(?:wrong|incorrect|mistaken|off|in\s+error|flawed|inaccurate|erroneous|not\s+(?:right|correct))"
_MISDONE = (
    r"mis(?:read|judged|counted|identified|interpreted|calculated|taken|understood|placed|labell?ed|applied|stated)"
)

PHRASES = from_words(
    rf"""
    \b(?:mistake|error|feedback)[\s-]+report\b
    | \b(?:the|this|your|that|per|by)\s+(?:report|feedback|hint|critique)\b(?!\s+loop)
    | \breport\s+(?:says|states|notes|points|mentions|indicates|tells)\b
    | \bmy\s+(?:previous|earlier|first|prior|last|initial|original|former)\s+(?:\w+\s+)?
        (?:{_OWN}|mistake|message|turn|error)\b
    | \b{_EARLIER}\s+{_TEXT}\b
    | \byou(?:\s+are|\s+were|\s?'re){_ADVERB}(?:right|correct|spot\s+on)(?!\s+(?:to|of)\b|-)
    | \b(?:as\s+)?you\s+
        (?:said|noted|pointed|mentioned|wrote|indicated|suggested|told|corrected|explained|observed)\b
    | \b(?:as|since|because)\s+you\s+(?:say|note|point|mention|indicate|suggest)\b
    | \bas\s+pointed\s+out\b | \bas\s+i\s+said\b
    | \byour\s+(?:correction|comment|note|advice|remark|observation|review)s?\b
    | \b(?:using|with|after|by)\s+the\s+correction\b | \byour\s+right,
    | \b(?:thanks|thank\s+you)(?:,|\s+for\s+(?:the|your|this|that|pointing|correcting|catching|noting))
    | (?:^|[.!]\s+)thank(?:s|\s+you)[.!]\s+\S
    | \bi\s+appreciate\s+(?:the|your|this|that)\b
    | \bi(?:\s+have|'ve|\s+had)?\s+
        (?:apologi[sz]e|made\s+an?\s+(?:mistake|error|slip)|was\s+(?:wrong|mistaken)|mistakenly|{_MISDONE}|overlooked)\b
    | \bi\s+(?:previously|initially|earlier|no\s+longer)\b | \bearlier,?\s+i\b | \bi\s+stand\s+corrected\b
    | \bi\s+confused\s+the\b
    | \bi\s+should\s+(?:instead\s+)?have\s+(?:read|taken|said|seen|been|\w+ed)\b | \bwhere\s+i\s+went\s+wrong\b
    | \bi(?:'ve|\s+have|\s+will|'ll)?\s+(?:now\s+)?correct(?:ed)?\s+(?:step\s+\d|my\b|that\b|this\b|it\b)
    | \b(?:i\s+was|i\s+have\s+been|i've\s+been|having\s+been)\s+(?:told|informed|corrected)\b
    | \b(?:good|great|nice)\s+catch\b | (?:^|[.!]\s*)(?:good|fair|valid)\s+point\b | (?:^|[.!]\s*)fair\s+enough\b
    | \b(?:sorry|apologies)\b[^.]{{0,40}}\b(?:mistake|error|earlier|previous)\b
    | (?:^|[.!]\s*)(?:my\s+)?apologies\b | (?:^|[.!]\s*)(?:i'm\s+sorry|sorry(?:,|\s+(?:about|for)\b))
    | \blet\s+me\s+(?:correct\s+(?:my|that|this|it|step)|fix|redo|retry|revise|revisit|re-?evaluate|re-?assess
        |re-?analy[sz]e|try\s+again|start\s+(?:over|again)|begin\s+again|re-?examine|reconsider)\b
    | \blet(?:\s+me|'s|\s+us)\s+start\s+over\b
    | \b(?:answer|solv|start|begin|try)(?:e|ing|ning)?\s+(?:(?:the|this)\s+(?:question|problem)\s+|it\s+)?
        (?:afresh|anew|once\s+more)\b
    | \ba\s+fresh\s+(?:answer|attempt|look|start|try)\b
    | \btrying\s+again\b | \bon\s+second\s+thoughts?\b | \bmy\s+(?:own\s+)?(?:mistake|error|oversight|misreading|bad)\b
    | (?:^|[.!]\s*)correct(?:ed|ion):
    | \bupon\s+re-?(?:examination|checking|examining)\b | \bthis\s+time,?\s+(?:i|we|let)\b
    | \bcorrectly\s+this\s+time\b
    | \bread(?:ing)?\s+(?:it|them|this)\s+correctly\s+(?:now|this\s+time)\b
    | \b(?:reviewer|examiner|grader|evaluator)(?:'s)?\s+(?:says?|said|is\s+right|note[sd]|found|points?|wrote)\b
    | \b(?:the|as\s+the)\s+(?:judge|review|critic|comment)\s+(?:says|said|noted|found|points|pointed|is\s+right)\b
    | \b(?:unlike|contrary\s+to)\s+(?:before|my)\b | \bas\s+(?:stated|said|claimed|read)\s+before(?!\s+in)\b
    | \b(?:tienes\s+raz[oó]n|tiene\s+raz[oó]n|vous\s+avez\s+raison|tu\s+as\s+raison|(?:du\s+hast|sie\s+haben)\s+recht
        |hai\s+ragione|voc[eê]\s+tem\s+raz[aã]o|entschuldigung|d[eé]sol[eé]|вы\s+правы|ты\s+прав)\b
    | 申し訳|おっしゃる通り|ご指摘|죄송합니다|말씀이\s?맞
    | (?:错误报告|(?:根据|按照|依据)(?:报告|提示|反馈)|我(?:之前|刚才|上一次|先前)|之前的(?:回答|答案|错误|计算|解答)
       |先前的|前一次回答|之前我|上(?:一)?[次个](?:的)?(?:回答|答案|解答)|原来的(?:回答|答案|解答)
       |[你您](?:说的?得?(?:很|完全)?对|指出|是对的|所说)|(?:谢谢|感谢)[你您]?的?(?:指正|指出|反馈|提醒|纠正)
       |我(?:看|读|算|数|弄)错了|刚才(?:看|读|算|数)错|这[次一回]我|对不起|抱歉|我更正|重新(?:检查|审视|看图|回答|作答)
       |^修正后|^更正[:：]|^纠正如下)
    """,
    re.IGNORECASE | re.VERBOSE,
)

_ANEW = r"(?:examin|check|read|count|evaluat|assess|consider|view|inspect|visit|analy[sz]|calculat|comput|do|solv)"
#: What a response cannot begin with that has nothing before it.
OPENINGS = re.compile(
    rf"""
    [\s*\#>_"'`-]{{0,10}}(?:(?:okay|ok|so|now|well|alright),?\s+)?(?:
    (?:(?:let\s+me|i\s+will|i'll|let's)\s+)?(?:look|check|read|examin|review|go)(?:e|ing)?\s+
        (?:(?:back\s+)?(?:at|over)\s+)?(?:(?:the|this|my)\s+(?:\w+\s+){{0,2}})?
        (?:again|anew|afresh|once\s+more|more\s+(?:closely|carefully))\b
    | (?:(?:let\s+me|i\s+will|i'll|after|upon|by|on)\s+)?re-?{_ANEW}(?:e|ing|ation|s)?\b
    | (?:up)?on\s+(?:closer|further|a\s+second|second|re-?|careful\s+re-?)\s*(?:inspection|look|examination|review
        |reflection|reading|consideration)\b
    | (?:up)?on\s+(?:review|reflection)\b
    | this\s+time\b[,:] | now\s+(?:reading|counting)\s+(?:it|them)\s+correctly
    | start(?:ing)?\s+(?:over|again)\b | (?:fresh|second|new|another)\s+(?:answer|attempt|try)\b\s*(?:[:.\n(]|$)
    | (?:attempt|try|take)\s+(?:\#\s*)?(?:2|3|two|three)\b | retry\b
    | (?:w?h?oops|ah|oh|my\s+bad|noted|understood|got\s+it|acknowledged|i\s+see)[,.!]
    | indeed,?\s+(?:i|step\s+\d|the\s+(?:\w+\s+){{1,2}}(?:was|mis))
    | (?:fixed|corrected|revised|updated)\s*(?:answer|solution|response)?\s*:
    | here\s+is\s+(?:the|a|my)\s+(?:corrected|revised)
    | as\s+(?:noted|indicated|suggested|instructed|advised|stated)\b\s*,
    | 重新(?:看|读|数|检查|审视|分析|计算|考虑|观察|审题)|再(?:看|算|数|读)一|仔细再看|这次
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)

#: A fault of something said before.
FAULTS = from_words(
    rf"""
    \b(?:{_EARLIER}|original|initial|first|last)\s+{_WORK}\s+(?:of\s+\S+\s+)?(?:was|is|were|had|contained)\s+
        (?:{_WRONG}|\w+\s+{_WRONG}|an?\s+(?:mistake|error))\b
    | \b(?:my\s+)?step\s+\d{{1,2}}\s+(?:was|had\s+been)\s+(?:{_WRONG}|{_MISDONE})
    | \bstep\s+\d{{1,2}}\s+mis(?:reads|judges|counts|identifies|interprets|calculates|takes|labels|applies|states)\b
    | \b(?:was|were|had\s+been|been)\s+{_MISDONE}\b
    | \bthe\s+(?:mistake|error|misreading|slip)\s+(?:was|is\s+in\s+step|lies|lay)\b
    | \b(?:fix|correct|address|avoid|repeat|mak)(?:e|ing)?\s+(?:the|this|that|my)\s+(?:previous\s+|earlier\s+|same\s+)?
        (?:mistake|error|misreading|slip|issue)\b
    | \b(?:it|that|this|which)\s+should\s+have\s+been\b
    | 第[\d一二三四五六七八九十]{{1,2}}步(?:有误|错了|是错的|读错|算错)
    """,
    re.IGNORECASE | re.VERBOSE,
)
#: A question about mistakes, whose answer names some.
ASKS_FOR_FAULTS = re.compile(
    r"\b(?:mistakes?|errors?|wrong|incorrect\w*|corrects?|corrected|correction|fix|flaw\w*|mis\w+|fault\w*)\b|错|误",
    re.IGNORECASE,
)
