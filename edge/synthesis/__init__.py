"""Sounds made by rule, for the demo: nothing recorded is shipped."""
