"""A difference as people read it: one model, and what a terminal, a page, Slack and Markdown make of it. Pure."""
