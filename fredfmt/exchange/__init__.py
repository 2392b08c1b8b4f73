"""To and from other projects and people: importers, exporters, data cards, the Hub."""
