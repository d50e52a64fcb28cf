"""From raw questions to training rows with reference solutions (arXiv 2602.22623, section 4.1.1), step by step.

`candidates` is what every step takes and gives, `pipeline` runs steps so that a kill costs at most a part, `pictures`
keeps each picture once.
"""
