"""Carries what training needs to a machine that has PyTorch and no network: packed here, joined there."""
