"""What each statement of a script will do, for people and for programs."""
