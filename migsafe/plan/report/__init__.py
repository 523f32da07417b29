"""What a plan says to people: its stages, locks, durations and ways back."""
