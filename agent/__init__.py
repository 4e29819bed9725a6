"""The agent: in each GPU cluster it sums up the pods of each Model into one ModelReport.

`report` says what is reported, `troubles`, `scheduling` and `logs` what is wrong with a pod; all of
that is pure. `cluster` reaches the API server, `watching` follows a kind of objects, `reporter`
writes reports that have changed. `__main__` runs it all as one process.
"""
