"""What servers are sent and what becomes of what they say."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from raw_server import Request, Script, plain, running_raw_server
from toy_benchmark import SAMPLING, Toy, client_at, picture

from contextrl.data.images import image_from_bytes, open_image
from contextrl.errors import InputError
from contextrl.evaluation.answering.pictures import picture_url, upright_size
from contextrl.evaluation.answering.questions import Answer, Question, questions
from contextrl.evaluation.answering.server import ServerModel
from contextrl.evaluation.benchmarks.items import VLMEVALKIT, Item, Response


def decoded(url: str) -> tuple[str, Image.Image]:
    head, _, data = url.partition(";base64,")
    return head, Image.open(io.BytesIO(base64.b64decode(data)))


def reply(content: str | None, finish: str | None = "stop", **message: Any) -> bytes:
    said = {"role": "assistant", "content": content, **message}
    usage = {"prompt_tokens": 9, "completion_tokens": 4}
    return plain(json.dumps({"choices": [{"finish_reason": finish, "message": said}], "usage": usage}).encode())


def answers(asked: list[Question], body: bytes, **changes: Any) -> tuple[dict[str, Answer], list[Request]]:
    def script(_: Request) -> Script:
        return [(0.0, body)]

    with running_raw_server(script) as server:
        client = client_at(server.url, **changes)
        found = {answer.id: answer for answer in ServerModel(client).answers(asked, SAMPLING)}
        client.close()
    return found, server.requests


def test_pictures_come_before_the_text_and_settings_are_the_protocols() -> None:
    item = Item("7", {"question": "number 7?", "options": "(A)"}, (picture(1), picture(2)))
    [question] = questions([item], Toy(), "vlmevalkit")
    with running_raw_server(lambda _: [(0.0, reply("A"))]) as server:
        client = client_at(server.url)
        [answer] = ServerModel(client).answers([question], VLMEVALKIT)
        client.close()
    body = server.requests[0].body
    [turn] = body.pop("messages")
    assert [part["type"] for part in turn["content"]] == ["image_url", "image_url", "text"]
    assert turn["content"][2]["text"] == "vlmevalkit: number 7? (A)"
    shades = [decoded(part["image_url"]["url"])[1].getpixel((0, 0)) for part in turn["content"][:2]]
    assert shades == [(1, 0, 0), (2, 0, 0)]
    assert body == {
        "model": "m",
        "temperature": 0.7,
        "top_p": 0.8,
        "top_k": 20,
        "presence_penalty": 1.5,
        "max_tokens": 16_384,
        "seed": 0,
    }
    assert answer == Answer("7", "A", False, "stop", 4)
    assert answer.as_response == Response("A", False)


SAID = [
    (reply("so far", "length"), Answer("1", "so far", True, "length", 4)),
    (reply("", "stop"), Answer("1", "", False, "stop", 4)),
    (reply(None, "stop"), Answer("1", error="empty: a reply without content")),
    (reply(None, "length", reasoning_content="hm"), Answer("1", "", True, "length", 4)),
    (reply(None, "stop", refusal="I can't."), Answer("1", "I can't.", False, "stop", 4)),
    (reply("par", "content_filter"), Answer("1", "par", False, "content_filter", 4)),
    (
        reply(None, "stop", reasoning_content="hm"),
        Answer("1", error="empty: a reply without content, only reasoning"),
    ),
    (reply(None, "content_filter"), Answer("1", "", False, "content_filter", 4)),
    (reply("par", "abort"), Answer("1", error="malformed: the reply ended with 'abort'")),
    (reply("par", None), Answer("1", error="malformed: the reply ended with 'null'")),
    (plain(b"{}", "400 Bad Request"), Answer("1", error="rejected: HTTP 400: {}")),
]


@pytest.mark.parametrize(("body", "expected"), SAID, ids=[str(n) for n in range(len(SAID))])
def test_what_is_said(body: bytes, expected: Answer) -> None:
    assert answers([Question("1", "number 1")], body)[0] == {"1": expected}


def test_an_empty_reply_is_asked_for_again() -> None:
    def script(request: Request) -> Script:
        return [(0.0, reply(None if request.number == 0 else "A"))]

    with running_raw_server(script) as server:
        client = client_at(server.url, max_retries=1)
        [answer] = ServerModel(client).answers([Question("1", "number 1")], SAMPLING)
        client.close()
    assert (answer.response, len(server.requests)) == ("A", 2)


def test_servers_that_say_nothing_are_there() -> None:
    """Where only the questions that failed are asked again, none may be answered: the others' figures are told."""
    asked = [Question(str(n), f"number {n}") for n in range(4)]
    found, _ = answers(asked, reply(None), max_failures=2, max_retries=0)
    assert sorted(found) == ["0", "1", "2", "3"]
    assert all(answer.response is None for answer in found.values())


