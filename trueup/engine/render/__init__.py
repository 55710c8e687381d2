"""One kind of source, one file: from a tree of a repository to manifests."""
