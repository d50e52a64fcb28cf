"""Final answers: what a response states last, and whether that equals the reference.

Every comparison has three outcomes. `True` and `False` are confident; `None` is doubtful (a side is not of
the answer's type, or wording, units or rounding leave room) and is for a judge that can read.
Responses are untrusted: nothing is evaluated, inputs are bounded, and nothing here raises. Expressions are compared in
processes of their own with a limit on time and memory; from any thread, what exceeds it is doubtful.
"""

from contextrl.answers.comparison import answers_equal, check_answer
from contextrl.answers.extraction import extract_answer
from contextrl.answers.rounding import ToleranceSpec, parse_tolerance

__all__ = ["ToleranceSpec", "answers_equal", "check_answer", "extract_answer", "parse_tolerance"]
