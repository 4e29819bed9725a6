"""A machine of its own on this one: namespaces and cgroups that end with their first process."""
