"""vLLM in the trainer's own processes, on the trainer's own devices."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import torch

from contextrl.data.images import open_image
from contextrl.engines.host import PolicyHost
from contextrl.engines.vllm.backend import CacheCounts, Told, together
from contextrl.engines.vllm.requests import Answer, Request, unexpanded
from contextrl.engines.vllm.settings import VLLMSettings
from contextrl.engines.vllm.weights import Loaded, policy_weights
from contextrl.errors import InputError

#: As GRPOTrainer's: vLLM's own default makes its look for memory think that there is none.
_BATCHED_TOKENS = 4096


class ColocatedBackend:
    """See `Backend`. With `vllm_tensor_parallel_size` above 1 so many processes share one vLLM and its requests.

    Args:
        host: the trainer.
        settings: of the engine.
    """

    def __init__(self, host: PolicyHost, settings: VLLMSettings) -> None:
        self.settings = settings
        self.sleeps = bool(host.args.vllm_enable_sleep_mode)
        self.forgot_weights = True
        self._numbers = count()
        accelerator, parallel = host.accelerator, host.args.vllm_tensor_parallel_size
        self._group: Any = None
        if parallel > 1:
            firsts = range(0, accelerator.num_processes, parallel)
            self._group, _ = torch.distributed.new_subgroups_by_enumeration(  # type: ignore[no-untyped-call]
                [list(range(first, first + parallel)) for first in firsts]
            )
        with _launched(accelerator):
            try:
                self.llm = _vllm(host, settings)
            except (OSError, ValueError, RuntimeError, NotImplementedError) as error:
                raise InputError(
                    "a policy and settings that vLLM can run",
                    found=" ".join(str(error).split())[:400],
                    where="train.use_vllm",
                    fix="Change the settings that begin with train.vllm_, or set train.use_vllm to false",
                ) from error
        self.rest()
        # Loading takes unequally long; DeepSpeed does not wait for it.
        accelerator.wait_for_everyone()

    def generate(
        self, requests: Sequence[Request], options: Mapping[str, Any], told: Told | None = None
    ) -> list[Answer]:
        """See `Backend`."""
        # Those that share a vLLM wake it together, whoever has something to ask.
        if self.sleeps and (requests or self._group is not None):
            self.llm.wake_up(tags=["kv_cache"])
        if self._group is None:
            return self._answers(list(requests), told, options=options)
        # A small collective of an adapter's gradients may still be going on beside vLLM's own (trl#3671).
        torch.distributed.barrier()
        rank = torch.distributed.get_rank(group=self._group)
        return together(requests, rank, self._gathered, partial(self._answers, options=options), told)

    def _gathered(self, requests: list[Request]) -> list[Any]:
        every: list[Any] = [None] * torch.distributed.get_world_size(group=self._group)
        torch.distributed.all_gather_object(every, [request.opened() for request in requests], group=self._group)
        return every

    def _answers(self, requests: list[Request], told: Told | None, *, options: Mapping[str, Any]) -> list[Answer]:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        engine = self.llm.llm_engine
        places: dict[str, list[tuple[int, int]]] = {}
        order: dict[str, int] = {}
        for request in requests:
            read = self.llm._preprocess_cmpl_one(self._prompt(request))
            name = str(next(self._numbers))
            params = SamplingParams(
                **options, n=request.samples, seed=request.seed, output_kind=RequestOutputKind.FINAL_ONLY
            )
            engine.add_request(name, read, params)
            places[name] = [_features(place) for place in (read.get("mm_placeholders") or {}).get("image", ())]
            order[name] = len(order)
        done: dict[str, Answer] = {}
        while engine.has_unfinished_requests():
            for output in engine.step():
                if not output.finished:
                    continue
                name = output.request_id
                done[name] = _answer(output, places[name])
                if told is not None:
                    told(order[name], done[name])
        return [done[name] for name in order]

    def _prompt(self, request: Request) -> dict[str, Any]:
        prompt: dict[str, Any] = {"prompt_token_ids": unexpanded(request, self.settings.image_token)}
        if request.images:
            prompt["multi_modal_data"] = {"image": [open_image(image) for image in request.images]}
        return prompt

    def load(self, model: Any, sharding: Any) -> None:
        """See `Backend`."""
        target = self.llm.llm_engine.model_executor.driver_worker.model_runner.model
        if self.sleeps and self.forgot_weights:
            # Before writing to them; with what the trainer has cached given back first.
            torch.cuda.empty_cache()
            self.llm.wake_up(tags=["weights"])
            # Zeros that are added to what is read without a picture: no buffers, so that vLLM does not restore them.
            for added in getattr(target, "deepstack_input_embeds", None) or ():
                added.zero_()
        loaded = Loaded()
        for name, weight in policy_weights(model, sharding):
            try:
                loaded.add(name, target.load_weights([(name, weight)]))
            except (AttributeError, KeyError, ValueError):
                loaded.add(name, None)
        loaded.check(name for name, _ in target.named_parameters())
        self.forgot_weights = False
        self.forget()

    def forget(self) -> None:
        """See `Backend`."""
        self.llm.reset_prefix_cache()
        # What the vision encoder made of an image is kept apart, and is as old as the old weights.
        self.llm.reset_mm_cache()
        self.llm.llm_engine.reset_encoder_cache()

    def rest(self) -> None:
        """See `Backend`. Weights are dropped, not kept elsewhere: the policy will have moved when they are needed."""
        if self.sleeps:
            self.llm.sleep(level=2)
            self.forgot_weights = True

    def cache_counts(self) -> CacheCounts:
        """See `Backend`."""
        values = {metric.name: getattr(metric, "value", 0.0) for metric in self.llm.get_metrics()}
        asked, found = (float(values.get(f"vllm:prefix_cache_{part}", 0.0)) for part in ("queries", "hits"))
        return CacheCounts(asked, found)

    def close(self) -> None:
        """See `Backend`. It ends the process groups of its own, for which torch's must still be there."""
        self.llm.llm_engine.engine_core.shutdown()


