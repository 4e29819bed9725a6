"""The errors that the tools raise for a user to read."""


class ToolError(Exception):
    """Something the user can act on; its text is the whole message."""


class SchemaMissingError(ToolError):
    """No folder of schemas, or no schema in it for what is validated."""


def last_lines(text: str, count: int = 20) -> str:
    """Return the last lines of a child process's output, for a message."""
    return "\n".join(text.rstrip().splitlines()[-count:])
