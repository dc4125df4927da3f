"""The keys of config.toml, by section, with what each is when it isn't given."""

from __future__ import annotations

from msgspec import Struct


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections."""


class Town(Section, frozen=True, kw_only=True):
    """A town with a café circle of its own, called cafe-<id>. An empty timezone is the community's."""

    id: str
    name: str
    timezone: str = ""


class CommunityConfig(Section, frozen=True, kw_only=True):
    """What newcomers are told before they say yes, and what the members' dates and words follow."""

    name: str = ""
    operator: str = ""
    contact: str = ""
    language: str = "en"
    timezone: str = "UTC"
    town: tuple[Town, ...] = ()


class RelayConfig(Section, frozen=True, kw_only=True):
    """Where the relay is, and how it runs where `listen` says that it runs here."""

    url: str = ""
    listen: str = ""
    database_url: str = ""
    key_file: str = "relay.key"
    tls_cert: str = ""
    tls_key: str = ""


class VaultConfig(Section, frozen=True, kw_only=True):
    """How the person's own vault opens where no passphrase is asked for."""

    key_file: str = ""
    keyring: bool = False


class TelegramConfig(Section, frozen=True, kw_only=True):
    """The bot. `base_url` is python-telegram-bot's; empty is Telegram's own."""

    token: str = ""
    token_file: str = ""
    base_url: str = ""

    def __repr__(self) -> str:
        return "<TelegramConfig>"


class MatrixConfig(Section, frozen=True, kw_only=True):
    """The account the gateway writes from."""

    homeserver: str = ""
    user_id: str = ""
    access_token: str = ""
    access_token_file: str = ""
    password_file: str = ""
    device_id: str = ""

    def __repr__(self) -> str:
        return "<MatrixConfig>"


class RemindersConfig(Section, frozen=True, kw_only=True):
    """When a café's guests are reminded, and when never."""

    lead_times: tuple[str, ...] = ("1d", "2h")
    quiet_hours: str = "22:00-08:00"


class RetentionConfig(Section, frozen=True, kw_only=True):
    """The policy of circles founded here: how long words are kept, and how long one key is used."""

    days: int = 90
    epoch_days: int = 7


class HelpConfig(Section, frozen=True, kw_only=True):
    """Whose emergency numbers and helplines are shown."""

    country: str = "NO"


class LimitsConfig(Section, frozen=True, kw_only=True):
    """Requests per second the relay answers: to one device, to one address, and to one address before sign-in."""

    device_rate: float = 200.0
    address_rate: float = 500.0
    door_rate: float = 5.0


class Config(Section, frozen=True, kw_only=True):
    """The whole file."""

    community: CommunityConfig = CommunityConfig()
    relay: RelayConfig = RelayConfig()
    vault: VaultConfig = VaultConfig()
    telegram: TelegramConfig = TelegramConfig()
    matrix: MatrixConfig = MatrixConfig()
    reminders: RemindersConfig = RemindersConfig()
    retention: RetentionConfig = RetentionConfig()
    help: HelpConfig = HelpConfig()
    limits: LimitsConfig = LimitsConfig()
