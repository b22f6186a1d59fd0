"""`molmeta serve`: a page and an interface of JSON that adapt to what is pasted and rank it, on one machine.

    request -> Gate -> page or interface -> Question -> (worker process) Answering -> Answer

The process that answers the network sees no molecule: all chemistry happens in worker processes, which a
structure may crash or hang.
"""
