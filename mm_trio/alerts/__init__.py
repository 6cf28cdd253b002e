"""Who hears of trouble: rules that find it, and channels that tell it."""
