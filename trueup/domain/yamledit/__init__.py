"""Changes to files of YAML and JSON that leave untouched whatever they are not about. Pure."""
