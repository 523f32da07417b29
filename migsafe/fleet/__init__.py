"""One plan over many databases: each is a rollout of its own, and its ledger is the only truth about it."""
