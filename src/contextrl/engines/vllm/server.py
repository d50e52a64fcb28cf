"""vLLM as a server of its own: one process speaks to it for all, and streams the weights to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from typing import Any

import torch
from accelerate.utils import broadcast_object_list, gather_object

from contextrl.engines.host import PolicyHost
from contextrl.engines.vllm.backend import CacheCounts, Told, shared, together
from contextrl.engines.vllm.requests import Answer, EngineMismatchError, Request, checked_runs
from contextrl.engines.vllm.settings import VLLMSettings
from contextrl.engines.vllm.weights import Announced, announced, policy_weights
from contextrl.errors import InputError, ServiceError

#: Requests on their way at a time.
_CONCURRENT = 64


def serve_line(settings: VLLMSettings) -> str:
    """The command that starts a server as the engine needs it."""
    line = (
        f"VLLM_SERVER_DEV_MODE=1 vllm serve {settings.path} --dtype {settings.dtype} "
        f"--max-model-len {settings.max_model_length} --logprobs-mode processed_logprobs --enable-scale-out "
        """--weight-transfer-config '{"backend": "nccl"}'"""
    )
    if settings.processor_options:
        size = settings.processor_options["size"]
        edges = ", ".join(f'"{name}": {value}' for name, value in size.items())
        line += f""" --mm-processor-kwargs '{{"size": {{{edges}}}}}'"""
    return line


class ServerBackend:
    """See `Backend`.

    Args:
        host: the trainer.
        settings: of the engine.
        client: TRL's `VLLMClient`, connected, on the main process; None on the others.
    """

    def __init__(self, host: PolicyHost, settings: VLLMSettings, client: Any) -> None:
        self.accelerator, self.settings, self.client = host.accelerator, settings, client
        self.forgot_weights = True
        self._announced: list[Announced] | None = None

    @property
    def _main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def _from_main(self, result: Any) -> Any:
        return shared(result, main=self._main, broadcast=_broadcast)

    def generate(
        self, requests: Sequence[Request], options: Mapping[str, Any], told: Told | None = None
    ) -> list[Answer]:
        """See `Backend`. Only the process that speaks to the server is told while others' are on their way."""
        every = partial(self._answers, options=options)
        return together(
            [request.opened() for request in requests],
            self.accelerator.process_index,
            lambda here: gather_object([here]),
            lambda flat, own: self._from_main(partial(every, flat, own)),
            told,
        )

    def _answers(self, requests: list[Request], told: Told | None, *, options: Mapping[str, Any]) -> list[Answer]:
        with ThreadPoolExecutor(min(_CONCURRENT, len(requests))) as pool:
            places = {pool.submit(self._answer, request, options=options): n for n, request in enumerate(requests)}
            for done in as_completed(places):
                if told is not None and done.exception() is None:
                    told(places[done], done.result())
        return [done.result() for done in places]

    def _answer(self, request: Request, *, options: Mapping[str, Any]) -> Answer:
        features = None
        if request.images:
            # The features are the images' own, the positions those of another conversation: ours take their place.
            features = dict(self.client.image_features([list(request.images)])[0])
            runs = checked_runs(request, self.settings.image_token)
            places = [{"offset": offset, "length": length} for offset, length in runs]
            counts = [place["length"] for place in features["mm_placeholders"]["image"]]
            if counts != [length for _, length in runs]:
                raise EngineMismatchError(
                    f"the vLLM server makes {counts} features of a prompt's images, the trainer scores "
                    f"{[length for _, length in runs]}. Start it with the trainer's processor: "
                    f"{serve_line(self.settings)}"
                )
            features["mm_placeholders"] = {**features["mm_placeholders"], "image": places}
        reply = self.client._post(
            f"{self.client.base_url}/inference/v1/generate",
            json={
                "model": self.client.model,
                "token_ids": request.ids,
                "features": features,
                "return_token_ids": True,
                # Else a server gives only the sample that ended last (vllm#52399).
                "sampling_params": {**options, "n": request.samples, "seed": request.seed, "output_kind": 2},
            },
        )
        return _answer_of(reply)

    def load(self, model: Any, sharding: Any) -> None:
        """See `Backend`."""
        if self._announced is None:
            self._announced = announced(model)
        weights = _as_announced(policy_weights(model, sharding), self._announced)
        if self._main:
            self.client.update_named_params(self._announced, weights)
        for _ in weights:  # what gathers them is collective
            pass
        self.forget()
        self.forgot_weights = False

    def forget(self) -> None:
        """See `Backend`."""
        self._from_main(self._forget)

    def _forget(self) -> None:
        self.client.reset_prefix_cache()
        for cache in ("mm", "encoder"):
            response = self.client.session.post(f"{self.client.base_url}/reset_{cache}_cache")
            if response.status_code != 200:
                raise ServiceError(f"the vLLM server cannot reset its {cache} cache: {response.status_code}")

    def rest(self) -> None:
        """Its memory is its own."""

    def cache_counts(self) -> CacheCounts:
        """See `Backend`; of all processes' requests, on the main process, and nothing elsewhere."""
        if not self._main:
            return CacheCounts()
        text = self.client.session.get(f"{self.client.base_url}/metrics").text
        return CacheCounts(*(_counter(text, f"vllm:prefix_cache_{part}_total") for part in ("queries", "hits")))

    def close(self) -> None:
        """It was running before, and goes on."""


