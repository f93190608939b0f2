"""Episodes of the simulation as data sets for imitation learning."""
