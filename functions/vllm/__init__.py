"""function-vllm: a Model becomes a sized, secured vLLM workload.

Reading order: `sizing`, `placement` (`stages` and `ranks` for what one GPU or node does not hold),
`place`, `stay` and `move`, `plan`, the manifests (`namespace`, `weights`, `workload`, `endpoint`),
`one_place`, `compose`.
"""
