"""The only rooms with a door to the outside: processes, Git, clusters and Redis."""
