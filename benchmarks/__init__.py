"""How fast Trueup is and what it costs, beside the same calls made bare. See README.md."""
