"""A client of the API that holds every answer against the OpenAPI document."""

from __future__ import annotations

import functools
import re
from typing import Any

import jsonschema_rs
from starlette.testclient import TestClient

_BASE = "/api/v3.1"


@functools.cache
def _patterns(paths: tuple[str, ...]) -> list[tuple[re.Pattern[str], str]]:
    """Return the paths as patterns, those with fewer parameters first."""
    ordered = sorted(paths, key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path)) + r"\Z"), path) for path in ordered]


class Conformity:
    """The declared answers of one document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._validators: dict[Any, Any] = {}

    def complaint(self, method: str, path: str, status: int, content_type: str, body: Any) -> str | None:
        """Return what is wrong with an answer, or None.

        Args:
            body: called for the parsed JSON when there is a schema.
        """
        found = self._operation(method.lower(), path)
        if found is None:
            return None  # an endpoint that does not exist is answered in the error envelope
        template, operation = found
        declared = operation["responses"].get(str(status))
        if declared is None:
            if status < 400:
                return f"{status} is not declared; declared are {sorted(operation['responses'])}"
            declared = operation["responses"]["default"]
        content = declared.get("content")
        if content is None:
            return None
        media = content_type.partition(";")[0]
        if media not in content:
            return f"{media!r} is not declared; declared are {sorted(content)}"
        if media != "application/json":
            return None
        key = (template, method, status)
        if key not in self._validators:
            schema = {**content[media].get("schema", {}), "components": self._document["components"]}
            self._validators[key] = jsonschema_rs.validator_for(schema)
        wrong = next(iter(self._validators[key].iter_errors(body())), None)
        return None if wrong is None else f"{list(wrong.instance_path)}: {wrong.message[:500]}"

    def _operation(self, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
        for pattern, template in _patterns(tuple(self._document["paths"])):
            if pattern.match(path) and method in self._document["paths"][template]:
                return template, self._document["paths"][template][method]
        return None


@functools.cache
def _conformity(_application: type) -> dict[str, Conformity]:
    return {}


def conformity_of(application: Any) -> Conformity:
    """Return the declared answers; the document of every application is the same, so it is made once."""
    kept = _conformity(type(application))
    if "made" not in kept:
        kept["made"] = Conformity(application.openapi())
    return kept["made"]


class ConformingClient(TestClient):
    """A test client whose every request fails the test when the answer is not as the document says."""

    def request(self, method: str, url: Any, **more: Any) -> Any:
        answer = super().request(method, url, **more)
        complaint = conformity_of(self.app).complaint(
            method, answer.request.url.path, answer.status_code, answer.headers.get("content-type", ""), answer.json
        )
        assert complaint is None, f"{method} {answer.request.url.path} {answer.status_code}: {complaint}"
        return answer
