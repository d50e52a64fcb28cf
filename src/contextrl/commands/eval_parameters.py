"""The options of `contextrl eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_ELEVEN = "The 11 benchmarks"

Target = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG|RUN|MODEL",
        help="A run's YAML file, a run directory, or a model: its folder, its hub id, its name at --base-url.",
    ),
]
Benchmarks = Annotated[
    str | None,
    typer.Option(
        help="Benchmarks, separated by commas: simplevqa, mmstar, ..., perception, reasoning, all; by default the "
        "run's own evaluation, for a model `miniature`.",
        show_default=False,
    ),
]
Data = Annotated[
    Path | None, typer.Option(help="Your own rows, judged by answer rules; or a local copy of the benchmark.")
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help="Examples of each benchmark; of your own rows 1,000.", show_default="all"),
]
Predictions = Annotated[
    Path | None,
    typer.Option(
        help="The 11: score the answers of this file (lmms-eval's, VLMEvalKit's, or lines of id and response). "
        "Your own rows: write every response and verdict to it."
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Your own rows: sample each question so many times and give pass@k, in place of one greedy answer.",
        show_default=False,
    ),
]
Temperature = Annotated[float, typer.Option(min=0.01, help="Of --samples.")]
AllowOutside = Annotated[bool, typer.Option("--allow-outside", help="Take pictures of --data from outside its folder.")]
ProtocolName = Annotated[
    str,
    typer.Option(help="official (the authors') or vlmevalkit (the paper's).", rich_help_panel=_ELEVEN),
]
BaseUrl = Annotated[
    list[str] | None,
    typer.Option(help="An OpenAI-compatible server of MODEL; may be repeated.", rich_help_panel=_ELEVEN),
]
JudgeUrl = Annotated[
    list[str] | None,
    typer.Option(help="A server of the model that reads and judges answers.", rich_help_panel=_ELEVEN),
]
JudgeModel = Annotated[str | None, typer.Option(help="Its name there.", rich_help_panel=_ELEVEN)]
Controls = Annotated[
    str | None,
    typer.Option(
        help="blank-image, shuffled-image or no-question, or several with commas: what is right all the same is "
        "guessed or leaked.",
        rich_help_panel=_ELEVEN,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        help="The folder of answers and marks; what is in it is gone on with. By default RUN/benchmarks or "
        "evaluations/MODEL.",
        rich_help_panel=_ELEVEN,
    ),
]
Seed = Annotated[
    int, typer.Option(help="Of sampling, of what --limit draws, of random options.", rich_help_panel=_ELEVEN)
]
MaxNewTokens = Annotated[
    int | None, typer.Option(min=1, help="Longest answer.", show_default="the protocol's", rich_help_panel=_ELEVEN)
]
ImageMaxSide = Annotated[
    int | None,
    typer.Option(min=1, help="Scale larger pictures down to it, in pixels.", rich_help_panel=_ELEVEN),
]
Export = Annotated[
    str | None,
    typer.Option(help="Write answers and marks as lmms-eval, vlmevalkit or both do.", rich_help_panel=_ELEVEN),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Of a server: --set server.max_concurrency=256, --set judge.budget.calls=10000",
        metavar="KEY=VALUE",
        rich_help_panel=_ELEVEN,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
