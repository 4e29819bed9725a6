"""Versions that Freehold deploys, and what the charts of those versions say of themselves.

Reading order: `pins` (functions/catalog/versions.toml), `facts` (what is kept of a chart, in
`charts/*.yaml`), `derive` (from a chart to facts), `releases` (what the examples have Helm
install), `changes`, `command` (`freehold versions`).
"""
