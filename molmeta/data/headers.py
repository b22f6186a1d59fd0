"""What column names say: structure, identifier, label, companion of a label, unit."""

from __future__ import annotations

import re
import unicodedata

from molmeta.units import MOLAR


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Columns that hold what was measured or decided, whatever it is.
_LABEL = _words(
    "label labels y target activity activities active actives is_active class outcome activity_outcome "
    "pubchem_activity_outcome standard_value activity_value value result response y_true bioactivity "
    "activity_class active_inactive hit is_hit measured_value property "
    "wirkung aktivitat klasse messwert ergebnis"
)
_CONCENTRATION = (
    r"(?:[aceidglmqxtr]+c_?\d\d|xc50|[it]?gi50|[cl]d50|c[ei]_?50|[cd]l50|ki|kd|kb|mic\d*|potency|ic_?50)"
)
_ENDPOINT = re.compile(
    rf"(?:^|_)(?:p|log|neg_log|minus_log|negative_log)?_?(?:{_CONCENTRATION})(?:_|$)|"
    r"(?:^|_)(?:log_?[dps]\d*|pchembl|pact|pactivity|affinity|inhibition|inhib|efficacy|viability|"
    r"solubility|clearance|"
    r"clint|papp|permeability|half_?life|t1_2|ppb|ppbr|fu|bioavailability|toxic|toxicity|bbb|bbbp|herg|ames|"
    r"measured|experimental|exp|pct|percent|delta_?g|dg|lipophilicity)(?:_|$)"
)
# Probabilities and fractions, of which 0 and 1 are the ends.
_SHARE = re.compile(
    r"(?:^|_)(?:prob(?:a|ability)?|frac(?:tion)?|ratio|share|fu|ppbr?|inhib(?:ition)?|viability|efficacy)(?:_|$)"
)
_POTENCY = re.compile(rf"(?:^|_)(?:{_CONCENTRATION})(?:_|$)")
_P_SCALE = re.compile(
    rf"(?:^|_)(?:p_?(?:{_CONCENTRATION}|chembl|act|activity|potency)|(?:neg|minus|negative)_log_?\w+)(?:_|$)"
)
# What goes with a measurement and is none: its error, the borders of an interval, the fit of a curve.
_ACCESSORY = re.compile(
    r"(?:^|_)(?:std|stdev|std_?dev|std_?err(?:or)?|sd|sem|se|err|error|ci|ci95|lower|upper|cv|rsd|r2|r_squared|"
    r"rsquared|chi2|hill|hillslope|slope|n_?obs|replicates?|ph_?value|p_?value|count|tests|flag|rank|pred|predicted|predictions?|calc|calculated|computed|docking|purity|purete|reinheit|"
    r"pureza|yield|recovery)(?:_|$)|_n$"
)
# How it was measured: a unit in such a column is not that of the measurement.
_CONDITION = re.compile(
    r"(?:^|_)(?:conc\w*|konz\w*|dos(?:e|es|age|is|ing)|time|zeit|duration|incubation|exposure|temp\w*|weight|"
    r"amount|volume|vol)(?:_|$)"
)
_IDENTIFIER = re.compile(
    r"^(?:.*_)?(?:id|ids|uniqueid|name|names|cid|sid|cas|number|no|nr|code|title|identifier|compound|ligand|key|inchikey)$|"
    r"^(?:molecule|mol|cpd|cmpd|drug|substance|sample|entry|chembl|zinc|unnamed.*|index|row|tag|entity)$|"
    r"^(?:substanz|verbindung|wirkstoff|probe|.*nummer|bezeichnung|compose|nom|nombre|compuesto)$"
)
_DESCRIPTION = re.compile(
    r"^(?:mw|mwt|mol_?w(?:t|eight)|mol(?:ecular)?_?(?:weight|formula|mass)|formula|[acxm]logp|t?psa|hb[ad]|rotb|qed|num_.*|"
    r"n_.*|.*_count|year|date|month|page|ph|temp.*|confidence.*|fold|split|set|batch|plate|well|comment|notes?|n|"
    r"doc.*|assay_.*|target_.*|rank|weight|pubchem_activity_score|pubchem_activity_url)$"
)
_SMILES = re.compile(r"smi(?:les)?(?:_|$)|^(?:structure|structures|mol|molecule|cxsmiles|struct)$")
_UNIT_COLUMN = _words("unit units standard_unit standard_units activity_unit activity_units value_unit")
_RELATION_COLUMN = _words(
    "relation standard_relation operator qualifier activity_qualifier activity_relation modifier prefix "
    "censor relationship sign"
)

