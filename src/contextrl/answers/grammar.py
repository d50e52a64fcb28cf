"""LaTeX to sympy objects, by latex2sympy's grammar (which math-verify reads with); runs in the worker."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import latex2sympy2_extended.latex2sympy2 as library
from antlr4.atn.PredictionMode import PredictionMode  # type: ignore[import-untyped]
from latex2sympy2_extended import NormalizationConfig, latex2sympy, normalize_latex
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, convert_to_pct
from sympy import sympify  # type: ignore[import-untyped]

# Units stay: the library drops a last "m" of "x + 2m", and `latex` has split off what is a unit.
_CLEAN_UP = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
)


class _Parser(library.PSParser):
    """The library's parser with a choice of ANTLR's prediction mode.

    SLL finds the same tree as LL wherever it finds one, and remembers what it learned, which is ten times as fast.
    """

    mode = PredictionMode.SLL

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._interp.predictionMode = self.mode


library.PSParser = _Parser


@lru_cache(maxsize=256)
def parse_latex(latex: str, degrees: bool = False, lowercase: bool = False) -> Any | None:
    """Return the sympy object, or None if the text is not mathematics.

    LaTeX only: the library's reader of plain expressions goes through sympy's parse_expr, which evaluates code.
    """
    body = re.sub(r"\\?%$", "", latex)
    normal = normalize_latex(body, _CLEAN_UP)
    for mode in (PredictionMode.SLL, PredictionMode.LL):
        _Parser.mode = mode
        try:
            parsed = latex2sympy(
                normal,
                is_real=True,
                convert_degrees=degrees,
                normalization_config=None,
                conversion_config=ConversionConfig(lowercase_symbols=lowercase),
            )
        except Exception:  # the grammar's own error class is Exception
            continue
        parsed = sympify(parsed) if isinstance(parsed, int) else parsed
        return parsed if body == latex else convert_to_pct(parsed)
    return None
