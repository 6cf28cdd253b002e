"""When may a maker trade real money, and how much at first?"""
