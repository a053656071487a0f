"""The ground floor: settings, errors, documents, database, storage and the tools that both sides stand on."""
