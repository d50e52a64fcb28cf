"""The miniature's step judge as an OpenAI-compatible chat model, to try a judge behind HTTP without a GPU.

It reads the judge's shipped prompts: the sections between their delimiters, and the task after the last of them.

    python -m contextrl.miniature.judge_server --port 8377
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.chat_app import MAX_BODY_BYTES, completion_body, error_body, name_requests, serve_app
from contextrl.miniature.steps_judge import StepsJudge, question_kind
from contextrl.miniature.tasks import KINDS
from contextrl.records.example import Example
from contextrl.records.verdict import Disclosure, ReferenceContext, Verdict
from contextrl.rollout.standalone import standalone_problem

MODEL = "miniature-judge"
_FIRST_LINE = f"The miniature's judge: {{url}}, model {MODEL}. Ctrl-C ends it."
_SECTION = re.compile(r"<(question|reference_(?:answer|solution|documents)|response)>\n(.*?)\n</\1>", re.DOTALL)
_TASK = re.compile(r"^Task: (verify|report|verify_and_report)$", re.MULTILINE)
_DISCLOSURE = re.compile(r"^Disclosure: (location|hint|correction|answer)$", re.MULTILINE)


def answer_chat(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """The reply to a chat request's body, and its HTTP status."""
    if body.get("model") != MODEL:
        return error_body(f"The model {str(body.get('model'))[:80]!r} does not exist; there is {MODEL!r}"), 404
    try:
        system, text = _texts(body["messages"])
        reply = judge_text(text)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return error_body(f"the miniature's judge reads contextrl's own judge prompts only: {error}"), 400
    content = json.dumps(reply, ensure_ascii=False)
    if "response_format" not in body:
        content = f"I compared the steps with the reference.\n{content}"
    return completion_body(content, model=MODEL, prompt_tokens=len(f"{system} {text}".split())), 200


def _texts(messages: list[dict[str, Any]]) -> tuple[str, str]:
    """The system's text and the user's."""
    texts = {"system": "", "user": ""}
    for message in messages:
        content = message["content"]
        parts = [content] if isinstance(content, str) else [part.get("text", "") for part in content]
        texts[message["role"]] = "\n".join(part for part in parts if part)
    return texts["system"], texts["user"]


def judge_text(text: str) -> dict[str, Any]:
    """The step judge's reply to the user's text of a conversation.

    Raises:
        ValueError: a section is missing, or the question is not one of the miniature's.
    """
    sections = dict(_SECTION.findall(text))
    asked = text.rpartition("</response>")[2]
    task = match[1] if (match := _TASK.search(asked)) else "verify"
    disclosure = match[1] if (match := _DISCLOSURE.search(asked)) else "hint"
    for name in ("question", "response"):
        if name not in sections:
            raise ValueError(f"no section <{name}>")
    kind, _ = question_kind(sections["question"])
    example = Example(
        id="asked",
        question=sections["question"],
        solution=sections.get("reference_solution", ""),
        answer=sections.get("reference_answer", ""),
        answer_type=KINDS[kind].answer_type,
        documents=tuple(text for text in [sections.get("reference_documents", "")] if text),
    )
    context: ReferenceContext = "answer" if example.answer else "none"
    if example.documents or example.solution:
        context = "documents" if example.documents else "solution"
    request = JudgeRequest(example, sections["response"], context, wants_report=task != "verify")
    level: Disclosure = disclosure  # type: ignore[assignment]  # the pattern lists the levels
    verdict = StepsJudge(context, level).judge([request])[0]
    if verdict.status == "unscored":
        raise ValueError(verdict.error)
    return _reply(task, verdict, sections)


def _reply(task: str, verdict: Verdict, sections: dict[str, str]) -> dict[str, Any]:
    alone = standalone_problem(sections["response"], question=sections["question"]) is None
    reply: dict[str, Any] = {"analysis": "Compared step by step."}
    if task != "report":
        # Without a reference the answer is as right as the steps that lead to it.
        answer = verdict.process_correct if verdict.answer_correct is None else verdict.answer_correct
        reply |= {
            "self_consistent": alone,
            "answer_correct": answer,
            "process_correct": verdict.process_correct and alone,
        }
    if task == "report":
        reply |= _report(verdict.mistake_report or "Mistake: one of the steps is wrong.")
    elif task == "verify_and_report":
        reply |= _report(verdict.mistake_report if alone else None)
    return reply


def _report(report: str | None) -> dict[str, Any]:
    step = re.search(r"step (\d)", report or "")
    return {"step": int(step[1]) if step else int(report is not None), "mistake_report": report or ""}


def judge_app(latency: float = 0.0) -> web.Application:
    """The judge as an application with the two routes that clients of chat models ask.

    Args:
        latency: seconds that every reply takes.
    """

    @web.middleware
    async def late(request: web.Request, handler: Handler) -> web.StreamResponse:
        reply = await handler(request)
        await asyncio.sleep(latency)
        return reply

    app = web.Application(middlewares=[late, _refuse], client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", _complete)
    return name_requests(app)


@web.middleware
async def _refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Says what cannot be served in OpenAI's form instead of plain text."""
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return web.json_response(error_body(f"a body of at most {MAX_BODY_BYTES} bytes"), status=413)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        return web.json_response(error_body(f"no {request.method} {request.path[:80]}"), status=404)


async def _models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "contextrl"}]})


async def _complete(request: web.Request) -> web.Response:
    try:
        body, status = answer_chat(json.loads(await request.read()))
    except (ValueError, AttributeError, RecursionError):
        body, status = error_body("the body is no JSON object"), 400
    return web.json_response(body, status=status)


def serve(host: str = "127.0.0.1", port: int = 8377, latency: float = 0.0) -> None:
    """Serve until Ctrl-C.

    Args:
        host, port: where; port 0 takes a free one, which the first line names.
        latency: seconds that every reply takes.

    Raises:
        OSError: the port is taken.
    """
    try:
        asyncio.run(serve_app(judge_app(latency), host, port, _FIRST_LINE))
    except KeyboardInterrupt:
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8377)
    parser.add_argument("--latency", type=float, default=0.0)
    arguments = parser.parse_args()
    serve(arguments.host, arguments.port, arguments.latency)


if __name__ == "__main__":
    main()
