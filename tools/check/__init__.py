"""`freehold check`: what a cluster has of what Freehold needs, what it lacks, and who mends that how."""
