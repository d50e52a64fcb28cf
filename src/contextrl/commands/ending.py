"""How a command that trains ends when something is wrong: one message, an exit code, no traceback."""

from __future__ import annotations

import sys
import time
from typing import NoReturn

from rich.console import Console
from rich.markup import escape

from contextrl.disk import disk_error
from contextrl.errors import ContextRLError, LostProcessError
from contextrl.launchers import LOST, is_launched_here, rank
from contextrl.report.text import visible

#: Seconds for which the others wait with what they have to say: where the first process has failed too, it speaks, and
#: the launcher ends them.
_FIRST_SPEAKS = 5.0
#: The same where it certainly speaks: a busy machine takes its time to end a process.
_FIRST_SURELY_SPEAKS = 60.0


def end_with(error: Exception) -> NoReturn:
    """Say what is wrong and exit; what is none of our errors is raised again.

    Of the processes that train together each finds the same mistake, and one tells it.
    """
    ours = error if isinstance(error, ContextRLError) else disk_error(error) or _lost(error)
    if ours is None:
        raise error
    if is_launched_here() and isinstance(ours, LostProcessError):
        sys.exit(LOST)
    if rank() > 0 and not is_launched_here():
        time.sleep(_FIRST_SURELY_SPEAKS if ours.on_all else _FIRST_SPEAKS)
    Console(stderr=True).print(f"[bold red]error:[/] {escape(visible(str(ours)))}", soft_wrap=True)
    sys.exit(ours.exit_code)


def _lost(error: Exception) -> LostProcessError | None:
    if "torch" not in sys.modules:
        return None
    from contextrl.trainer.launched import lost_process

    return lost_process(error)
