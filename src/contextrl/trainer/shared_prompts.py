"""The prompt of a group once, on GRPOTrainer: in sampling, in scoring, and in memory.

GRPOTrainer reads a prompt and its images once per sample. Here a rollout keeps its N prompts (`EncodedPrompts`), a
batch names each row's group, and `contextrl.shared_prefix` computes what GRPOTrainer would. Where a model, a setting or
the lengths forbid that, GRPOTrainer's own path gets the rows side by side.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from accelerate.utils import DistributedType
from torch.nn.functional import pad
from trl import GRPOTrainer
from trl.models import unwrap_model_for_generation
from trl.trainer.utils import split_tensor_dict

from contextrl.errors import InputError
from contextrl.rollout.prompts import Prompts
from contextrl.shared_prefix.attention import install
from contextrl.shared_prefix.cost import ModelCost
from contextrl.shared_prefix.decoding import PrefixStates
from contextrl.shared_prefix.generation import Decoder, Samples, SharedDecoder, generate
from contextrl.shared_prefix.packing import real_tokens
from contextrl.shared_prefix.prompts import EncodedPrompts, encode_prompts
from contextrl.shared_prefix.repeated import RepeatedDecoder, score_repeated
from contextrl.shared_prefix.scoring import score_packed
from contextrl.shared_prefix.support import Support, Way, supported_way, underlying, why_not_sampled
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.vision import VisionInputs

logger = logging.getLogger("contextrl.trainer")
#: Largest difference of a log-probability that rounding explains: in float32, and on average in lower precision.
TOLERANCE, LOW_PRECISION_TOLERANCE = 1e-3, 0.1


class SharedPrompts(GRPOTrainer):
    """GRPOTrainer that reads the prompt of a group once.

    Attributes:
        sharing: the way that is in use, and why it is not a better one.
    """

    args: ContextRLConfig
    _buffered_inputs: list[dict[str, Any]] | None

    def _set_up_sharing(self) -> None:
        """Decide from structure; `_probe` decides from numbers once there are prompts."""
        self._encoded: EncodedPrompts | None = None
        self._groups_of_rows: list[int] | None = None
        self._known: EncodedPrompts | None = None
        self._states: PrefixStates | None = None
        self._probed = False
        self.sharing = Support("separate")
        if not self.args.shared_prefix:
            return
        self.sharing = supported_way(
            self.accelerator.unwrap_model(self.model),
            checkpointing=self.args.gradient_checkpointing or self.model.is_gradient_checkpointing,
            processes=self.accelerator.num_processes,
        )
        self._not_sampled = why_not_sampled(self.generation_config)
        if self.sharing.way == "separate":
            self._warn("Prompts", self.sharing.reason)
            return
        self._cost = ModelCost.of(self.model)
        if self._not_sampled:
            self._warn("In sampling, prompts", self._not_sampled)
        elif self.sharing.way == "repeated" and self.args.stage2:
            self._warn("In stage 2, prompts", self.sharing.reason)
        if self.sharing.way == "packed":
            for model in (self.model, self.ref_model):
                if model is not None:
                    install(underlying(model).config.get_text_config())

    def _warn(self, prompts: str, reason: str) -> None:
        if self.accelerator.is_main_process:
            logger.warning(
                "%s are read once per sample, as GRPOTrainer does, not once per group: %s. "
                "Set train.shared_prefix to false to go on without this warning.",
                prompts,
                reason,
            )

    # ---- sampling ------------------------------------------------------------------------------------------------

    def _sample_ids(self, prompts: Prompts, row: Sequence[int], suffixes: Sequence[Sequence[int]]) -> list[list[int]]:
        """Token ids sampled after prompts `row`, each followed by its suffix."""
        if not self._probed and self.sharing.way != "separate":
            self._probe(prompts)
        if not self._samples_shared(suffixes):
            ids = [[*prompts.ids[n], *suffix] for n, suffix in zip(row, suffixes, strict=True)]
            rows = prompts.select(row).extended(ids)
            sampled, _ = self._generate_single_turn(rows.ids, None, {**rows.per_token, **rows.image_tensors()}, 1)
            return sampled  # type: ignore[no-any-return]
        with self._generating() as model:
            encoded = self._encode(prompts)
            samples = Samples(encoded, row, suffixes, self._known_states(encoded))
            decoder = self._decoder(model, samples)
            sampled = generate(
                model,
                samples,
                decoder,
                self.generation_config,
                self._tokenizer.pad_token_id,
                synced=self._parameters_are_sharded,
            )
        if isinstance(decoder, SharedDecoder) and decoder.states is not None and samples.states is None:
            self._known, self._states = encoded, None if self._parameters_are_sharded else decoder.states
        return sampled

    def _samples_shared(self, suffixes: Sequence[Sequence[int]]) -> bool:
        if self.sharing.way == "separate" or self._not_sampled:
            return False
        return self.sharing.way == "packed" or not any(suffixes)

    def _decoder(self, model: Any, samples: Samples) -> Decoder:
        if self.sharing.way == "repeated":
            return RepeatedDecoder(model, samples)
        return SharedDecoder(model, samples, self.generation_config.max_new_tokens)

    def _known_rows(self, prompts: Prompts) -> list[int] | None:
        """Where stage 1 has had these prompts, which keep their id lists through a rollout; None if it has not."""
        place = {id(ids): n for n, ids in enumerate(self._known.prompts.ids)} if self._known is not None else {}
        rows = [place.get(id(ids)) for ids in prompts.ids]
        return None if None in rows else cast(list[int], rows)

    def _known_states(self, encoded: EncodedPrompts) -> PrefixStates | None:
        """What stage 1 has left of these prompts."""
        rows = self._known_rows(encoded.prompts)
        if self._states is None or rows is None:
            return None
        if rows == list(range(self._states.lengths.numel())):
            return self._states
        return self._states.select(torch.tensor(rows, device=encoded.device))

    def _encode(self, prompts: Prompts) -> EncodedPrompts:
        rows = self._known_rows(prompts)
        if self._known is not None and rows is not None:
            return self._known.select(rows)
        return encode_prompts(underlying(self.accelerator.unwrap_model(self.model)), prompts, self.accelerator.device)

    @property
    def _parameters_are_sharded(self) -> bool:
        """All processes must run the same forwards, because each brings a part of the parameters."""
        kind = self.accelerator.distributed_type
        return kind == DistributedType.FSDP or (
            kind == DistributedType.DEEPSPEED and not self.args.ds3_gather_for_generation
        )

    @contextmanager
    def _generating(self) -> Iterator[Any]:
        """The model as GRPOTrainer samples from it, without its wrappers.

        TRL's context managers put the model back only where nothing was raised, so errors wait until it is.
        """
        failure: Exception | None = None
        with (
            unwrap_model_for_generation(
                self.model_wrapped,
                self.accelerator,
                gather_deepspeed3_params=self.args.ds3_gather_for_generation,
                generation_kwargs=self.generation_kwargs,
                gradient_checkpointing_kwargs=self.args.gradient_checkpointing_kwargs,
            ) as model,
            torch.no_grad(),
            self._dist.summon_full_params(self.model_wrapped, recurse=False),
        ):
            try:
                yield model
            except Exception as error:
                failure = error
        if failure is not None:
            raise failure

    # ---- scoring -------------------------------------------------------------------------------------------------

    @contextmanager
    def _scoring(self, prompts: Prompts, group_of_row: list[int]) -> Iterator[None]:
        """While GRPOTrainer scores a rollout: its rows are samples of the N `prompts`."""
        self._encoded, self._groups_of_rows = self._encode(prompts), group_of_row
        try:
            yield
        finally:
            self._groups_of_rows = None

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """GRPOTrainer's old and reference passes; every other call is GRPOTrainer's own."""
        if self._groups_of_rows is None:
            score = super()._get_per_token_logps_and_entropies
            return score(model, input_ids, attention_mask, logits_to_keep, batch_size, **kwargs)  # type: ignore[no-any-return]
        completions, mask = input_ids[:, -logits_to_keep:], attention_mask[:, -logits_to_keep:]
        size = batch_size or len(self._groups_of_rows)
        chunks = [slice(start, start + size) for start in range(0, len(self._groups_of_rows), size)]
        entropy = bool(kwargs.get("compute_entropy"))
        parts = [
            self._score(model, self._groups_of_rows[part], completions[part], mask[part], entropy=entropy)
            for part in chunks
        ]
        logps, entropies = zip(*parts, strict=True)
        return torch.cat(logps), torch.cat(entropies) if entropies[0] is not None else None, None

    def _score(
        self,
        model: Any,
        groups: Sequence[int],
        completions: torch.Tensor,
        mask: torch.Tensor,
        *,
        entropy: bool = True,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Log-probabilities and, if wanted, entropies [B, C] of one forward.

        Args:
            groups: [B] which of the rollout's prompts each row continues.
            completions, mask: [B, C].
        """
        assert self._encoded is not None
        present = sorted(set(groups))
        encoded, row = self._encoded.select(present), [present.index(group) for group in groups]
        lengths = [int(length) for length in mask.sum(1).tolist()]
        longest = max(1, *lengths)
        way = self.sharing.way
        if way != "separate":
            way = way if self._cost.packing_pays(encoded.prompts, row, lengths) else "separate"
            self._metrics["train"]["shared_prefix/used"].append(float(way != "separate"))
        values = self._score_by(way, model, encoded, row, completions[:, :longest], lengths, entropy=entropy)
        logps, entropies = (v if v is None else pad(v, (0, completions.size(1) - longest)) for v in values)
        assert logps is not None
        return logps, entropies

    def _score_by(
        self,
        way: Way,
        model: Any,
        encoded: EncodedPrompts,
        row: Sequence[int],
        completions: torch.Tensor,
        lengths: Sequence[int],
        *,
        entropy: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        if way != "separate":
            score = score_packed if way == "packed" else score_repeated
            with self.accelerator.autocast():
                logps, entropies = score(model, encoded, row, completions, lengths)
            # Chunks of one pass may go different ways: each must give entropies, or none.
            return logps, entropies if entropy else None
        prompts = encoded.prompts.select(row)
        inputs = prompts.padded(self._tokenizer.pad_token_id).to(encoded.device).tensors
        width, longest = inputs["input_ids"].size(1), completions.size(1)
        real = real_tokens(lengths, longest, encoded.device)
        logps, entropies, _ = super()._get_per_token_logps_and_entropies(
            model,
            torch.cat([inputs["input_ids"], completions], dim=1),
            torch.cat([inputs["attention_mask"], real.long()], dim=1),
            longest,
            compute_entropy=entropy,
            **VisionInputs(prompts, encoded.device).fields(width, longest),
        )
        return logps, entropies

    # ---- a model that only looks as if it could share ------------------------------------------------------------

    def _probe(self, prompts: Prompts) -> None:
        """Score and decode two short texts after a real prompt both ways; fall back if the numbers differ.

        Collective: with several processes, one that differs turns sharing off everywhere.
        """
        self._probed = True
        training = self.model.training
        self.model.eval()  # dropout would differ by itself
        # One with images, where there is one: a model may read them in its own way.
        chosen = max(range(len(prompts.ids)), key=lambda n: prompts.num_images[n])
        try:
            difference, problem = self._probed_difference(prompts.select([chosen])), ""
        except Exception as error:  # whatever a model's code may do with inputs that it was not written for
            difference, problem = float("inf"), f"its forward fails ({type(error).__name__}: {error})"
        finally:
            self.model.train(training)
        failed = not difference <= (TOLERANCE if self._exact else LOW_PRECISION_TOLERANCE)
        flag = torch.tensor(float(failed), device=self.accelerator.device)
        if self.accelerator.reduce(flag, reduction="sum") == 0:
            return
        reason = problem or f"log-probabilities then differ by {difference:.2g}"
        self.sharing = Support("separate", reason if failed else "they differ on another process")
        self._warn("Prompts", self.sharing.reason)

    @property
    def _exact(self) -> bool:
        """Whether the model computes in float32."""
        return bool(self.accelerator.mixed_precision == "no" and self.model.dtype == torch.float32)

    @torch.no_grad()
    def _probed_difference(self, prompts: Prompts) -> float:
        end = self.eos_token_ids[0]
        encoded = self._encode(prompts)
        completions = torch.tensor([[prompts.ids[0][-1], end], [end, end]], device=encoded.device)
        lengths = [2, 1]
        real = real_tokens(lengths, 2, encoded.device)
        expected, _ = self._score_by("separate", self.model, encoded, [0, 0], completions, lengths)
        scored, _ = self._score_by(self.sharing.way, self.model, encoded, [0, 0], completions, lengths)
        with self._generating() as model:
            decoder = self._decoder(model, Samples(encoded, [0, 0], [[], []]))
            logits = torch.stack([decoder.start(), decoder.step(completions[:, 0])], dim=1)
        decoded = torch.log_softmax(logits.float() / self.temperature, dim=-1).gather(2, completions[..., None])[..., 0]
        differences = [(values.float() - expected.float()).abs()[real] for values in (scored, decoded)]
        # Rounding to 8 bits moves single values far, and all of them together little.
        return max(float(one.max() if self._exact else one.mean()) for one in differences)

    # ---- micro-batches -------------------------------------------------------------------------------------------

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """As GRPOTrainer's, but groups stay together when rows are shuffled, so that micro-batches can share."""
        if not self.model.training:
            raise InputError(
                "evaluation by contextrl.evaluation, or eval.every in a configuration",
                found="trainer.evaluate(), which would sample groups into the training batch",
                where="eval_dataset",
            )
        generate_every = self.args.steps_per_generation * self.num_iterations
        if self._step % generate_every == 0 or self._buffered_inputs is None:
            batch = shuffle_groups(self._generate_and_score_completions(generation_batch))
            self._buffered_inputs = split_tensor_dict(batch, self.args.steps_per_generation)
        return self._buffered_inputs[self._step % self.args.steps_per_generation]


def shuffle_groups(batch: dict[str, Any]) -> dict[str, Any]:
    """Rows of a batch in a random order in which those of equal `group` [B] follow one another."""
    groups = batch["group"].tolist()
    # One permutation of all rows, as GRPOTrainer draws, so that random states stay the same.
    drawn = torch.randperm(len(groups)).tolist()
    place = {group: n for n, group in enumerate(dict.fromkeys(groups[row] for row in drawn))}
    order = torch.tensor(sorted(drawn, key=lambda row: place[groups[row]]))
    rows = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor) and value.ndim > 0}
    return batch | {name: value[order] for name, value in rows.items()}
