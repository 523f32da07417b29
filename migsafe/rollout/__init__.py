"""Ties the schema to the traffic: providers, gates and the controller of a rollout."""
