"""Processors for images, without the torchvision that their video parts import."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessorPil, Qwen3VLProcessor
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.processing_utils import ProcessorMixin
from transformers.utils import VIDEO_PROCESSOR_NAME, cached_file

from contextrl.errors import InputError

P = TypeVar("P", bound="ImageOnly")


class ImageOnly(ProcessorMixin):
    """Mixed into a processor class whose last part is a video processor, which it then does without.

    Attributes:
        video_settings: what the checkpoint says of videos, kept for those who load what is saved.
    """

    video_settings: dict[str, Any] | None = None

    @classmethod
    def get_attributes(cls) -> list[str]:
        """The parts that are loaded and saved."""
        return [name for name in super().get_attributes() if name != "video_processor"]

    @classmethod
    def from_args_and_dict(cls, args: list[Any], processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As the family's; where it insists on a video processor, it gets none."""
        return super().from_args_and_dict([*args, None], processor_dict, **kwargs)

    @classmethod
    def load(cls: type[P], path: str | Path) -> P:
        """Load a checkpoint's own files, image part only.

        Raises:
            ImportError: the family's images need torchvision too.
        """
        processor: P = cls.from_pretrained(path, padding_side="left")
        return processor._with_video_settings_of(path)

    def _with_video_settings_of(self: P, path: str | Path) -> P:
        settings = self.get_processor_dict(str(path))[0].get("video_processor")
        quietly = dict.fromkeys(("gated_repo", "missing_entries", "connection_errors"), False)
        file = cached_file(path, VIDEO_PROCESSOR_NAME, **{f"_raise_exceptions_for_{k}": v for k, v in quietly.items()})
        if settings is None and file is not None:
            settings = json.loads(Path(file).read_text(encoding="utf-8"))
        self.video_settings = settings
        return self

    def to_dict(self) -> dict[str, Any]:
        """As the family's own writes itself, so that it can load what is saved."""
        video = {} if self.video_settings is None else {"video_processor": self.video_settings}
        written: dict[str, Any] = super().to_dict()
        return written | video | {"processor_class": _family(type(self)).__name__}


class ImageOnlyQwen3VLProcessor(ImageOnly, Qwen3VLProcessor):
    """Qwen3-VL's processor without its video processor."""

    @classmethod
    def load(cls, path: str | Path) -> ImageOnlyQwen3VLProcessor:
        """Load what `save_pretrained` wrote, or a Qwen3-VL checkpoint's own files, image part only."""
        tokenizer = PreTrainedTokenizerFast.from_pretrained(path, padding_side="left")
        # The same pixels with and without torchvision.
        image_processor = Qwen2VLImageProcessorPil.from_pretrained(path)
        processor = cls(image_processor, tokenizer, chat_template=tokenizer.chat_template)
        return processor._with_video_settings_of(path)

    def save_pretrained(self, save_directory: str | Path, **_: Any) -> None:
        """Write tokenizer (with the chat template) and image processor side by side."""
        self.tokenizer.chat_template = self.chat_template
        self.tokenizer.save_pretrained(save_directory)
        self.image_processor.save_pretrained(save_directory)
        if self.video_settings is not None:
            text = json.dumps(self.video_settings, indent=2, sort_keys=True)
            (Path(save_directory) / VIDEO_PROCESSOR_NAME).write_text(f"{text}\n", encoding="utf-8")


def image_only(config: Any) -> type[ImageOnly] | None:
    """The processor class of a model's family without its video part; None where there is none to leave out.

    Args:
        config: the model's.

    Raises:
        ImportError: the class needs torchvision for images too.
    """
    if type(config) not in PROCESSOR_MAPPING:
        return None
    family = PROCESSOR_MAPPING[type(config)]
    if family is Qwen3VLProcessor:
        return ImageOnlyQwen3VLProcessor
    # Families hand their parts over in order: only the last can be missing.
    return _without_video(family) if family.get_attributes()[-1:] == ["video_processor"] else None


@cache
def _without_video(family: type[ProcessorMixin]) -> type[ImageOnly]:
    # Its name is saved beside the tokenizer: it must be one that others can load.
    return type(family.__name__, (ImageOnly, family), {"__module__": __name__})


def _family(kind: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """The family's own class under a stand-in."""
    return next(base for base in kind.__mro__ if not issubclass(base, ImageOnly))


def check_processor(processor: Any) -> None:
    """Refuse a processor, or tokenizer, that cannot render a conversation or pad a batch.

    Raises:
        InputError: it has no chat template; it has neither pad token nor end token.
    """
    tokenizer = getattr(processor, "tokenizer", processor)
    if not getattr(processor, "chat_template", None):
        raise InputError(
            "a processor with a chat template",
            found=f"{type(processor).__name__} without one",
            where="model.path",
            fix="Use the instruction-tuned version of the model, or put a chat_template.jinja into its folder",
        )
    if pad_token_id(tokenizer) is None:
        raise InputError(
            "a tokenizer with a pad token, or an end token to pad with",
            found=f"{type(tokenizer).__name__} with neither",
            where="model.path",
            fix="Set pad_token and eos_token in its tokenizer_config.json",
        )


def pad_token_id(tokenizer: Any) -> int | None:
    """The token that fills a batch: the tokenizer's own or, as for TRL, its end token."""
    own: int | None = tokenizer.pad_token_id
    end: int | None = tokenizer.eos_token_id
    return end if own is None else own
