"""Whether a mistake report says more than that there is a mistake: it is all that shows the policy where to look."""

from __future__ import annotations

import re

from contextrl.judge.report_words import word_set

#: Words of a bare verdict, in the languages that judges of vision-language models write.
_VERDICT = word_set(
    """
    a all an and answer answers again appear appears are at attempt be been but by check completely contain contains
    correct did do does doesn don isn error errors fail fails false final following found full given has have here
    however in incorrect incorrectly is it its mistake mistakes no not of one or overall please provided question
    reasoning reject rejected report response result s seems so solution some somewhere sorry step steps t that the
    their there therefore these this to totally try unfortunately verdict was were with wasn wrong wrongly you your
    yours yet
    答案 最终答案 回答 解答 结果 错误 不正确 不对 有误 是 的 错 了 请 重新 检查 最终 该 此 这个 你的
    """
)
_WORD = re.compile(r"[^\W\d_]+|\d+")
_HAN = re.compile("[\u4e00-\u9fff]")


def names_no_mistake(report: str) -> bool:
    """Whether a report says only that the answer is wrong ("The final answer is wrong."), or nothing at all.

    A number, a quoted value or any word beyond a verdict's counts as naming something.
    """
    words = _WORD.findall(report.casefold()[:2000])
    return all(word in _VERDICT or (_HAN.match(word) is not None and _only_verdict(word)) for word in words)


def _only_verdict(text: str) -> bool:
    """Chinese is written without spaces: take known words off the front, longest first."""
    while text:
        for length in range(min(4, len(text)), 0, -1):
            if text[:length] in _VERDICT:
                text = text[length:]
                break
        else:
            return False
    return True
