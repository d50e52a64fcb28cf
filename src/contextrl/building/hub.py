"""Whether the hub can be reached: asked once and briefly, where its library would try for minutes with every set."""

from __future__ import annotations

import os
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

#: Settings of the hub's libraries that say that nothing is to be asked.
_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
#: Seconds that the hub has.
_PATIENCE = 5.0


def settle_hub() -> None:
    """Say that the hub is gone, by `HF_HUB_OFFLINE` and for this process, where it does not answer.

    What its caches have is then found at once, and what is missing too. Its libraries read the variable when they are
    imported: where they are already, nothing is asked.
    """
    if any(os.environ.get(name) for name in _OFFLINE) or {"datasets", "huggingface_hub"} & sys.modules.keys():
        return
    try:
        urlopen(Request(os.environ.get("HF_ENDPOINT") or "https://huggingface.co", method="HEAD"), timeout=_PATIENCE)
    except HTTPError:
        return  # it answers
    except (OSError, ValueError):
        os.environ["HF_HUB_OFFLINE"] = "1"
