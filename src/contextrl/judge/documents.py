"""Documents in place of a solution: a judge that is to see some needs rows that have some."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.errors import InputError
from contextrl.records.example import Example
from contextrl.records.verdict import ReferenceContext


def check_documents(context: ReferenceContext, examples: Sequence[Example]) -> None:
    """Refuse rows without documents where the judge is to see them.

    Args:
        context: the judge's.

    Raises:
        InputError: names the first rows.
    """
    if context != "documents":
        return
    missing = [example.id for example in examples if not example.documents]
    if missing:
        named = f"{', '.join(missing[:3])}{', …' * (len(missing) > 3)}"
        raise InputError(
            "documents in every row, to show them to the judge (judge.context: documents)",
            found=f"none in {len(missing)} of {len(examples)} ({named})",
            where="field 'documents'",
            fix="Name a column of texts (data.columns: {documents: ...}), set data.facts, or change judge.context",
        )
