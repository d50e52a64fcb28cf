"""What is secret in configurations, commands and error messages, hidden."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "[hidden]"
#: `name=value`, `name: value`, `"name": "value"`, `?name=value`.
_SETTING = re.compile(
    r"""(?P<name>["']?[A-Za-z][\w.-]*["']?)(?P<sign>\s*(?:=|:(?=[\s"']))\s*)(?:"[^"\n]*"|'[^'\n]*'|[^\s,}&'"]+)""",
    re.ASCII,
)
_SECRET = re.compile(
    r"(?:^|_)(?:(?:api|access|auth|private|secret)_?key|token|secret|password|passwd|authorization|credentials?)$|^key$"
)
_SPECIAL_TOKEN = re.compile(r"(?:^|_)(?:bos|eos|eot|pad|unk|sep|cls|mask|image|video|stop)_token$")


def without_credentials(text: str) -> str:
    """Addresses without user and password, and settings and headers without what is secret in them."""
    text = re.sub(r"(\w+://)[^/\s@]+@", rf"\1{HIDDEN}@", text)
    text = re.sub(r"(?i)\b(bearer|basic) [\w.~+/=-]+", rf"\1 {HIDDEN}", text)
    return _SETTING.sub(lambda m: f"{m['name']}{m['sign']}{HIDDEN}" if is_secret(m["name"]) else m[0], text)


def without_secrets(value: Any) -> Any:
    """`without_credentials` for every text of a tree, and nothing under a key that names a secret."""
    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, list):
        return [without_secrets(part) for part in value]
    if isinstance(value, dict):
        return {
            key: HIDDEN if part is not None and is_secret(str(key)) else without_secrets(part)
            for key, part in value.items()
        }
    return value


def is_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret.

    `api_key_env` names a variable, `max_tokens` is a number, `eos_token` a word of the vocabulary.
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower().strip("\"'"))
    return bool(_SECRET.search(plain)) and not _SPECIAL_TOKEN.search(plain)
