"""What runs of several methods and seeds say together: cells on disk, paired comparisons, tables."""
