"""`python -m migsafe` is `migsafe`."""

from migsafe.cli.main import main

main()
