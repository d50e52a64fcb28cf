"""`python -m contextrl`."""

from contextrl.cli import main

main()
