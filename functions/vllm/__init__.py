"""function-vllm: a Model becomes a sized, secured vLLM workload.

Reading order, each standing on those before it: `engine` (what vLLM does by default and what it
runs), `size` (memory of each GPU), `place` (cluster and node pool), `plan` (what is deployed), `serve`
(the workload and what is around it), `source` (the weights), `live` (what becomes of a Model that is
placed), `status` (conditions), `resources` (all that is composed), `compose`.
"""
