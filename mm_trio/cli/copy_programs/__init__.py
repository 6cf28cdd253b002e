"""How is a ledger copied beside its maker, and how is a copy put back?"""
