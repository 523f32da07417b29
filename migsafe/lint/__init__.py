"""Facts, rules and findings: what is unsafe in a script, why, and what to do instead."""
