"""Federated meta-training: labs train one trunk and one prior, and keep their assays.

`plan` says what is trained in which round; `shared` is what travels, `guard` what is done to it before it
does. `lab` is one laboratory's part and `average` the server's; neither knows how they are connected, which
`flower` does, with the extra `molmeta[federated]`. docs/federated.md says what this protects, and what it
does not.

Source: McMahan et al. 2017, "Communication-efficient learning of deep networks from decentralized data";
Heyndrickx et al. 2024 (MELLODDY) share a trunk and keep the outputs, as is done here.
"""
