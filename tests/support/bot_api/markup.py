"""Text as Telegram takes it: HTML read, signs removed, ends trimmed, length checked."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from tests.support.bot_api.refusal import bad_request

_LONGEST = 4096
_LONGEST_RAW = 1 << 15
_KINDS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-spoiler": "spoiler",
    "a": "text_link",
}
# Line and paragraph separators, embeddings and overrides of direction.
_REMOVED = re.compile("[\r\u2028-\u202e]")
_CONTROLS = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f]")
_NOTHING = re.compile("[\\s\u200b-\u200f\u2060\ufeff]*")


def formatted(text: str, parse_mode: str | None) -> tuple[str, list[dict[str, Any]]]:
    """The text that is shown, and its entities. Raises Refusal 400."""
    if not text:
        raise bad_request("message text is empty")
    if len(text.encode()) > _LONGEST_RAW:
        raise bad_request("text is too long")
    entities: list[dict[str, Any]] = []
    if (parse_mode or "").lower() == "html":
        text, entities = _html(text)
    elif parse_mode:
        raise NotImplementedError(f"parse_mode {parse_mode}")
    text = _CONTROLS.sub(" ", _REMOVED.sub("", text))
    if _NOTHING.fullmatch(text):
        raise bad_request("text must be non-empty")
    if not entities:
        text = text.strip()
    if len(text) > _LONGEST:
        raise bad_request("message is too long")
    return text, entities


def _html(text: str) -> tuple[str, list[dict[str, Any]]]:
    parser = _Parser()
    parser.feed(text)
    parser.close()
    if parser.open:
        tag = parser.open[-1][0]
        raise bad_request(f"can't parse entities: Can't find end tag corresponding to start tag \"{tag}\"")
    return parser.text, parser.entities


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.entities: list[dict[str, Any]] = []
        self.open: list[tuple[str, int, dict[str, str | None]]] = []

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _KINDS:
            raise bad_request(f'can\'t parse entities: Unsupported start tag "{tag}"')
        self.open.append((tag, _units(self.text), dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1][0] != tag:
            raise bad_request(f'can\'t parse entities: Unexpected end tag "{tag}"')
        _, start, attributes = self.open.pop()
        entity: dict[str, Any] = {"type": _KINDS[tag], "offset": start, "length": _units(self.text) - start}
        if tag == "a":
            entity["url"] = attributes.get("href") or ""
        if entity["length"]:
            self.entities.append(entity)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
