"""What is secret in configurations, commands, error messages and texts, hidden."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

HIDDEN = "[hidden]"

# ---- keys by their own shape -----------------------------------------------------------------------------------------

#: Beginnings by which services mark their keys, with what follows at least. Letters alone follow `hf_` in names of
#: variables and packages too, so that a token of these needs a digit, a capital or some length.
_SHAPES = (
    r"sk-[\w-]{6,}",  # OpenAI, Anthropic, OpenRouter, DeepSeek
    r"hf_(?=[A-Za-z0-9]*[A-Z0-9]|[a-z]{12})[A-Za-z0-9]{6,}(?!\w)",
    r"(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{12,}",
    r"gh[oprsu]_[A-Za-z0-9]{8,}",
    r"github_pat_\w{8,}",
    r"glpat-[\w-]{8,}",
    r"xox[abeoprs]-[\w-]{8,}",
    r"AIza[\w-]{20,}",
    r"ya29\.[\w-]{8,}",
    r"eyJ[\w-]{8,4000}\.[\w-]{4,}(?:\.[\w-]*)?",  # a JSON web token
    r"nvapi-[\w-]{8,}",
    r"gsk_[A-Za-z0-9]{12,}",
    r"r8_[A-Za-z0-9]{16,}",
    r"rpa_[A-Z0-9]{16,}",
    r"xai-[A-Za-z0-9]{16,}",
    r"pplx-[A-Za-z0-9]{16,}",
    r"csk-[a-z0-9]{16,}",
    r"fw_[A-Za-z0-9]{16,}",
    r"tgp_v1_[\w-]{8,}",
    r"wandb_v1_[\w-]{8,}",
    r"npm_[A-Za-z0-9]{16,}",
    r"pypi-[\w-]{16,}",
    r"dckr_pat_[\w-]{8,}",
    r"dop_v1_[a-f0-9]{16,}",
    r"hvs\.[\w-]{16,}",
    r"lsv2_[a-z]{2}_\w{8,}",
    r"SG\.[\w-]{12,}\.[\w-]{12,}",
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)",
)
_KEY = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(_SHAPES)})", re.ASCII)
#: What every one of them has in it: most texts have none, and need no further look.
_HINT = re.compile(
    r"sk-|hf_|AKIA|ASIA|AROA|AIDA|gh[oprsu]_|pat_|glpat-|xox|AIza|ya29|eyJ|nvapi-|gsk_|r8_|rpa_|xai-|pplx-|fw_|_v1_|"
    r"npm_|pypi-|hvs\.|lsv2_|SG\.|PRIVATE KEY"
)
#: User and password of an address; a port is no password.
_USER = re.compile(r"(?<=\w://)(?:[^/\s@]{1,200}|[^/\s@:]{1,100}:(?!\d+/)[^\s@]{1,200})@")
_LOGIN = re.compile(
    r"(?<![\w./-])[\w.+-]{1,80}:[^\s:@/'\",]{2,200}@(?=(?:[\w-]{1,80}\.){1,8}[a-z]{2,20}\b|[\w.-]{1,80}:\d|localhost\b)"
)
#: What a header holds has digits, `=` or capitals within, which words of a sentence have not.
_HEADER = re.compile(r"\b((?i:bearer|basic)) (?=[\w.~+/=-]*[\d=]|\w+[A-Z])[\w.~+/=-]{4,}")
_BEARER = re.compile(r"\b(bearer) (?!of\b)[\w.~+/=-]+", re.IGNORECASE)
#: `wandb login KEY`, `Token KEY`.
_SAID = re.compile(r"\b(login|token|key|apikey|password|secret)([ ]+)(?=\S*\d)(?=\S*[A-Za-z])[\w.~+/=-]{16,}", re.I)

# ---- secrets by the name before them ---------------------------------------------------------------------------------

# Everything that is looked for has a length: texts come from outside, and some would be searched without end.
_QUOTE = r"""\\{0,8}["']?"""
_VALUE = (
    r"""(?:\\{0,8}"[^"\n]{0,4000}"|'(?:[^'\n]|''){0,4000}+'|\[[^\]\n]{0,4000}\]|(?:[^\s,}&'"\\]|,(?=[^\s"'\\]))+)"""
)
#: `name=value`, `name: value`, `name:value`, `"name": "value"`, `?name=value`, as it is or with its quotes escaped.
_SETTING = re.compile(
    rf"(?P<name>{_QUOTE}(?<![\w.])[A-Za-z_][\w.-]{{0,100}}+{_QUOTE})(?P<sign>\s{{0,9}}[=:]\s{{0,9}}(?!//))"
    rf"(?P<value>{_VALUE})",
    re.ASCII,
)
#: `--name value`.
_FLAG = re.compile(
    rf"(?P<name>(?<!\S)--?[A-Za-z][\w.-]{{0,100}}+)(?P<sign>\s{{1,9}})(?P<value>(?!-){_VALUE})", re.ASCII
)
_SECRET = re.compile(
    r"(?:^|_)(?:(?:api|access|auth|private|secret|account|shared|encryption|signing|license|hub|service|admin|master)"
    r"_?keys?(?:_id)?|token|secrets?|passwords?|passwd|passphrase|pwd|authorization|auth|credentials?|cookies?|"
    r"signature|sig|pat)$|^keys?$"
)
#: Words of a vocabulary.
_SPECIAL_TOKEN = re.compile(
    r"(?:^|_)(?:bos|eos|eot|pad|unk|sep|cls|mask|image|img|video|vision|audio|stop|special|special_tokens|extra|"
    r"additional|start|end|boi|eoi|next|first|last|per|text|forced|decoder_start|suppress|added|think|tool|placeholder)"
    r"_tokens?$"
)
#: Several tokens: counted, or secret.
_TOKENS = re.compile(r"_tokens$")
_COUNTED = re.compile(
    r"(?:^|_)(?:max|min|most|least|num|n|new|total|prompt|completion|cached|input|output|context|response|report|"
    r"generated|sampled|trained|rolled_back|off_policy|on_policy|reasoning|all|masked|padding|seen|of|batched|budget|mean)_tokens$"
)
#: Names of environment variables: `JUDGE_KEY`, which in lower case could be a column or an index.
_VARIABLE = re.compile(r"(?:[A-Z][A-Z0-9]*_)+(?:KEYS?|PAT|PWD|PASS)")
#: Names that may hold a key: whether they do is seen by what they hold.
_MAYBE = re.compile(r"(?:^|_)(?:keys?|wandb|login|tokens?|comet|openai|anthropic|huggingface|hf|neptune|mlflow)$")
_RANDOM = re.compile(r"(?=[^\s]*\d)(?=[^\s]*[A-Za-z])[\w+/=.~-]{20,}", re.ASCII)


def without_keys(text: str) -> str:
    """Text without what has the shape of a service's key: `sk-...`, `hf_...`, `AKIA...`, `ghp_...`."""
    return _KEY.sub(HIDDEN, text) if _HINT.search(text) else text


def without_credentials(text: str) -> str:
    """Addresses without user and password, settings, options and headers without what is secret, and no keys."""
    text = _BEARER.sub(rf"\1 {HIDDEN}", _LOGIN.sub(f"{HIDDEN}@", _without_known_forms(text)))
    text = _SETTING.sub(_shown_setting, _SAID.sub(rf"\1\2{HIDDEN}", text))
    return _FLAG.sub(_shown_setting, text)


def _without_known_forms(text: str) -> str:
    """What is secret by its form alone, which no sentence has."""
    return without_keys(_HEADER.sub(rf"\1 {HIDDEN}", _USER.sub(f"{HIDDEN}@", text)))


def _shown_setting(found: re.Match[str]) -> str:
    return f"{found['name']}{found['sign']}{HIDDEN}" if _holds_secret(found["name"], found["value"]) else found[0]


def without_secrets(value: Any, *, prose: bool = True) -> Any:
    """A tree without what is secret in it: nothing under a key that names a secret, no keys, no credentials.

    Args:
        prose: look within texts for `name: value` and the like too. Not in what is read again: a prompt that says
            "token: a word" must stay what it is.
    """
    if isinstance(value, str):
        return without_credentials(value) if prose else _without_known_forms(value)
    if isinstance(value, list | tuple | set):
        return [without_secrets(part, prose=prose) for part in value]
    if isinstance(value, dict):
        named = value.get("name")
        hides = isinstance(named, str) and is_secret(named)  # {"name": "HF_TOKEN", "value": ...}
        return {
            without_keys(key) if isinstance(key, str) else key: HIDDEN
            if _holds_secret(str(key), part) or (hides and key == "value")
            else without_secrets(part, prose=prose)
            for key, part in value.items()
        }
    return value


def without_secrets_in_words(command: Sequence[str]) -> list[str]:
    """The words of a command; a value is a word of its own or the rest of one: `--api-key X`, `judge.api_key=X`."""
    shown: list[str] = []
    before = ""
    for word in command:
        name, sign, value = word.partition("=")
        option = before if before.startswith("-") and not word.startswith("-") else ""
        if option and _holds_secret(option, word):
            shown.append(HIDDEN)
        elif sign and " " not in name and _holds_secret(name, value):
            shown.append(f"{without_keys(name)}={HIDDEN}")
        else:
            shown.append(without_credentials(word))
        before = word
    return shown


def is_secret(name: str) -> bool:
    """Whether a setting of this name holds a secret.

    `api_key_env` names a variable, `max_tokens` is a number, `eos_token` a word of the vocabulary.
    """
    bare = name.strip("\\\"'-")
    plain = _plain(bare)
    if _SPECIAL_TOKEN.search(plain) or _COUNTED.search(plain):
        return False
    variable = _VARIABLE.fullmatch(bare.rpartition(".")[2]) is not None
    return variable or bool(_SECRET.search(plain) or _TOKENS.search(plain))


def _plain(name: str) -> str:
    """`apiKey`, `X-Api-Key` and `api.key` alike."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


def _holds_secret(name: str, value: Any) -> bool:
    """Whether a value is secret by its name, and for names that say little by its own look too."""
    if value is None or isinstance(value, bool) or value == "":
        return False
    if is_secret(name):
        # What is called several tokens and is a number, or a tree of numbers, counts them.
        return not (_TOKENS.search(_plain(name.strip("\\\"'-"))) and _is_number(value))
    bare = str(value).strip("\\\"'")
    return isinstance(value, str) and bool(_MAYBE.search(_plain(name.strip("\\\"'-"))) and _RANDOM.fullmatch(bare))


def _is_number(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_number, value.values()))
    if isinstance(value, list):
        return all(map(_is_number, value))
    return isinstance(value, int | float) or bool(re.fullmatch(r"[\d.,_]+(?:e[+-]?\d+)?", str(value)))
