"""What a run takes of memory, time and money, worked out before anybody pays: arithmetic, and a small simulation."""
