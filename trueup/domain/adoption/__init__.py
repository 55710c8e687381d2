"""Accepting what is live: which change of a file makes Git say it too. Pure."""
