"""Labs and server, connected by Flower; nothing else imports it.

Sources: Beutel et al. 2020, "Flower"; of secure aggregation Bonawitz et al. 2017 and Bell et al. 2020
(SecAgg+).
"""
