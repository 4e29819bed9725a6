"""What builds, renders and checks Freehold without a cluster.

Start reading at `rendering` (one call of the real reconciler) and `settle`
(many of them, as if everything composed became ready); `render` and `demo` are
the command lines on top.
"""
