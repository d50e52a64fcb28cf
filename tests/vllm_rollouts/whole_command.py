"""`contextrl`, in a process of its own, on a vLLM whose weights can be loaded again (see `plain_linear`)."""

from __future__ import annotations

from plain_linear import keep_linear_layers_plain

from contextrl.commands.cli import main

if __name__ == "__main__":
    keep_linear_layers_plain(setattr)
    main()
