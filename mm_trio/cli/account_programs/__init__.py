"""How does one process make several markets of one account?"""
