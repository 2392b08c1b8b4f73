"""Exchange with other projects and people: importers, exporters, data cards and the Hub."""
