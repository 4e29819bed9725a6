"""What our own processes in Python have in common."""

__all__ = ["VARIABLES"]

VARIABLES = {
    # The root is read-only, and the bytecode is there.
    "PYTHONDONTWRITEBYTECODE": "1",
    # Modules come from the image alone, not from the folder that a process is started in.
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
}
