"""How many molecules a second does stage A learn, and how many episodes stage B, against a plain loop?

    python benchmarks/training.py DATA --config benchmarks/fusion.toml --naive --out training.json

Each contestant trains the same network on the same compounds of DATA/train.csv.gz in a process of its own,
warms up, and is timed for --seconds; rounds take turns, so that a machine that slows down slows all.

    naive      what one writes first: a torch-geometric DataLoader that collates molecule by molecule,
               float32, AdamW as it comes, all threads
    float32    `molmeta train` with precision = "float32"
    bf16       the same with precision = "bf16"
    torchrun   the same in two processes of one thread each (gloo), the batch shared out

Prints molecules a second and their spread over the rounds, the ratio to the plain loop round by round, and
episodes a second of each head of the configuration.
"""
