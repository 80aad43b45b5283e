"""6B.S2: places with a clientele, where their customers live, and outings of people near by."""
