"""Looking for words in files, in every spelling a leak is likely to have."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path


def spellings(word: str) -> set[bytes]:
    """A word as UTF-8, UTF-16 both ways, and each of those in hex and in base 64 at all three offsets."""
    raws = {word.encode("utf-8"), word.encode("utf-16-le"), word.encode("utf-16-be")}
    found = set(raws)
    for raw in raws:
        found |= {raw.hex().encode("ascii"), raw.hex().upper().encode("ascii")}
        for offset in range(3):
            # Only whole groups of three bytes come out the same wherever the word stands.
            inner = raw[offset : offset + (len(raw) - offset) // 3 * 3]
            found |= {base64.b64encode(inner), base64.urlsafe_b64encode(inner)}
    return found


def leaks(folder: Path, words: Iterable[str]) -> list[str]:
    """Which words stand in which files below a folder, in any spelling."""
    wanted = [(word, spelling) for word in words for spelling in spellings(word) if len(spelling) >= 6]
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        found += [f"{word} in {path.name}" for word, spelling in wanted if spelling in content]
    return found
