"""Starts a program in a machine: `python -m tools.machine.enter ANSWER MACHINE FOLDER PROGRAM...`.

Writes the program's process id, as this machine counts it, to the file descriptor ANSWER, and ends. The
program goes on as a child of the machine's first process. It starts in FOLDER; MACHINE is the machine's own.
"""

import os
import sys

from tools.machine import linux
from tools.machine.made import Machine


def main(arguments: list[str]) -> None:
    """Enter the machine and start the program there."""
    answer, machine, folder, *program = arguments
    _enter(Machine.read(machine))
    pid = os.fork()
    if pid == 0:
        _run(folder, program)
    os.write(int(answer), str(pid).encode())


def _enter(machine: Machine) -> None:
    opened = [
        os.open(f"/proc/{machine.first}/ns/{name}", os.O_RDONLY) for name in (*linux.NAMESPACES, "cgroup")
    ]
    for folder in machine.cgroups:
        with open(f"{folder}/cgroup.procs", "w") as file:  # noqa: PTH123  (starts often: no pathlib)
            file.write("0")
    for namespace in opened:
        linux.enter(namespace)
        os.close(namespace)


def _run(folder: str, program: list[str]) -> None:
    try:
        os.setsid()
        os.chdir(folder)
        os.execvp(program[0], program)
    except OSError as error:
        print(f"{program[0]} did not start: {error}", flush=True)
    os._exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
