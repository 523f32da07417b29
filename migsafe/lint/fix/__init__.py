"""What can be repaired in a script by edits: for `lint --fix`, SARIF and editors."""