def test_a_sick_picture_is_an_error_of_its_own_question(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    asked = [
        Question("a", "number 1", (picture(1),)),
        Question("b", "number 2", (broken,)),
        Question("c", "number 3", (tmp_path / "missing.png",)),
        Question("d", "number 4"),
    ]
    found, requests = answers(asked, reply("yes"))
    assert (found["a"].response, found["d"].response, len(requests)) == ("yes", "yes", 2)
    assert str(found["b"].error).startswith(f"rejected: {broken}: expected a complete image")
    assert "missing.png" in str(found["c"].error)


# ---- pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_pictures_that_servers_read_are_sent_as_they_are(tmp_path: Path, kind: str) -> None:
    handle = picture(200, (40, 30), kind)
    data = handle.fp.getvalue()  # type: ignore[attr-defined]
    file = tmp_path / "a"
    file.write_bytes(data)
    for given in (handle, file):
        head, _, sent = picture_url(given).partition(";base64,")
        assert head == f"data:image/{kind.lower()}"
        assert base64.b64decode(sent) == data


def encoded(image: Image.Image, kind: str, **saving: Any) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **saving)
    return image_from_bytes(buffer.getvalue())


def turned() -> Image.Image:
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(9, (40, 30), "JPEG", exif=exif)


REWRITTEN = {
    "turned": turned(),
    "transparent": encoded(Image.new("RGBA", (4, 3), (9, 9, 9, 0)), "PNG"),
    "palette": encoded(Image.new("P", (4, 3), 3), "PNG"),
    "gif": encoded(Image.new("P", (4, 3), 3), "GIF"),
    "cmyk": encoded(Image.new("CMYK", (4, 3), (9, 9, 9, 9)), "JPEG"),
    "deep": encoded(Image.new("I;16", (4, 3), 40_000), "PNG"),
    "bmp": encoded(Image.new("RGB", (4, 3), (1, 2, 3)), "BMP"),
    "made": Image.new("RGB", (4, 3), (1, 2, 3)),
}


@pytest.mark.parametrize("name", REWRITTEN)
def test_others_are_sent_lossless_as_they_are_meant(name: str) -> None:
    handle = REWRITTEN[name]
    head, sent = decoded(picture_url(handle))
    meant = open_image(handle)
    assert head == "data:image/png"
    assert (sent.mode, sent.size) == ("RGB", meant.size)
    assert sent.tobytes() == meant.tobytes()
    assert upright_size(handle) == meant.size


def test_a_large_picture_is_sent_at_its_full_size_unless_there_is_a_limit() -> None:
    handle = picture(1, (3000, 1000), "JPEG")
    assert decoded(picture_url(handle))[1].size == (3000, 1000)
    assert decoded(picture_url(handle, 600))[1].size == (600, 200)
    assert decoded(picture_url(handle, 3000))[1].size == (3000, 1000)
    assert decoded(picture_url(Image.new("RGB", (3000, 1000)), 300))[1].size == (300, 100)


def test_a_picture_that_is_none_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.png"):
        with pytest.raises(InputError, match="expected an image"):
            picture_url(path)
