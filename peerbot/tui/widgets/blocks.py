"""A list of blocks of lines with a cursor: only what is in view is drawn, and each block is laid out once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Sequence
from itertools import accumulate, chain
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from peerbot.tui.layout import Look

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
GUTTER = 1


class BlockList(ScrollView, Generic[K, V], can_focus=True):
    """Blocks by key, each a value that `lay_out` turns into lines."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "blocks--strong",
        "blocks--quiet",
        "blocks--note",
        "blocks--rule",
        "blocks--cursor",
        "blocks--mark",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "leap(-1)", show=False),
        Binding("pagedown,space", "leap(1)", show=False),
        Binding("home,g", "edge(0)", show=False),
        Binding("end,G", "edge(-1)", show=False),
        Binding("enter", "choose", show=False),
    ]
    cursor: reactive[int | None] = reactive(None)

    class Chosen(Message):
        """Enter or a click on a block."""

        def __init__(self, blocks: BlockList[Any, Any], value: Any) -> None:
            super().__init__()
            self.blocks = blocks
            self.value = value

        @property
        def control(self) -> BlockList[Any, Any]:
            return self.blocks

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.keys: list[K] = []
        self.values: dict[K, V] = {}
        self._laid: dict[K, tuple[V, list[Strip]]] = {}
        self._lines: list[list[Strip]] = []
        self._tops: list[int] = [0]
        self._width = 0
        self._look: Look | None = None
        self._goal: int | None = None
        """The block to bring to the top once there is a layout; past the last for the end."""

    def lay_out(self, key: K, value: V, width: int, look: Look) -> list[Strip]:
        """The lines of a block, at least one, none wider than `width`."""
        raise NotImplementedError

    @property
    def chosen(self) -> V | None:
        """The value under the cursor."""
        return self.values[self.keys[self.cursor]] if self.cursor is not None else None

    @property
    def laid_out(self) -> bool:
        """Whether there is a size to lay out for, and what should be in view is."""
        return self._width > 0 and self._goal is None

    @property
    def lines_in_all(self) -> int:
        return self._tops[-1]

    def set_blocks(self, blocks: Sequence[tuple[K, V]], *, to_end: bool = False) -> None:
        """Show these. What was in view stays in view, unless the end was in view and `to_end` holds."""
        anchor, held, ends = self._anchor(), self._held(), to_end and self.at_end
        stays_last = ends and bool(self.keys) and held == self.keys[-1]
        self.keys = [key for key, _ in blocks]
        self.values = dict(blocks)
        self._arrange()
        index = {key: i for i, key in enumerate(self.keys)}
        last = len(self.keys) - 1
        fallback = None if last < 0 else (last if to_end else 0)
        kept = index.get(held, fallback) if held is not None else fallback
        self.set_reactive(BlockList.cursor, last if stays_last and last >= 0 else kept)
        if ends:
            self._go(self.lines_in_all)
        elif anchor is not None and anchor[0] in index:
            self._go(self._tops[index[anchor[0]]] + anchor[1])
        self.refresh()

    def _held(self) -> K | None:
        return self.keys[self.cursor] if self.cursor is not None else None

    @property
    def at_end(self) -> bool:
        return self.scroll_offset.y >= self.max_scroll_y

    def _anchor(self) -> tuple[K, int] | None:
        """The first block that begins in view, and how far the view's top is below its own."""
        if not self.keys:
            return None
        y = self.scroll_offset.y
        first = bisect_left(self._tops, y)
        if first >= len(self.keys) or self._tops[first] >= y + self.scrollable_content_region.height:
            first = min(bisect_right(self._tops, y) - 1, len(self.keys) - 1)
        return self.keys[first], y - self._tops[first]

    def _arrange(self) -> None:
        """Lay out what is new or has changed, and find where each block begins."""
        width = self.scrollable_content_region.width - GUTTER
        if width <= 0:
            self._lines, self._tops = [[Strip([])] for _ in self.keys], list(range(len(self.keys) + 1))
            return
        if width != self._width or self._look is None:
            self._width, self._look, self._laid = width, self._find_look(), {}
        laid, look = self._laid, self._look
        self._laid = {}
        for key, value in self.values.items():
            known = laid.get(key)
            same = known is not None and known[0] == value
            self._laid[key] = known if known is not None and same else (value, self.lay_out(key, value, width, look))
        self._lines = [self._laid[key][1] for key in self.keys]
        self._tops = list(chain((0,), accumulate(len(lines) for lines in self._lines)))
        self.virtual_size = Size(self.scrollable_content_region.width, self.lines_in_all)

    def _find_look(self) -> Look:
        style = self.get_component_rich_style
        names = ("strong", "quiet", "note", "rule", "cursor", "mark")
        return Look(self.rich_style, *(style(f"blocks--{name}", partial=name == "cursor") for name in names))

    def _go(self, y: int) -> None:
        # Forced: the scroll bar that would allow it appears only with the next layout.
        self.scroll_to(y=min(y, self.max_scroll_y), animate=False, force=True)

    def bring_up(self, index: int) -> None:
        """Bring a block to the top of the view, or with an index past the last the end to its bottom."""
        if self._width == 0:
            self._goal = index
        else:
            self._go(self._tops[min(index, len(self.keys))])

    def render_line(self, y: int) -> Strip:
        line, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        base = self.rich_style
        if line >= self.lines_in_all or self._look is None:
            return Strip.blank(width, base)
        index = bisect_right(self._tops, line) - 1
        here = index == self.cursor and self.has_focus
        found = self._lines[index][line - self._tops[index]]
        mark = Segment("▌" if here else " ", self._look.mark if here else base)
        drawn = Strip([mark, *found]).adjust_cell_length(width, base).apply_style(base)
        return self.highlight(drawn) if here else drawn

    def highlight(self, drawn: Strip) -> Strip:
        """How a line of the block under the cursor looks."""
        return drawn

    # moving about

    def watch_cursor(self) -> None:
        self.refresh()

    def action_move(self, by: int) -> None:
        """One block on; through a block that is longer than the view in steps."""
        if not self.keys:
            return
        here = self.cursor if self.cursor is not None else (0 if by > 0 else len(self.keys) - 1)
        top, bottom, height = self._tops[here], self._tops[here + 1], self.scrollable_content_region.height
        first = self.scroll_offset.y
        if by > 0 and bottom > first + height:
            self._go(min(first + max(1, height // 2), bottom - height))
        elif by < 0 and top < first:
            self._go(max(first - max(1, height // 2), top))
        else:
            self.cursor = max(0, min(here + by, len(self.keys) - 1))
            self.show_cursor(by)

    def show_cursor(self, by: int = 1) -> None:
        """Bring the block under the cursor into view, its near edge where it is longer than the view."""
        if self.cursor is None:
            return
        top, bottom, height = (
            self._tops[self.cursor],
            self._tops[self.cursor + 1],
            self.scrollable_content_region.height,
        )
        first = self.scroll_offset.y
        if bottom - top >= height:
            self._go(top if by > 0 else bottom - height)
        elif top < first:
            self._go(top)
        elif bottom > first + height:
            self._go(bottom - height)

    def action_leap(self, by: int) -> None:
        height = max(1, self.scrollable_content_region.height - 1)
        self._go(max(0, self.scroll_offset.y + by * height))
        if self.keys:
            line = self.scroll_offset.y if by < 0 else self.scroll_offset.y + height
            self.cursor = max(0, min(bisect_right(self._tops, line) - 1, len(self.keys) - 1))

    def action_edge(self, index: int) -> None:
        if self.keys:
            self.cursor = 0 if index == 0 else len(self.keys) - 1
            self._go(0 if index == 0 else self.lines_in_all)

    def action_choose(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Chosen(self, self.chosen))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        line = offset.y + self.scroll_offset.y if offset is not None else -1
        if 0 <= line < self.lines_in_all:
            self.cursor = bisect_right(self._tops, line) - 1
            self.clicked()

    def clicked(self) -> None:
        """A click on the block that is now under the cursor."""

    def on_resize(self) -> None:
        anchor, ends = self._anchor(), self.at_end
        self._arrange()
        if self._goal is not None and self._width:
            self.bring_up(self._goal)
            self._goal = None
        elif ends:
            self._go(self.lines_in_all)
        elif anchor is not None and anchor[0] in self.values:
            self._go(self._tops[self.keys.index(anchor[0])])
        if self.cursor is not None and self.cursor < len(self.keys):
            self.show_cursor()
        self.arranged()

    def arranged(self) -> None:
        """There is a layout for a new size."""

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._look = None
        if self.is_attached and self.keys:
            self._arrange()
