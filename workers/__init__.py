"""Turns jobs into a true cluster."""