# What a title says, it says in so many characters; patterns take seconds for one of 10,000.
LONGEST = 200

_SPELLED = {
    **dict.fromkeys(["m", "mol/l", "molar"], "M"),
    **dict.fromkeys(["mmol/l", "millimolar"], "mM"),
    **dict.fromkeys(["um", "umol/l", "micromolar"], "uM"),
    **dict.fromkeys(["nm", "nmol/l", "nanomolar"], "nM"),
    **dict.fromkeys(["pm", "pmol/l", "picomolar"], "pM"),
    **dict.fromkeys(["%", "percent", "pct"], "%"),
    **dict.fromkeys(["ug/ml", "ug.ml-1"], "ug/mL"),
    **dict.fromkeys(["10-6 cm/s", "10^-6 cm/s"], "1e-6 cm/s"),
    **{unit.lower(): unit for unit in ("fM", "mg/mL", "ng/mL", "mg/L", "ug/L", "mg/kg", "h", "min", "s")},
    **{unit.lower(): unit for unit in ("kcal/mol", "kJ/mol", "cm/s", "mL/min/kg", "uL/min/mg")},
    "hr": "h",
}
_MINUS_LOG = re.compile(r"(^|[\s_(\[])(?:[-−–]\s*log(?:10)?|log(?:10)?\s*\(?\s*1\s*/)")
_P_UNIT = re.compile(
    rf"p_?(?:{_CONCENTRATION}|chembl|act|potency)|[-−–]|neg|minus|log(?:10)?\s*\(?\s*1\s*/", re.IGNORECASE
)


def plain(name: str) -> str:
    """A name in lower case, words joined by "_", micro signs as u, percent signs as a word, no accents.

    >>> plain("Standard Value"), plain("IC50 (µM)"), plain("pChEMBL-Value"), plain("% inhibition")
    ('standard_value', 'ic50_um', 'pchembl_value', 'pct_inhibition')
    >>> plain("Prüfnummer"), plain("R²")
    ('prufnummer', 'r2')
    """
    text = name.strip()[:LONGEST].lower().replace("µ", "u").replace("μ", "u").replace("%", " pct ")
    text = _MINUS_LOG.sub(r"\1neg_log_", text)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "_", text).strip("_")


def says_smiles(name: str) -> bool:
    """Whether a column name says that structures are in it."""
    return bool(_SMILES.search(plain(name)))


def says_identifier(name: str) -> bool:
    """Whether a column name says that compounds are named in it."""
    return bool(_IDENTIFIER.search(plain(name)))


def says_description(name: str) -> bool:
    """Whether a column name says that it describes compound or experiment (molecular weight, year, split)."""
    return bool(_DESCRIPTION.search(plain(name)))


def says_accessory(name: str) -> bool:
    """Whether a column name says that something beside the measurement is in it (error, interval, fit).

    >>> [says_accessory(n) for n in ("pIC50_std.error", "95% CI (nM)", "Hill slope", "R²", "toxicity")]
    [True, True, True, True, False]
    """
    return bool(_ACCESSORY.search(plain(name)))


def says_condition(name: str) -> bool:
    """Whether a column name says that a condition of the measurement is in it (dose, time, temperature).

    >>> [says_condition(n) for n in ("Test conc. unit", "dose_unit", "Einheit")]
    [True, True, False]
    """
    return bool(_CONDITION.search(plain(name)))


def says_unit(name: str) -> bool:
    """Whether a column name says that units are in it."""
    return plain(name) in _UNIT_COLUMN


def says_relation(name: str) -> bool:
    """Whether a column name says that signs such as > are in it."""
    return plain(name) in _RELATION_COLUMN


def says_potency(name: str) -> bool:
    """Whether a column name says that concentrations are in it (IC50, Ki, MIC, ...), not their logarithms."""
    return (
        bool(_POTENCY.search(plain(name))) and not _P_SCALE.search(plain(name)) and "log" not in plain(name)
    )


