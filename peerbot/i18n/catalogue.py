"""The catalogue in use. English is written in the code; another language is a folder of peerbot/locale."""

from __future__ import annotations

from functools import cache
from gettext import NullTranslations, translation
from pathlib import Path
from typing import Final

_DOMAIN: Final = "peerbot"
_FOLDER: Final = Path(__file__).resolve().parent.parent / "locale"


def _(message: str) -> str:
    """The message in the language of this process (LANGUAGE, LC_ALL, LC_MESSAGES, LANG)."""
    return _catalogue("").gettext(message)


def ngettext(one: str, many: str, n: int) -> str:
    """The form that goes with the number."""
    return _catalogue("").ngettext(one, many, n)


def N_(message: str) -> str:
    """Marks a message that is translated later, where it is used."""
    return message


@cache
def _catalogue(language: str) -> NullTranslations:
    return translation(_DOMAIN, _FOLDER, languages=[language] if language else None, fallback=True)
