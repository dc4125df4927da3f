"""The demo's machines: one relay on loopback, and a directory with a vault for everyone, all gone when it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from peerbot.core.node import Node
from peerbot.core.ports import LogRecord, RelayLog
from peerbot.protocol.log import Kind

PAGE = 1000


class MachineStage:
    """Fulfils walk.Stage. `open_node` builds a node in a directory of that name; `log` is the relay's own store, which
    only whoever runs the relay can look into.
    """

    def __init__(
        self,
        relay_url: str,
        relay_key: bytes,
        founding_code: str,
        open_node: Callable[[str], Awaitable[Node]],
        log: RelayLog,
        relay_files: Sequence[Path],
    ) -> None:
        self.relay_url = relay_url
        self.relay_key = relay_key
        self.founding_code = founding_code
        self._open_node = open_node
        self._log = log
        self._files = relay_files

    async def node(self, name: str) -> Node:
        return await self._open_node(name)

    async def relay_records(self, cid: bytes, after: int) -> Sequence[LogRecord]:
        found = await self._log.read(cid, after, PAGE, 2**24, frozenset(Kind))
        return found.records if found is not None else ()

    async def relay_search(self, words: Sequence[str]) -> tuple[int, list[str]]:
        contents = [file.read_bytes() for file in self._files if file.exists()]
        found = [w for w in words if any(w.encode(code) in c for c in contents for code in ("utf-8", "utf-16-le"))]
        return sum(map(len, contents)), found
