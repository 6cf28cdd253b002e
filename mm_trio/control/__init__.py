"""How is a running maker asked and told?"""
