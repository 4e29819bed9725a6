"""function-cluster-stack: what is installed inside a cluster so that Models run there.

Reading order: `component` (what a component is), one module a component, `registry` (the list
of them), `facts` (what of a cluster a component may depend on), `input` (a platform team's
charts), `render` (a component as composed resources), `compose`.
"""
