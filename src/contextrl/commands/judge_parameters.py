"""The options of the `judge` commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from contextrl.records.verdict import Disclosure, ReferenceContext

_JUDGE, _SECOND = "The judge", "A second judge"
NamedJudge = Literal["steps", "rules"]
OwnJudge = Literal["steps", "learned", "rules"]
Kind = Annotated[
    OwnJudge | None,
    typer.Option(
        "--judge",
        help="steps: the miniature's verifier; learned: a small model that was taught to judge, with --set "
        "judge.path=FOLDER; rules: the final answer only.",
        rich_help_panel=_JUDGE,
    ),
]
BaseUrl = Annotated[
    list[str] | None,
    typer.Option(
        help="OpenAI-compatible server, http://host:8000/v1; repeat for several that serve the same model.",
        metavar="URL",
        rich_help_panel=_JUDGE,
    ),
]
Model = Annotated[str | None, typer.Option(help="The model's name there.", metavar="NAME", rich_help_panel=_JUDGE)]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Take the judge section of a run's YAML; other options override it.", rich_help_panel=_JUDGE
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a key: --set judge.votes=3", metavar="KEY=VALUE", rich_help_panel=_JUDGE),
]
Gate = Annotated[
    bool,
    typer.Option("--gate", help="Let rules reject certainly wrong answers without a call.", rich_help_panel=_JUDGE),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of a table.")]

Input = Annotated[
    Path,
    typer.Option(
        "--input",
        help="JSON lines: question, images (paths relative to this file), solution, answer, answer_type, response; "
        "id if you have one.",
        show_default=False,
    ),
]
Output = Annotated[Path, typer.Option(help="The same lines with `verdict`.", show_default=False)]
Context = Annotated[
    ReferenceContext | None,
    typer.Option(help="What the judge sees of the reference; by default solution, or the config's."),
]
Reports = Annotated[bool, typer.Option(help="Ask for a mistake report on each incorrect response.")]
Disclose = Annotated[Disclosure | None, typer.Option(help="How much a report may say; by default hint.")]
RetryUnscored = Annotated[
    bool, typer.Option("--retry-unscored", help="Judge once more what an earlier start left unscored.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Start anew; forget an output that is there.")]
AllowOutside = Annotated[
    bool, typer.Option("--allow-outside", help="Take pictures from outside the file's folder: they go to the judge.")
]
FirstRows = Annotated[int | None, typer.Option(min=1, help="Judge only the first rows.")]

LabelledData = Annotated[
    str,
    typer.Option(
        help="miniature, processbench:PATH, visualprocessbench:PATH (local copies), or FILE.jsonl: the lines of "
        "`judge verify` with answer_correct and process_correct."
    ),
]
Contexts = Annotated[
    str | None,
    typer.Option(help="none,answer,solution or some of them; by default all that the set can serve."),
]
Drawn = Annotated[
    int | None, typer.Option(min=1, help="So many responses, drawn at random; by default all; miniature: 600.")
]
Seed = Annotated[int, typer.Option(help="Of the draw and of the miniature's responses.")]
References = Annotated[
    Path | None,
    typer.Option(help="JSON lines of id or question, answer, solution, for sets that come without."),
]
SecondJudge = Annotated[NamedJudge | None, typer.Option(help="Compare with this judge.", rich_help_panel=_SECOND)]
SecondBaseUrl = Annotated[
    list[str] | None,
    typer.Option(help="Compare with an LLM judge there.", metavar="URL", rich_help_panel=_SECOND),
]
SecondModel = Annotated[str | None, typer.Option(help="Its model's name.", metavar="NAME", rich_help_panel=_SECOND)]
Figures = Annotated[Path | None, typer.Option(help="Write the figures to this JSON file.")]
