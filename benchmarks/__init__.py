"""How fast it is, each figure beside a floor or a peer measured in the same run."""
