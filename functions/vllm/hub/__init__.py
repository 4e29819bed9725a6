"""A Model that neither the spec nor the catalog knows: a pod reads the model's own files on the Hub.

The pod runs in a cluster that the Model may be placed on, since the Hub token goes along, and reports what
counts of the files as its termination message (functions/checkpoint). The status keeps that report, and
the pod goes.
"""
