"""Who computes blocks: one process or several, here or elsewhere, and what they agree on."""
