"""The config.toml that `peerbot init` writes."""

from __future__ import annotations

from pathlib import Path

from peerbot.config.keys import CommunityConfig, Config, RelayConfig, VaultConfig
from peerbot.config.values import quote

_HEAD = "# peerbot. Every key is explained in config.example.toml.\n"


def initial(config: Config) -> str:
    """The file for these values; what is as it is by default is left out."""
    parts = [_HEAD]
    if config.community != CommunityConfig():
        parts.append(_community(config.community))
    if config.relay != RelayConfig():
        relay = config.relay
        parts.append(_section("relay", url=relay.url, listen=relay.listen))
    if config.vault != VaultConfig():
        parts.append(_section("vault", key_file=config.vault.key_file, keyring=config.vault.keyring))
    return "\n".join(parts)


def key_file_setting(folder: Path, given: Path | None) -> str:
    """vault.key_file for a path from the command line: by name if it is beside config.toml, so that both can move."""
    if given is None:
        return ""
    path, beside = given.resolve(), folder.resolve()
    return str(path.relative_to(beside) if path.is_relative_to(beside) else path)


def _community(community: CommunityConfig) -> str:
    text = _section(
        "community",
        name=community.name,
        operator=community.operator,
        contact=community.contact,
        language=community.language,
        timezone=community.timezone,
    )
    for town in community.town:
        text += f"\n[[community.town]]\nid = {quote(town.id)}\nname = {quote(town.name)}\n"
    return text


def _section(section: str, /, **values: str | bool) -> str:
    lines = [f"[{section}]"]
    for key, value in values.items():
        if isinstance(value, bool):
            lines += [f"{key} = true"] if value else []
        elif value:
            lines.append(f"{key} = {quote(value)}")
    return "\n".join(lines) + "\n"
