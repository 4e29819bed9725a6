"""function-vllm: a Model becomes a sized, secured vLLM workload.

Reading order: `sizing`, `placement`, `plan`, the manifests (`namespace`, `weights`,
`workload`, `endpoint`), `compose`.
"""
