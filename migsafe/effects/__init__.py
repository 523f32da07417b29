"""What an operation does on a given server version and catalog. Pure; proven on real servers."""
