"""From an Application to a comparison of what Git wants with what the cluster has.

Shared by the workers, the command line and the tests; nothing here writes to a cluster.
"""
