"""`python -m fredfmt`: the same as the command `fredfmt`."""

from fredfmt.cli import main

main()
