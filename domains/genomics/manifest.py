"""What the genomics domain ships; importing this needs neither torch nor pandas."""

from __future__ import annotations

NAME = "genomics"
TITLE = "Genomics: enhancers as leaky integrators along DNA, methylation as a gate between gain and loss"
CONFIGS = {
    "enhancer_crispr": "K562 CRISPR benchmark (SEQSCI_DATA): bank of decay lengths with gates, beside 1/distance, ABC, logistic, boosting",
    "enhancer_demo": "no file needed: a simulated regulatory landscape with known decay lengths",
    "enhancer_pairs": "template for your own element-gene pairs in the CRISPR benchmark's format",
    "methylation_kinetics": "Repli-BS chr22 (SEQSCI_DATA): how fast DNA is methylated after replication, 16 h forecast from 0, 1 and 4 h",
    "methylation_demo": "no file needed: simulated passages with known (mu, delta)",
    "methylation_counts": "template for your own counts over time: bedMethyl, Bismark, methylKit or a table, a file a time",
}
TEMPLATES = ("enhancer_pairs", "methylation_counts")
"""Configurations that wait for a file of the user's."""
OPTIONS: dict[str, str] = {
    "data.build": "genome build of the files, such as hg38, where they do not declare it",
    "data.source": "published table in SEQSCI_DATA, where no file is given: crispr_k562",
    "strands": "population (default) or daughter: of which strands (mu, delta) speak",
    "clusters": "block (1 Mb) or site: what standard errors allow to depend (default: block where there are 10)",
    "data.paths": "files of methylation counts, a file a time, separated by commas",
    "data.times": "their times, separated by commas, increasing",
    "data.time_unit": "hours or divisions",
    "data.format": "bedmethyl, bismark, methylkit or table (default: by the ending)",
    "data.code": "modification of a bedMethyl file: m or h",
    "data.merge_strands": "yes: both strands of a CpG are added up",
    "data.region": "a part of the genome, such as chr22:20000000-30000000",
    "comparison.share": "share of each 1 Mb block that is scored (default: 1)",
    "comparison.imputation": "yes (default) or no: imputation.csv",
}
"""Keys of a configuration that are options of `seqsci fit`, with their help."""
STUDY = "seqsci.domains.genomics.study:build"
"""Import path of the function that turns a configuration into a study."""
MODELS = "seqsci.domains.genomics.models:MODELS"
"""Import path of the builders of models, by the name that configurations use."""
PLOTS = "seqsci.domains.genomics.plots:figures"
"""Import path of the function that draws the domain's figures of a fit for the report."""
PREDICT = {
    "enhancer": "seqsci.domains.genomics.enhancer.command",
    "methylation": "seqsci.domains.genomics.methylation.command",
}
"""Predictions from files (`seqsci predict genomics/NAME`) with the module that makes them."""
