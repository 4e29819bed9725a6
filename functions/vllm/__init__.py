"""function-vllm: a Model becomes a sized, secured vLLM workload.

Reading order: `size` (memory on each GPU), `place` (cluster and node pool), `live` (what becomes of a
Model that is placed), `plan`, what is composed (`source`, `serve`, `engine`), `status`, `compose`.
"""
