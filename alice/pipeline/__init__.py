"""From nothing to an audited, exported policy that sees: all doors in their order, gone on with wherever it stopped."""
