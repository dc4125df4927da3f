"""`python -m benchmarks [names…] [--json PATH]`: run benchmarks, print a table, write bench.json."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import traceback
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks.figures import Figure

MODULES: Final[dict[str, tuple[str, ...]]] = {
    "protocol": ("protocol.make", "protocol.open", "protocol.rotation_1000"),
    "relay": ("relay.append_sequential", "relay.append_8", "bare_http_sqlite.append", "bare_http_sqlite.append_8"),
    "vault": ("vault.fold",),
    "gateway": ("gateway.fanout_1000", "reminders.claim"),
    "posting": ("node.post", "matrix_nio.send"),
    "catchup": (
        "node.catchup",
        "node.catchup_one_core",
        "node.catchup_100000",
        "node.catchup_memory",
        "matrix_nio.receive",
    ),
    "tui": ("tui.first_screen", "tui.key_to_paint", "textual.bare_first_screen"),
}
"""What each module measures, in one run so that what is compared has met the same machine."""


def chosen(names: list[str]) -> list[str]:
    """The modules that measure these names; a name may be the beginning of several. Raises ValueError."""
    if not names:
        return list(MODULES)
    for name in names:
        if not any(known.startswith(name) for group in MODULES.values() for known in group):
            raise ValueError(name)
    return [
        module for module, group in MODULES.items() if any(known.startswith(name) for known in group for name in names)
    ]


def run(modules: Iterable[str]) -> tuple[list[Figure], list[str]]:
    """Figures of all that ran, and the modules that failed."""
    figures: list[Figure] = []
    failed: list[str] = []
    for module in modules:
        print(f"{module} …", file=sys.stderr, flush=True)
        start = perf_counter()
        try:
            figures += asyncio.run(import_module(f"benchmarks.{module}").run())
        except Exception:
            traceback.print_exc()
            failed.append(module)
        print(f"{module}: {perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return figures, failed


def table(figures: list[Figure]) -> str:
    rows = [("name", "value", "unit", "floor", "ratio", "note")]
    for found in figures:
        floor, ratio = found["floor"], found["ratio"]
        rows.append(
            (
                found["name"],
                f"{found['value']:,.6g}",
                found["unit"],
                "" if floor is None else f"{floor:,.6g}",
                "" if ratio is None else f"{ratio:.2f}",
                found["note"],
            )
        )
    name, value, unit, floor, ratio, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join(
        f"{r[0]:{name}}  {r[1]:>{value}} {r[2]:{unit}}  {r[3]:>{floor}}  {r[4]:>{ratio}}  {r[5]}".rstrip() for r in rows
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", help="names in bench.json, or how they begin; all by default")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), metavar="PATH", help="where to write figures")
    given = parser.parse_args()
    try:
        modules = chosen(given.names)
    except ValueError as error:
        known = ", ".join(name for group in MODULES.values() for name in group)
        parser.error(f"no benchmark is called {error}; there are {known}")
    figures, failed = run(modules)
    given.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(table(figures))
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
