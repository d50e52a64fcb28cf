"""Options of the commands that read a file of rows."""

from __future__ import annotations

from typing import Annotated

import typer

Column = Annotated[
    list[str] | None,
    typer.Option(
        help="Which column holds a field: --column question=query. Pictures may be in several (--column images=a "
        "--column images=b) or nowhere (--column images=).",
        metavar="FIELD=COLUMN",
    ),
]
Split = Annotated[str, typer.Option(help="Of a folder, a saved dataset or a hub dataset.")]
AnswerType = Annotated[str, typer.Option(help="Of rows that name none; `auto` goes by the look of each answer.")]
AllowOutside = Annotated[bool, typer.Option("--allow-outside", help="Take pictures from outside the rows' folder.")]
