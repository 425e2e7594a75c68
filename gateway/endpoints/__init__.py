"""One file a resource: routes that read the request, call ``gateway.crud`` and answer. None imports another."""
