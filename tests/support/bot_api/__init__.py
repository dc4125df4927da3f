"""A Bot API on loopback that behaves like Telegram's, as its public source (telegram-bot-api 10.0) says it does."""