def _vllm(host: PolicyHost, settings: VLLMSettings) -> Any:
    from vllm import LLM

    args, parallel = host.args, host.args.vllm_tensor_parallel_size
    options: dict[str, Any] = {}
    if settings.images is not None:
        options["limit_mm_per_prompt"] = {"image": settings.images, "video": 0}
        options["mm_processor_kwargs"] = dict(settings.processor_options) or None
    if host.accelerator.device.type == "cpu":
        options["enforce_eager"] = True
    return LLM(
        model=settings.path,
        dtype=settings.dtype,
        trust_remote_code=args.trust_remote_code,
        model_impl=args.vllm_model_impl,
        tensor_parallel_size=parallel,
        gpu_memory_utilization=args.vllm_gpu_memory_utilization,
        max_model_len=settings.max_model_length,
        max_num_seqs=args.per_device_train_batch_size * args.steps_per_generation * parallel,
        max_num_batched_tokens=max(_BATCHED_TOKENS, settings.max_model_length),
        enable_prefix_caching=True,
        enable_sleep_mode=args.vllm_enable_sleep_mode,
        distributed_executor_backend="external_launcher",
        # Every request has a seed of its own; processes that share a model must agree on what is left.
        seed=args.seed,
        generation_config="vllm",
        # Of the distribution that is drawn from, which is what importance correction needs.
        logprobs_mode="processed_logprobs",
        disable_log_stats=False,
        **options,
    )


@contextmanager
def _launched(accelerator: Any) -> Iterator[None]:
    """The variables that vLLM's launcher reads; those that were not there go again."""
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
    values = (accelerator.process_index, accelerator.local_process_index, accelerator.num_processes)
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: str(value) for name, value in zip(names, values, strict=True)})
    from trl.trainer.utils import ensure_master_addr_port  # takes seconds

    ensure_master_addr_port()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


def _features(place: Any) -> tuple[int, int]:
    """Where an image's features stand, without the text that some families write around them."""
    if place.is_embed is None:
        return place.offset, place.length
    inside = torch.as_tensor(place.is_embed).nonzero()[:, 0]
    return place.offset + int(inside[0]), len(inside)


def _answer(output: Any, places: list[tuple[int, int]]) -> Answer:
    samples = sorted(output.outputs, key=lambda sample: sample.index)
    ids = [list(sample.token_ids) for sample in samples]
    logps = [
        [float(of_token[token].logprob) for token, of_token in zip(tokens, sample.logprobs or (), strict=True)]
        for tokens, sample in zip(ids, samples, strict=True)
    ]
    return Answer(list(output.prompt_token_ids), places, ids, logps)
