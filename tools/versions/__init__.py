"""Versions that Freehold deploys, and what the charts of those versions say of themselves.

Reading order: `facts` (what is known of a chart, from `charts/*.yaml`).
"""
