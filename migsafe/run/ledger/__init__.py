"""The ledger: the durable record of every rollout, in the target database, schema `migsafe`."""
