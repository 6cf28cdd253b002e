"""What does a maker say of itself, and how is it watched?"""
