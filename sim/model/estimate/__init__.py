"""What a request will come to, by expectation. It sizes disks and patience;
nothing published depends on it.
"""
