"""What runs inside the Python of a user's project. It imports nothing of migsafe, which is not there."""
