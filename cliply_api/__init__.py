"""The REST API that tenants and their programs use."""
