"""The agent, in two modes.

`report`, in each GPU cluster: sums up the pods of each Model into one ModelReport. `report` says what is
reported, `troubles`, `scheduling` and `logs` what is wrong with a pod; all of that is pure. `reporter`
writes reports that have changed.

`deliver`, in the control plane: carries Secrets into GPU clusters and beside claims, as SecretDeliveries ask,
and makes keys. `delivery` says what is read, made, written and told, `kubeconfig` by which credentials,
`certificate` whether one serves its host, `keys` which clients have access; all four are pure. `deliverer`
does it, `clients` reads Secrets of clients, and `answers` has words for what API servers answer.

`cluster` reaches an API server, `watching` follows a kind of objects. `__main__` runs it as one process.
"""
