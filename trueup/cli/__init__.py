"""The `trueup` command."""
