"""What `migsafe lint` found before, so that what did not change need not be judged again.

A cache is never a reason to fail: whatever is wrong with it, the linter works as if there were none.
"""
