"""How the workstation's commands end: the exit code, and one line where something went wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

from edge.errors import SoundError


def finish(program: str, job: Callable[[], None], *, debug: bool, when_interrupted: str) -> int:
    """Do a command's job.

    debug: let errors through with their traceback.
    when_interrupted: what to say at Ctrl-C.
    Returns: 0, the error's own exit code, 1 if the system refused something, 130 at Ctrl-C.
    """
    try:
        job()
    except (SoundError, OSError) as error:
        if debug:
            raise
        print(f"{program}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code if isinstance(error, SoundError) else 1
    except KeyboardInterrupt:
        print(f"{program}: {when_interrupted}", file=sys.stderr)
        return 130
    return 0
