"""A real node: containerd, the kubelet, and what serves its pods, as processes of a machine of its own."""
