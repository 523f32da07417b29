"""`python -m migsafe` is `migsafe`."""

from migsafe.cli.start import main

main()
