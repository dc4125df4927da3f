"""The command `peerbot`."""

from __future__ import annotations

from peerbot.cli.run import main

if __name__ == "__main__":
    main()
