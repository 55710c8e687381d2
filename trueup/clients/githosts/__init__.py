"""Webhooks at Git hosts, through their HTTP APIs: one host, one file."""
