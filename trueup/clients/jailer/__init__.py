"""The small process that starts renderers and confines them.

It runs apart from everything else, by `python -I -S`, so that forking it is cheap and nothing of a worker is in its
memory. Hence the standard library alone is imported here, and of that only what is needed.
"""
