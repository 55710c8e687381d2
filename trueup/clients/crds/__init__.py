"""The objects of `argoproj.io/v1alpha1` and `trueup.dev/v1alpha1`: models, readers, and CustomResourceDefinitions.

Nothing is imported here: whoever reads an Application needs no model of an Incident.
"""
