"""What workers and widgets tell the screens. A worker never touches a widget; it posts one of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from peerbot.errors import PeerbotError

if TYPE_CHECKING:
    from peerbot.core.people import ShownMember
    from peerbot.core.ports import ShownPost
    from peerbot.tui.drafts import Draft
    from peerbot.tui.reading import Page, Reader


class CircleMoved(Message):
    """A circle has something new."""

    def __init__(self, cid: bytes) -> None:
        super().__init__()
        self.cid = cid


class LinkChanged(Message):
    """Whether a circle's relay can be reached; `code` is "" where it can."""

    def __init__(self, cid: bytes, code: str) -> None:
        super().__init__()
        self.cid = cid
        self.code = code


class ShelfRead(Message):
    """The circles and threads were read again; `whole` tells that members may have changed too."""

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__()
        self.whole = whole


class CircleRead(Message):
    """Posts that have come in a circle, None where more may have changed than that."""

    def __init__(self, cid: bytes, rows: list[ShownPost] | None) -> None:
        super().__init__()
        self.cid = cid
        self.rows = rows


class MembersRead(Message):
    """Who is in a circle."""

    def __init__(self, cid: bytes, members: Sequence[ShownMember]) -> None:
        super().__init__()
        self.cid = cid
        self.members = members


class PageRead(Message):
    """Posts of a thread were read. `draft` comes with the first ones, and `at` is a post to go to."""

    def __init__(self, reader: Reader, page: Page, draft: Draft | None = None, at: int = 0) -> None:
        super().__init__()
        self.reader = reader
        self.page = page
        self.draft = draft
        self.at = at


class OpenThread(Message):
    """Show a thread; with `p`, that post of it. Without a thread, what there is to say about the circle."""

    def __init__(self, cid: bytes, thread: bytes | None, p: int = 0) -> None:
        super().__init__()
        self.cid = cid
        self.thread = thread
        self.p = p


class Kept(Message):
    """Words are stored to be sent."""

    def __init__(self, cid: bytes, thread: bytes, text: str) -> None:
        super().__init__()
        self.cid = cid
        self.thread = thread
        self.text = text


class NotKept(Message):
    """Words could not be taken; they go back to where they were written."""

    def __init__(self, cid: bytes, thread: bytes, text: str, error: PeerbotError) -> None:
        super().__init__()
        self.cid = cid
        self.thread = thread
        self.text = text
        self.error = error


class Failed(Message):
    """Something that was asked for could not be done."""

    def __init__(self, error: PeerbotError) -> None:
        super().__init__()
        self.error = error


class Told(Message):
    """Something to say in passing."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
