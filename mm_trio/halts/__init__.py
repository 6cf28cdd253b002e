"""Why a maker places nothing, also after a restart."""
