"""A fleet of simulated cameras that speak the real protocol over real HTTP; they run what they download."""
