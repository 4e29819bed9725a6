"""What a cloud has to allow the credentials that Crossplane's providers use there, one module a cloud.

`make generate` writes each cloud's document to docs/permissions.
"""
