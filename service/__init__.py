"""Turns events into jobs; never touches Git, never renders, never syncs."""
