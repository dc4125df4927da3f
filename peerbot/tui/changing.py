"""Changing what has been posted: each asks first, says what follows, and then does it."""

from __future__ import annotations

from functools import partial

from textual.widget import Widget

from peerbot.core.marking import may_moderate
from peerbot.core.node import Circle
from peerbot.i18n.catalogue import _
from peerbot.tui.messages import Told
from peerbot.tui.screens.question import Question
from peerbot.tui.screens.writing import EditPost, Reason
from peerbot.tui.sending import Sender
from peerbot.tui.views import PostView
from peerbot.tui.work import start


def edit(widget: Widget, sender: Sender, circle: Circle, post: PostView | None) -> None:
    if (mine := _mine(widget, post)) is None:
        return

    def given(text: str | None) -> None:
        if text is not None and text.strip() != mine.text:
            start(widget, partial(sender.edit, circle, mine.p, text), "send")

    widget.app.push_screen(EditPost(mine.text), given)


def take_back(widget: Widget, sender: Sender, circle: Circle, post: PostView | None) -> None:
    if (mine := _mine(widget, post)) is None:
        return

    def answered(yes: bool | None) -> None:
        if yes:
            start(widget, partial(sender.retract, circle, mine.p), "send")

    follows = _(
        "Its words are taken off every device that follows this circle; others see that something was taken back. "
        "Whoever has read or copied it still has it, and so may a chat app it was passed on to. This can't be undone."
    )
    widget.app.push_screen(Question(_("Take back your post?"), follows, _("Yes, take it back")), answered)


def hide(widget: Widget, sender: Sender, circle: Circle, post: PostView | None) -> None:
    """Hide a post, or show a hidden one again."""
    if not may_moderate(circle):
        widget.post_message(Told(_("Only owners and moderators can hide posts.")))
        return
    if post is None or post.state == "retracted":
        widget.post_message(Told(_("Choose a post first.")))
        return
    hidden = post.state != "hidden"

    def given(reason: str | None) -> None:
        if reason is not None:
            start(widget, partial(sender.hide, circle, post.p, hidden=hidden, reason=reason), "send")

    if hidden:
        heading = _("Hide this post by {name}?").format(name=post.author)
        follows = _("Nobody in the circle sees its words any more. You can show it again at any time.")
    else:
        heading = _("Show this post by {name} again?").format(name=post.author)
        follows = _("Everybody in the circle can read it again.")
    widget.app.push_screen(Reason(heading, follows), given)


def close_thread(widget: Widget, sender: Sender, circle: Circle, thread: bytes) -> None:
    """Close a thread to new posts, or open a closed one."""
    if not may_moderate(circle):
        widget.post_message(Told(_("Only owners and moderators can close threads.")))
        return
    locked = not circle.follower.state.locked_at(thread, circle.follower.state.p + 1)

    def given(reason: str | None) -> None:
        if reason is not None:
            start(widget, partial(sender.lock, circle, thread, locked=locked, reason=reason), "send")

    if locked:
        heading, follows = _("Close this thread?"), _("Everybody can go on reading it; nobody can post in it.")
    else:
        heading, follows = _("Open this thread again?"), _("Everybody can post in it again.")
    widget.app.push_screen(Reason(heading, follows), given)


def _mine(widget: Widget, post: PostView | None) -> PostView | None:
    """The post, if it is one that its writer may still change."""
    if post is not None and post.mine and post.state in ("", "edited"):
        return post
    widget.post_message(Told(_("Choose a post of your own first, with the arrow keys.")))
    return None
