"""A QR code in half blocks, light on dark, as a dark terminal shows it right even without colours."""

from __future__ import annotations

from collections.abc import Iterator

QUIET = 2
"""Light modules around the code."""


def qr_lines(text: str) -> list[str]:
    """The lines to show; a light module is drawn, a dark one left out."""
    import segno

    code = segno.make(text, error="l", boost_error=False, micro=False)
    rows = [[not dark for dark in row] for row in code.matrix_iter(border=QUIET)]
    if len(rows) % 2:
        rows.append([True] * len(rows[0]))
    return list(_halves(rows))


def _halves(rows: list[list[bool]]) -> Iterator[str]:
    signs = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}
    for above, below in zip(rows[::2], rows[1::2], strict=True):
        yield "".join(signs[pair] for pair in zip(above, below, strict=True))
