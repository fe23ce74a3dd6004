"""Who says when gradients may be reduced: four protocols, played and counted."""
