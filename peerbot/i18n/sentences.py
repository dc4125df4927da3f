"""A sentence for each error code: what is wrong, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from peerbot.i18n.catalogue import N_

SENTENCES: Final[Mapping[str, str]] = {
    # the relay
    "relay-unreachable": N_(
        "The relay can't be reached. Check the network; if the relay runs on this computer, start it with: "
        "peerbot serve"
    ),
    "relay-slow": N_("The relay took too long to answer. Nothing is lost; try again in a few minutes."),
    "relay-garbage": N_(
        "What answers at the relay's address does not talk like a relay. Check the address; if it is right, tell "
        "whoever runs the relay."
    ),
    "relay-denied": N_(
        "The relay does not let this device in: it may have been removed from the circle. Ask a moderator."
    ),
    "relay-busy": N_("The relay has too much to do. Try again in {span}."),
    "relay-refused": N_("The relay refused this: {why} (check {check})."),
    "relay-clock": N_(
        "This computer's clock and the relay's are {span} apart. Set this computer's date and time, then try again; if "
        "they are right, tell whoever runs the relay."
    ),
    "relay-withholds": N_(
        "The relay leaves out messages that it must still have. What is here can still be read; tell "
        "whoever runs the relay."
    ),
    "relay-founding": N_("The relay does not accept this founding code. Ask whoever runs the relay for the right one."),
    "relay-full": N_("The relay's disk is full. Whoever runs the relay must make room."),
    "relay-io": N_("The relay's database can't be read or written. Whoever runs the relay must look at its disk."),
    "relay-newer": N_("The relay's database was written by a newer peerbot. Update peerbot on this computer."),
    "receipt": N_("The relay's receipt is wrong. Tell whoever runs the relay."),
    "relay-conflict": N_("Someone else changed the circle at the same moment. Try again."),
    "relay-plain-http": N_(
        "The relay's address begins with http://, which anyone on the way can read along. Ask for one with https://"
    ),
    # the vault
    "vault-missing": N_(
        "There is no vault here yet. Begin a community with: peerbot init, or accept an invite with: peerbot join"
    ),
    "vault-in-use": N_(
        "Another peerbot has this vault open and does not answer. Close it, or wait until it is done, then try again."
    ),
    "vault-passphrase": N_("That is not the passphrase of this vault. Try again; capital letters matter."),
    "vault-corrupt": N_(
        "The vault can't be opened: it is damaged, or its key is not the right one. Put a backup back, or ask a "
        "moderator for a new invite and join with another folder (--dir)."
    ),
    "vault-newer": N_("The vault was written by a newer peerbot. Update peerbot on this computer."),
    "vault-full": N_("The disk is full, so nothing was written. Make room, then do the same again."),
    "vault-io": N_("The vault can't be read or written. Check the disk and whose the files are (peerbot doctor)."),
    "vault-exists": N_("There is a vault in this folder already. Choose another folder with --dir."),
    "vault-cost": N_(
        "The vault's passphrase file is damaged: it asks for more work than peerbot ever does. Put a backup back, or "
        "ask a moderator for a new invite and join with another folder (--dir)."
    ),
    "vault-memory": N_(
        "Opening the vault takes {mebibytes} MiB of memory, and this computer has not that much free. Close other "
        "programs, then try again."
    ),
    "wrap-missing": N_(
        "The vault is there, but vault.wrap, which holds its key, is not. Put vault.wrap back from a copy; without it "
        "nobody can open the vault."
    ),
    "vault-no-circle": N_("This circle is not in the vault."),
    "passphrase-length": N_("A passphrase has between 1 and 1,024 characters."),
    "passphrase-needed": N_(
        "The vault needs its passphrase, and there is no terminal to ask at. Set PEERBOT_PASSPHRASE, or use a key file."
    ),
    "passphrase-differs": N_("The two passphrases were not the same. Nothing was made; try again."),
    "key-file-missing": N_("The vault's key file is not there. Put it back, or correct vault.key_file in config.toml."),
    "key-file-mode": N_("Others on this computer may read the key file. Allow only its owner: chmod 600 on that file."),
    "key-file-length": N_("The key file does not hold a key of 32 bytes. Put the right file back."),
    "keyring-missing": N_("This computer's keyring can't be used: install peerbot with the extra named keyring."),
    "keyring-failed": N_("This computer's keyring did not give or take the key. Unlock it, then try again."),
    "keyring-empty": N_(
        "This computer's keyring has no key for this vault. Was it made on another computer or by another user?"
    ),
    # circles and people
    "no-such-circle": N_("You are in no circle called “{circle}”. “peerbot members” lists yours."),
    "no-circles": N_(
        "You are in no circle yet. Begin a community with: peerbot init, or accept an invite with: peerbot join"
    ),
    "no-such-thread": N_("There is no such thread in this circle. “peerbot read” shows the threads there are."),
    "no-such-member": N_("Nobody here goes by that name. “peerbot members” lists who is in a circle."),
    "ambiguous-member": N_("More than one member fits. Use the id that “peerbot members --json” shows."),
    "remove-self": N_("You can't remove yourself; to go, use “peerbot leave”."),
    "text-garbled": N_("What was to be posted is not text in UTF-8. Nothing was sent; convert it, then try again."),
    "join-removed": N_(
        "You were in {circle} before and are not any more. To come back, use this invite in a new folder, which you "
        "name with --dir."
    ),
    "last-owner": N_("You are the only one who can look after this circle. Make somebody else an owner first."),
    "not-hosted": N_("This member writes through another gateway, or from a device of their own, by now."),
    "circle-empty": N_("Nothing of this circle is here yet. Reach the relay once, then try again."),
    "removed": N_(
        "You are no longer in this circle. What you read before stays here; to come back, ask for an invite."
    ),
    # writing
    "empty-post": N_("There is nothing to post: the text is empty."),
    "empty-title": N_("A thread needs a title."),
    "long-title": N_("A thread's title has at most {most} characters."),
    "too-long": N_("The text is too long for one post: at most {most} bytes. Post it in parts."),
    "text-too-large": N_("That is too much for a post: at most 30,000 bytes. Post it in parts."),
    "paused": N_("A moderator has paused this circle, so nothing can be posted at the moment."),
    "locked": N_("A moderator has closed this thread to new posts. You can begin another one."),
    "outbox-full": N_("Too much is waiting to be sent already. Reach the relay first, then post again."),
    "no-epoch-key": N_(
        "This device has not got the circle's newest keys yet, so it can't post. Another device of the circle must "
        "come online once; then try again."
    ),
    "no-such-draft": N_("No words are kept for this thread. “peerbot post --draft” lists what is kept."),
    # alarms
    "alarm-fork": N_(
        "The relay has shown this circle two histories, so nothing is sent there any more. Compare codes with another "
        "member (peerbot verify) and tell whoever runs the community."
    ),
    "alarm-rollback": N_(
        "The relay has gone back to an older state, so nothing is sent there any more. Tell whoever runs the relay; "
        "compare codes with another member (peerbot verify)."
    ),
    "alarm-upgrade": N_("This circle uses something this version doesn't know. Update peerbot."),
    # invites
    "invite-malformed": N_(
        "This is not an invite. Copy the whole link again, or type all seven groups of the spoken code."
    ),
    "invite-no-relay": N_(
        "A spoken code needs the relay's address too: add --relay-url and the address you were told."
    ),
    "invite-unknown": N_(
        "The relay does not know this invite: it was taken back, has expired, or belongs to another relay. Ask for a "
        "new one."
    ),
    "invite-revoked": N_("This invite has been taken back. Ask for a new one."),
    "invite-expired": N_("This invite has expired. Ask for a new one."),
    "invite-used-up": N_("This invite has been used as often as it may be. Ask for a new one."),
    "invite-approval": N_(
        "This invite needs a moderator's approval, which this version can't ask for. Ask for another one."
    ),
    "invite-role": N_("This invite is for a role that needs a device of its own. Join with peerbot itself."),
    "invite-refused": N_("The circle does not accept this invite: {why} (check {check}). Ask for a new one."),
    "invite-loopback": N_(
        "The relay's address is {url}, which means “this computer” on every computer, so nobody elsewhere could use "
        "the invite. A community keeps the relay's address it was founded with, so found it with a public one "
        "(peerbot init --relay-url), or add --local for an invite to this computer only."
    ),
    "invite-here-only": N_(
        "Nothing answers at {url}, which means this computer. This invite works only on the computer the relay runs on."
    ),
    "invite-none": N_("There is no circle you could invite to here."),
    "gateway-moderators": N_("A gateway never reads the moderators' circle. Leave that circle out."),
    "no-such-invite": N_("There is no invite “{invite}”. “peerbot invite --list” shows those there are."),
    "two-relays": N_("These circles are at different relays. Make an invite for each."),
    "recovery-wrong": N_("That is not your recovery code. Type all seven groups, or leave it empty for a new one."),
    "slug-taken": N_("You are already in another circle called “{circle}”. Join with another folder: --dir"),
    # names
    "name-short": N_("The name is too short: at least two letters."),
    "name-long": N_("The name is too long: at most 32 characters."),
    "name-letters": N_("The name needs at least two letters."),
    "name-hidden": N_("The name holds signs that can't be seen. Type it again by hand."),
    "name-handle": N_("The name looks like an address or a handle, which could lead to you. Choose another."),
    "name-digits": N_("The name holds a long number, which could lead to you. Choose another."),
    "name-taken": N_(
        "The name looks like another member's, and people could mix you up. Choose another with --pseudonym."
    ),
    "may-be-real": N_("This looks like a real name. A name that can't be traced to you protects you and others."),
    # config and folders
    "config-missing": N_("There is no {path}. “peerbot init” makes one."),
    "config-unreadable": N_("{path} can't be read as text. Check whose file it is and what is in it."),
    "config-toml": N_(
        "config.toml is not valid TOML: see line {line}. Texts stand in quotes, and each key on its own line."
    ),
    "config-unknown-key": N_("config.toml has a key “{key}” that peerbot does not know.{hint}"),
    "config-type": N_("config.toml: {key} must be {expected}."),
    "config-value": N_("config.toml: {key} must be {expected}."),
    "secret-missing": N_("config.toml gives neither {key} nor {key}_file."),
    "secret-unreadable": N_("The file that {key} names can't be read: {path}"),
    "secret-mode": N_("Others on this computer may read {path}. Allow only its owner: chmod 600 on that file."),
    "folder": N_("The folder {path} can't be made or used. Choose another with --dir."),
    "disk": N_("A file could not be read or written ({reason}). Check the disk and whose the files are."),
    # chat apps
    "telegram-token": N_(
        "Telegram does not accept the bot's token. Put the one BotFather gave you into telegram.token_file."
    ),
    "telegram-base-url": N_("config.toml: telegram.base_url must be an address that ends in /bot, with https://"),
    "telegram-unreachable": N_("Telegram can't be reached. Check the network; it is tried again by itself."),
    "telegram-busy": N_("Telegram asks for a pause. What waits goes out afterwards, by itself."),
    "telegram-refused": N_("Telegram refused this. Check the bot's rights with BotFather."),
    "telegram-conflict": N_("Another program reads this bot's messages. Stop it: a bot can serve one peerbot only."),
    # running
    "relay-listen": N_("The relay can't listen on {host}, port {port}: {reason}. Choose another in relay.listen."),
    "relay-tls": N_("The relay's certificate or its key can't be used ({path}). See relay.tls_cert and relay.tls_key."),
    "no-relay-here": N_("No relay is set up in this folder. “peerbot init --only relay” prepares one."),
    "nothing-here": N_("Nothing is set up in this folder. “peerbot init” founds a community; --dir names a folder."),
    "no-gateway-here": N_("No gateway is set up in this folder. “peerbot init” makes one."),
    "no-answer": N_("There is no terminal to ask at. Add --yes to take the answers from the command line."),
    "no-consent": N_("Nothing was joined. You can come back to this invite at any time before it expires."),
    "node-socket": N_("{path} can't be made: something else is in its place. Remove it, then try again."),
    "node-version": N_("The peerbot that has this vault open is another version. Close it, then try again."),
    "node-gone": N_("The peerbot that had this vault open has ended. Run the same command again."),
    "node-garbage": N_("The peerbot that has this vault open answered something strange. Close it, then try again."),
    "upgrade": N_("This circle uses something this version doesn't know. Update peerbot."),
    "fork": N_(
        "The relay has shown this circle two histories. Reading goes on with what is here; nothing is sent. Compare "
        "codes with another member (peerbot verify)."
    ),
    "rollback": N_(
        "The relay has gone back to an older state. Reading goes on with what is here; nothing is sent. Tell whoever "
        "runs the relay."
    ),
}

REFUSED: Final[Mapping[str, str]] = {
    "E09": N_("A second owner or moderator must agree to this, which this version can't ask for yet."),
    "E10": N_("You may not do that in this circle: your role does not allow it. Ask its owner or a moderator."),
    "E17": N_("A circle must keep an owner. Make someone else an owner first."),
}
"""Checks that stop what the person just asked for."""

EXPECTED: Final[Mapping[str, str]] = {
    "str": N_("text in quotes"),
    "int": N_("a whole number, without quotes"),
    "float": N_("a number, without quotes"),
    "bool": N_("true or false, without quotes"),
    "array": N_("a list in square brackets"),
    "object": N_("a section of its own, in square brackets"),
    "something": N_("given"),
    "language": N_("en or nb"),
    "timezone": N_("a time zone such as Europe/Oslo"),
    "short": N_("shorter"),
    "slug": N_("small letters a to z, digits and single dashes, such as bergen"),
    "once": N_("different for each town"),
    "url": N_("an address such as https://relay.example.org"),
    "listen": N_("an address and a port such as 127.0.0.1:8440"),
    "both-tls": N_("given together with relay.tls_cert, or neither"),
    "one-of": N_("left out where the secret itself is given"),
    "duration": N_("times such as 1d, 2h or 30m"),
    "hours": N_("hours such as 22:00-08:00, or empty"),
    "days": N_("between 1 and 3650"),
    "epoch-days": N_("between 1 and retention.days"),
    "country": N_("two capital letters such as NO"),
    "rate": N_("more than 0"),
}
"""What a key of config.toml should have held."""
