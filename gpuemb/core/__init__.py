"""Ground floor: arrays and machines, no science."""
