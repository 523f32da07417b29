"""psql's meta-commands: lines that start with a backslash.

https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-META-COMMANDS
"""

import re

from migsafe.sql.keywords import words
from migsafe.sql.operations import Operation, OtherStatement, Unread

_COMMAND = re.compile(r"\\([A-Za-z_?!]+\+?)")
# These print, or change how psql shows things; none changes the database.
_HARMLESS = words(
    """
    a c connect conninfo copyright d d+ dt dt+ echo encoding errverbose f g h html pset prompt q quit qecho
    r reset restrict set t timing unrestrict unset x warn
    """
)


def meta_command(text: str) -> Operation:
    r"""A meta-command as an operation; what runs something else (\i, \gexec, \!) is unread."""
    found = _COMMAND.match(text)
    command = found[1].lower() if found else ""
    if command in _HARMLESS:
        return OtherStatement(tag=f"\\{command}")
    return Unread(reason=f"psql's \\{command} may run anything: what it does is not in this file")
