"""An answer that is no."""

from __future__ import annotations

import math
from typing import Any


class Refusal(Exception):
    """What the Bot API says instead of doing it."""

    def __init__(self, status: int, description: str, **parameters: Any) -> None:
        super().__init__(f"{status} {description}")
        self.status = status
        self.description = description
        self.parameters = parameters

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"ok": False, "error_code": self.status, "description": self.description}
        return body | {"parameters": self.parameters} if self.parameters else body


def too_many(seconds: float) -> Refusal:
    """429 with what is left to wait."""
    whole = max(1, math.ceil(seconds))
    return Refusal(429, f"Too Many Requests: retry after {whole}", retry_after=whole)


def bad_request(why: str) -> Refusal:
    return Refusal(400, f"Bad Request: {why}")
