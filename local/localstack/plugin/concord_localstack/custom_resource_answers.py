"""Where the functions behind custom resources send their answers to."""

import json
import threading
import uuid
from contextlib import contextmanager
from typing import Iterator

from localstack.http import Response, route
from localstack.services.edge import ROUTER

#: The host that respond_to_localstack.cjs brings to LocalStack.
HOST = "cloudformation-response.localstack.invalid"
PATH = "/_concord/custom-resource"


class Answer:
    """One that is waited for. The first to come counts."""

    def __init__(self) -> None:
        self.token = uuid.uuid4().hex
        self.url = f"https://{HOST}{PATH}/{self.token}"
        self._came = threading.Event()
        self._content: dict | None = None

    def give(self, content: dict) -> None:
        if self._content is None:
            self._content = content
            self._came.set()

    def fail(self, reason: str) -> None:
        self.give({"Status": "FAILED", "Reason": reason})

    def wait(self, seconds: float) -> dict:
        self._came.wait(seconds)
        self.fail("CloudFormation did not receive a response from your Custom Resource.")
        return self._content or {}


_expected: dict[str, Answer] = {}
_lock = threading.Lock()
_has_route = False


@contextmanager
def expect_answer() -> Iterator[Answer]:
    _add_route()
    answer = Answer()
    _expected[answer.token] = answer
    try:
        yield answer
    finally:
        del _expected[answer.token]


@route(f"{PATH}/<token>", methods=["PUT"])
def _receive(request, token: str) -> Response:
    answer = _expected.get(token)
    if answer is None:
        return Response("nobody waits for it any more", status=403)
    answer.give(json.loads(request.get_data(as_text=True)))
    return Response("", status=200)


def _add_route() -> None:
    global _has_route
    with _lock:
        if not _has_route:
            ROUTER.add(_receive)
            _has_route = True
