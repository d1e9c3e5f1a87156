"""`python -m tidewire`."""

from .cli import main

main()
