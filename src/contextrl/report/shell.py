"""What pages share: one HTML file that needs nothing else and lets nothing in it run but its own script."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from contextrl.report.specs import SCALE, VEGA_LITE, Chart, legend_of
from contextrl.report.text import as_script_data, chart_tree, visible

ASSETS = Path(__file__).parent / "assets"
_INTERVAL = re.compile(r"\[[-+.\d]+, [-+.\d]+\]")


@lru_cache(maxsize=1)
def chart_library() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script."""
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE))


def environment() -> Environment:
    """Templates in which all that is put in is escaped."""
    made = Environment(
        loader=PackageLoader("contextrl.report", "assets"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["visible"] = lambda value: visible(str(value))
    made.filters["spans"] = lambda value: spans(str(value))
    return made


def spans(text: str) -> Markup:
    """Text as a page shows it: what stands between backticks as code, an interval never broken."""
    parts = visible(text).split("`")
    if len(parts) % 2 == 0:  # one is left over: no code
        return escape("`".join(parts))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if n % 2 else _unbroken(part) for n, part in enumerate(parts)
    )


def _unbroken(text: str) -> str:
    return _INTERVAL.sub(lambda found: found[0].replace(" ", "\u00a0"), text)


def frame_of(names: Sequence[str], *, charts: bool = True) -> dict[str, Any]:
    """`policy`, `style` and `scripts` of a page: Vega, and files of its own one after another.

    Args:
        names: of the page's own files, in the order in which they are needed.
        charts: whether it draws any; without Vega a page is half a megabyte smaller.
    """
    style = (ASSETS / "page.css").read_text(encoding="utf-8")
    own = "".join((ASSETS / name).read_text(encoding="utf-8") for name in names)
    scripts = [*([_script(chart_library())] if charts else []), _script(own)]
    policy = content_security_policy(scripts, [style])
    return {"policy": policy, "style": Markup(style), "scripts": [Markup(script) for script in scripts]}


def made_visible(chart: Chart) -> Chart:
    """Kinds of questions and names of runs are text from outside."""
    return replace(chart, spec=chart_tree(chart.spec), rows=chart_tree(chart.rows))


def chart_data(charts: Iterable[Chart]) -> Markup:
    """What the page's script draws charts from."""
    return Markup(as_script_data({chart.name: _chart_data(chart) for chart in charts}))


def _chart_data(chart: Chart) -> dict[str, Any]:
    legend = [asdict(look) for look in legend_of(chart.spec)]
    return {"spec": chart.spec, "rows": chart.rows, "legend": legend, "scale": SCALE}


def _script(text: str) -> str:
    """A script that cannot end its element early, with the line ends that its hash is made of."""
    return re.sub(r"</(script)", r"<\\/\1", text.replace("\r\n", "\n"), flags=re.IGNORECASE)


def content_security_policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Nothing runs or is fetched but these scripts, these styles and pictures within the page."""

    def hashes(texts: Sequence[str]) -> str:
        digests = (hashlib.sha256(text.encode()).digest() for text in texts)
        return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)

    return (
        f"default-src 'none'; script-src {hashes(scripts)}; style-src {hashes(styles)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
