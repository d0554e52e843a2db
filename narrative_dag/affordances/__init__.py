"""What features tell about open options: conditional information, set-level coupling, correlations, feature catalog."""
