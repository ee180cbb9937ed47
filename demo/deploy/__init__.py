"""`make deploy-local`: terraform/ applied by the real provider to an AWS API on this machine, and a farm run on it.

Like the demonstration, it knows the other rooms: gateways and compute service run on the identities that Terraform
registered, against a gate whose registry is what Terraform made, and everything is destroyed again at the end.
"""
