"""A pipeline file as typed records: what may stand in it, key by key, a module a part.

What a record by itself can know to be wrong is here too. The descriptions are the JSON schema's, so
editors show them.
"""
