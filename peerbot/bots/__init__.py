"""The doors of chat platforms: one package for each, and the dialogue that is the same for all."""
