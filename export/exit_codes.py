"""How the workstation's commands end: the exit code, and one line where something went wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

from edge.errors import SoundError


def finish(program: str, job: Callable[[], None], *, debug: bool, when_interrupted: str) -> int:
    """Do a command's job.

    debug: let errors through with their traceback.
    when_interrupted: what to say at Ctrl-C.
    Returns: 0, the error's own exit code, 1 if the system refused something or this program has a fault, 130
        at Ctrl-C.
    """
    try:
        job()
    except KeyboardInterrupt:
        print(f"{program}: {when_interrupted}", file=sys.stderr)
        return 130
    except Exception as error:
        if debug:
            raise
        message = str(error)
        if not isinstance(error, (SoundError, OSError)):
            message = f"{type(error).__name__}: {message} (a fault in {program}: --debug shows where)"
        print(f"{program}: error: {' '.join(message.split())}", file=sys.stderr)
        return error.exit_code if isinstance(error, SoundError) else 1
    return 0
