"""The newcomer's tour: a rename under load, from a naive migration to a finished rollout."""
