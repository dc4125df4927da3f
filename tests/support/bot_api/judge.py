"""What aiogram's models and teremok's rules say of a request, and aiogram's models of our answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import aiogram.methods
from aiogram import Bot
from aiogram.exceptions import TelegramAPIError
from aiogram.methods import TelegramMethod
from aiogram.types import Update
from pydantic import BaseModel, TypeAdapter, ValidationError
from teremok import CannotAutoRespond, MockedSession

_AS_JSON = frozenset(
    {"reply_markup", "reply_parameters", "link_preview_options", "entities", "allowed_updates", "commands", "scope"}
)
"""Parameters whose values are JSON inside the form."""


class Judge:
    """Two opinions that are not ours."""

    def __init__(self) -> None:
        self._session = MockedSession()
        self._bot = Bot("1:judge", session=self._session)

    async def complaints(self, name: str, args: Mapping[str, str]) -> tuple[TelegramMethod[Any] | None, list[str]]:
        """The request as aiogram reads it, and what is wrong with it."""
        found = methods().get(name.lower())
        if found is None:
            return None, [f"aiogram knows no method {name}"]
        try:
            method = found.model_validate({key: _value(key, value) for key, value in args.items()})
        except (ValidationError, ValueError) as error:
            return None, [f"aiogram: {error}"]
        complaints = [f"aiogram knows no parameter {path}" for path in unknown_keys(method)]
        try:
            await self._session.make_request(self._bot, method)
        except CannotAutoRespond:
            # It has no answer of its own for these; its rules were asked before that.
            pass
        except TelegramAPIError as error:
            complaints.append(f"teremok: {error.message}")
        finally:
            self._session.requests.clear()
        return method, complaints


@cache
def methods() -> Mapping[str, type[TelegramMethod[Any]]]:
    found = (getattr(aiogram.methods, name) for name in aiogram.methods.__all__)
    return {
        method.__api_method__.lower(): method
        for method in found
        if isinstance(method, type) and issubclass(method, TelegramMethod) and method is not TelegramMethod
    }


def check_update(update: Mapping[str, Any]) -> None:
    """Fails where aiogram would not take this for an update."""
    _check(Update.model_validate(update))


def check_result(method: TelegramMethod[Any], result: object) -> None:
    """Fails where aiogram would not take this for an answer to that."""
    _check(_adapter(type(method)).validate_python(result))


def unknown_keys(value: object, path: str = "") -> Iterator[str]:
    """Paths of all keys that aiogram's models have no field for."""
    if isinstance(value, BaseModel):
        yield from (f"{path}.{key}".lstrip(".") for key in value.model_extra or {})
        for key in type(value).model_fields:
            yield from unknown_keys(getattr(value, key), f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from unknown_keys(item, path)


def _check(value: object) -> None:
    unknown = list(unknown_keys(value))
    assert not unknown, f"aiogram knows no {unknown}"


@cache
def _adapter(method: type[TelegramMethod[Any]]) -> TypeAdapter[Any]:
    return TypeAdapter(method.__returning__)


def _value(key: str, value: str) -> object:
    return json.loads(value) if key in _AS_JSON else value
