"""`python -m contextrl`."""

from contextrl.commands.cli import main

main()
