"""The line at the bottom: the keys that do something now. A click on one is the same as the key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.content import Content, Span
from textual.screen import Screen
from textual.widget import Widget

from peerbot.i18n.catalogue import _


@dataclass(frozen=True, slots=True)
class Hint:
    """A key, as it is pressed and as it is shown, and what it does."""

    key: str
    shown: str
    words: str

    @property
    def width(self) -> int:
        return cell_len(self.shown) + 1 + cell_len(self.words)


class KeyLine(Widget):
    """What has no room is left out from the right; the palette has it all."""

    def __init__(self, *, palette: bool = False) -> None:
        super().__init__()
        self._palette = palette
        self.hints: tuple[Hint, ...] = ()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self._changed(self.screen)

    def _changed(self, screen: Screen[object]) -> None:
        found = tuple(self._find(screen))
        if found != self.hints:
            self.hints = found
            self.refresh()

    def _find(self, screen: Screen[object]) -> Iterator[Hint]:
        actions = set()
        for _node, binding, enabled, _tip in screen.active_bindings.values():
            if binding.show and enabled and binding.action not in actions:
                # Of several keys for one thing the first is enough.
                actions.add(binding.action)
                yield Hint(binding.key, self.app.get_key_display(binding), binding.description)
        if self._palette:
            yield Hint("ctrl+p", "^p", _("All actions"))

    def _placed(self) -> Iterator[tuple[int, Hint]]:
        """The hints that have room, with the column each begins at. The last one always has."""
        if not self.hints:
            return
        *first, last = self.hints
        end = self.size.width - last.width - 1
        x = 1
        for hint in first:
            if x + hint.width >= end:
                break
            yield x, hint
            x += hint.width + 2
        yield min(x, max(1, end)) if not self._palette else max(x, end), last

    def render(self) -> Content:
        text, spans = "", []
        for x, hint in self._placed():
            text = text.ljust(x)
            spans.append(Span(len(text), len(text) + len(hint.shown), "bold"))
            text += f"{hint.shown} {hint.words}"
        return Content(text, spans)

    def on_click(self, event: events.Click) -> None:
        found = next((hint for x, hint in self._placed() if x <= event.x < x + hint.width), None)
        if found is not None:
            self.app.simulate_key(found.key)