def connect(host: PolicyHost, settings: VLLMSettings) -> Any:
    """A client of the server that the settings name, which is set up as the engine needs it; None off the main process.

    Raises:
        ServiceError: it does not answer.
        InputError: it is set up otherwise, with the command that starts it.
    """
    client: list[Any] = [None]

    def connected() -> None:
        client[0] = _connected(host, settings)

    shared(connected, main=bool(host.accelerator.is_main_process), broadcast=_broadcast)
    return client[0]


def _connected(host: PolicyHost, settings: VLLMSettings) -> Any:
    from trl.generation.vllm_client import VLLMClient

    args = host.args
    url = args.vllm_server_base_url or f"http://{args.vllm_server_host}:{args.vllm_server_port}"
    try:
        client = VLLMClient(base_url=url, group_port=args.vllm_group_port, connection_timeout=args.vllm_server_timeout)
        info = client.get_server_info()
    except Exception as error:  # TRL raises bare ones
        reason = " ".join(str(error).split())[:200]
        raise ServiceError(f"no vLLM server at {url} ({reason}). Start it: {serve_line(settings)}") from error
    check_server(info, settings, url)
    client.init_communicator(device=host.accelerator.device)
    return client


def check_server(info: Mapping[str, Any], settings: VLLMSettings, url: str) -> None:
    """A server is set up as the engine needs it.

    Args:
        info: its configuration, as it tells.

    Raises:
        InputError: with the command that starts it right.
    """
    model = info.get("model_config") or {}
    found = []
    length = model.get("max_model_len")
    if length is not None and int(length) < settings.max_model_length:
        found.append(f"--max-model-len {length}, below {settings.max_model_length}")
    if (mode := model.get("logprobs_mode")) != "processed_logprobs":
        found.append(f"--logprobs-mode {mode}")
    if (dtype := str(model.get("dtype", settings.dtype)).removeprefix("torch.")) != settings.dtype:
        found.append(f"--dtype {dtype}, while the trainer computes in {settings.dtype}")
    if info.get("weight_transfer_config") is None:
        found.append("no --weight-transfer-config")
    if found:
        raise InputError(
            "a vLLM server that was started for this run",
            found="; ".join(found),
            where=f"train.vllm_server_base_url, {url}",
            fix=f"Start it: {serve_line(settings)}",
        )


def _as_announced(
    weights: Iterator[tuple[str, torch.Tensor]], names: Sequence[Announced]
) -> Iterator[tuple[str, torch.Tensor]]:
    """The same weights, of the types that the server waits for."""
    for (name, weight), (expected, dtype, shape) in zip(weights, names, strict=True):
        if name != expected or list(weight.shape) != shape:
            raise EngineMismatchError(f"weight {name} {list(weight.shape)} came where {expected} {shape} was announced")
        yield name, weight.to(getattr(torch, dtype))


def _answer_of(reply: Mapping[str, Any]) -> Answer:
    choices = sorted(reply["choices"], key=lambda choice: choice["index"])
    ids = [list(choice["token_ids"]) for choice in choices]
    logps = [[float(entry["logprob"]) for entry in (choice["logprobs"] or {}).get("content", ())] for choice in choices]
    places = [(place["offset"], place["length"]) for place in (reply.get("mm_placeholders") or {}).get("image", ())]
    return Answer(list(reply.get("prompt_token_ids") or ()), places, ids, logps)


def _counter(text: str, name: str) -> float:
    """The sum of a counter over its labels, in Prometheus's text."""
    found = re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
    return sum(float(value) for value in found)


def _broadcast(value: Any) -> Any:
    holder = [value]
    broadcast_object_list(holder, from_process=0)
    return holder[0]
