"""peerbot post: write into a thread, from the command line or from stdin."""

from __future__ import annotations

import sys
from typing import Final

import click

from peerbot.cli import say
from peerbot.cli.options import Options, with_dir, with_json
from peerbot.cli.session import PASSING, Session, run_session
from peerbot.core.desk import asks
from peerbot.core.desk.answers import Done, DraftList, Written
from peerbot.core.text import clean_line
from peerbot.errors import PeerbotError, RelayError, UserError, VaultError
from peerbot.i18n.catalogue import _
from peerbot.i18n.errors import sentence_for

_MOST: Final = 900_000
"""Bytes that are read from stdin. More can't be one post by far, and would not even fit a draft."""
_LOST: Final = frozenset({"empty-post", "empty-title", "long-title", "no-such-circle"})
"""Where nothing was kept, because there was nothing to keep or nowhere to keep it."""


@click.command(help=_("Write TEXT into a thread, which is begun if need be. Without TEXT, or with -, stdin is read."))
@click.argument("text", required=False)
@click.option("--circle", metavar="C", help=_("The circle."))
@click.option("--thread", metavar="T", help=_("The thread, by its title or id."))
@click.option("--draft", is_flag=True, help=_("Post the words that were kept for this thread; alone, list them."))
@click.option("--delete", is_flag=True, help=_("With --draft: throw the kept words away."))
@with_json
@with_dir
@click.pass_obj
def post(options: Options, text: str | None, circle: str | None, thread: str | None, draft: bool, delete: bool) -> None:
    if draft and circle is None and thread is None and text is None and not delete:
        _list_drafts(options)
        return
    if circle is None or thread is None:
        raise click.UsageError(_("Say where: --circle and --thread."))
    if draft and text is not None:
        raise click.UsageError(_("--draft posts the words that were kept; leave TEXT out."))
    if delete:
        if not draft:
            raise click.UsageError(_("--delete goes with --draft."))
        run_session(options, lambda session: session.ask(asks.DropDraft(circle=circle, thread=thread), Done))
        return
    if draft:
        written = run_session(options, lambda session: _post_draft(session, circle, thread))
    else:
        written = _post(options, circle, thread, _words(text), typed=text in (None, "-"))
    _tell(options, written)


def _post(options: Options, circle: str, thread: str, words: str, *, typed: bool) -> Written:
    """Post, and see to it that words which can't be posted aren't lost: kept as a draft, else shown again."""
    kept = False

    async def work(session: Session) -> Written:
        nonlocal kept
        try:
            return await session.ask(asks.Write(circle=circle, thread=thread, text=words), Written)
        except PeerbotError as error:
            kept = error.code not in _LOST and not isinstance(error, VaultError)
            raise

    try:
        return run_session(options, work)
    except PeerbotError:
        if kept:
            command = f'peerbot post --draft --circle "{circle}" --thread "{thread}"'
            say.note(_("Your words are kept on this computer. To post them later: {command}").format(command=command))
        elif typed and words.strip():
            say.note(_("Nothing was stored. Your words were:"))
            say.indented(words, 4, err=True)
        raise


async def _post_draft(session: Session, circle: str, thread: str) -> Written:
    words = await _kept(session, circle, thread)
    return await session.ask(asks.Write(circle=circle, thread=thread, text=words), Written)


async def _kept(session: Session, circle: str, thread: str) -> str:
    found = await session.ask(asks.Drafts(), DraftList)
    title = clean_line(thread)
    text = next((d.text for d in found.drafts if d.circle == circle and d.thread == title), None)
    if text is None:
        raise UserError("no-such-draft")
    return text


def _words(text: str | None) -> str:
    if text is not None and text != "-":
        return text
    if sys.stdin.isatty():
        say.note(_("Write your post; Ctrl-D on a line of its own ends it."))
    raw = sys.stdin.buffer.read(_MOST + 1)
    if len(raw) > _MOST:
        raise UserError("text-too-large")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UserError("text-garbled") from None


def _tell(options: Options, written: Written) -> None:
    if not written.sent:
        why = sentence_for(written.code, written.facts)
        if written.code not in PASSING:
            say.note(_("Your post is kept on this computer and waits."))
            raise RelayError(written.code, **written.facts)
        say.note(_("Not sent yet, but kept: it goes out with the next command. {why}").format(why=why))
    if options.json:
        say.json({"circle": written.circle, "thread_id": written.thread, "sent": written.sent})
    elif written.sent:
        say.line(_("Posted."))


def _list_drafts(options: Options) -> None:
    found = run_session(options, lambda session: session.ask(asks.Drafts(), DraftList))
    if options.json:
        say.json([{"circle": d.circle, "thread": d.thread, "text": d.text} for d in found.drafts])
        return
    if not found.drafts:
        say.line(_("No words are kept."))
    for draft in found.drafts:
        say.line(f"{draft.circle}: {draft.thread}")
        say.indented(draft.text if len(draft.text) <= 400 else draft.text[:400] + " …", 6)
