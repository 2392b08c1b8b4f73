"""`python -m fredfmt`: the same as the command `fredfmt`."""

from fredfmt.cli import main

if __name__ == "__main__":  # processes that train experts import this module, too
    main()
