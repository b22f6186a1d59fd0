"""The fusion of graph and fingerprint."""

import subprocess
import sys

import torch
from rdkit import Chem

from molmeta.chem.features import featurize
from molmeta.chem.molecule import Molecule
from molmeta.encoders.fusion import Fusion


def test_both_members_are_built_by_plain_arguments_and_heard():
    torch.manual_seed(0)
    fusion = Fusion(
        graph={"width": 16, "depth": 2, "dim": 8}, fingerprint={"width": 16, "dim": 4}, dim=6
    ).eval()
    assert fusion.needs == fusion.graph.needs | fusion.fingerprint.needs
    molecules = [Molecule(1, "CCO", Chem.MolFromSmiles("CCO")), Molecule(2, "CCN", Chem.MolFromSmiles("CCN"))]
    mols = featurize(molecules, fusion.needs)
    before = fusion(mols).detach()
    assert before.shape == (2, 6)
    for member in (fusion.graph, fusion.fingerprint):
        with torch.no_grad():
            last = list(member.parameters())[-1]
            last += torch.arange(len(last))
            after = fusion(mols)
        assert not torch.allclose(after, before)
        before = after


def test_torch_geometric_is_loaded_for_graph_encoders_only():
    code = (
        "import sys; from molmeta.encoders import build_encoder\n"
        "build_encoder('fingerprint', width=4, dim=4); assert 'torch_geometric' not in sys.modules\n"
        "build_encoder('gin', width=4, dim=4); assert 'torch_geometric' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