def says_share(name: str) -> bool:
    """Whether a column name says that probabilities or fractions are in it.

    >>> says_share("P_active probability"), says_share("fu"), says_share("Activity")
    (True, True, False)
    """
    return bool(_SHARE.search(plain(name)))


def says_log_potency(name: str) -> bool:
    """Whether a column name says that logarithms of concentrations, without a minus, are in it (logIC50)."""
    text = plain(name)
    without = re.sub(r"log(?:10)?_?", "_", text)
    return "log" in text and bool(_POTENCY.search(without)) and not _P_SCALE.search(text)


def label_rank(name: str) -> int:
    """How much a column name says "label": 0 outright, 1 a known endpoint, 2 nothing, 3 something else.

    >>> [label_rank(n) for n in ("Activity", "pIC50", "hERG_IC50_nM", "column_2", "Compound ID")]
    [0, 1, 1, 2, 3]
    """
    if plain(name) in _LABEL:
        return 0
    # The flag of a potency goes with its number; that of hERG or toxicity is the class itself.
    own = plain(name) if says_potency(name) else plain(name).removesuffix("_flag")
    if _ENDPOINT.search(own):
        return 3 if says_accessory(own) else 1
    elsewhere = (
        says_identifier, says_smiles, says_unit, says_relation, says_description, says_accessory,
    )  # fmt: skip
    return 3 if any(says(name) for says in elsewhere) else 2


def says_header(name: str) -> bool:
    """Whether a cell is a column name rather than a value."""
    return bool(name.strip()) and label_rank(name) != 2


def canonical_unit(text: str) -> str | None:
    """The one spelling of a unit, or None where it is not known.

    >>> [canonical_unit(t) for t in ("µM", "nmol/L", "NM", "mM", "mm", "%", "apples")]
    ['uM', 'nM', 'nM', 'mM', None, '%', None]
    """
    text = text.strip().strip("'\"").replace("µ", "u").replace("μ", "u")
    # Case tells millimolar from millimetres and mega; the other prefixes cannot be meant otherwise.
    return text if text in MOLAR else _SPELLED.get(text.lower()) if text.lower() != "mm" else None


def unit_in(name: str) -> str | None:
    """The unit that a column name states.

    >>> [unit_in(n) for n in ("IC50_nM", "IC50 (µM)", "Ki [nmol/L]", "pIC50", "% inhibition", "logD", "y")]
    ['nM', 'uM', 'nM', 'pIC50', '%', 'logD', None]
    """
    name = name.strip()[:LONGEST]
    if _P_SCALE.search(plain(name)):
        words = (word.rstrip(")]},;:") for word in re.split(r"[\s_(\[]+", name))
        return next((word for word in words if _P_UNIT.match(word)), name.strip())
    if (match := re.search(r"(?:^|[\s_(\[])(log[\s_]?[a-zA-Z0-9]*)", name, re.I)) is not None:
        return match[1]
    for inside in re.findall(r"[(\[{]([^)\]}]*)[)\]}]", name):
        if (unit := canonical_unit(inside.removeprefix("in "))) is not None:
            return unit
    if "%" in name or re.search(r"(?:^|_)(?:pct|percent)(?:_|$)", plain(name)):
        return "%"
    last = re.split(r"[\s_,;:]+", name.strip())[-1]
    stands_apart = last != name.strip() and (len(last) > 1 or last == "M")
    return canonical_unit(last) if stands_apart else None


def is_p_scale(unit: str | None) -> bool:
    """Whether a unit is a negative logarithm of a concentration: pIC50, pChEMBL, -logKi.

    >>> [is_p_scale(u) for u in ("pIC50", "-logKi", "pM", "%", None)]
    [True, True, False, False, False]
    """
    return unit is not None and unit not in MOLAR and bool(_P_UNIT.match(unit))


def is_logarithmic(unit: str | None) -> bool:
    """Whether one unit of the model's scale is a factor of ten: concentrations, pIC50, logD."""
    return unit is not None and (unit in MOLAR or is_p_scale(unit) or unit.lower().startswith("log"))
