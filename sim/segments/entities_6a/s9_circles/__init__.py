"""6A.S9: circles of people who share devices and addresses."""
