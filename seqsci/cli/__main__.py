"""python -m seqsci.cli."""

from seqsci.cli import main

main()
