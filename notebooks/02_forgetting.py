# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What did Ebbinghaus' forgetting curve look like?
#
# In 1885 Hermann Ebbinghaus learned lists of syllables, waited, and learned them again. The share of the first learning time that the
# second one saves is called *savings*. He measured it after seven delays, from 20 minutes to 31 days. Three later subjects repeated the
# experiment; their numbers stand beside his in Murre and Dros (2015).
#
# Textbooks and programs often draw "the Ebbinghaus curve" as one exponential, $e^{-t/S}$. We fit it to his numbers, beside six other
# functions, and ask which of them they allow.
#
# In short: **one exponential fails**. Its R2 is below zero for every subject: a horizontal line at the mean is closer. A power of time and
# Ebbinghaus' own formula of 1885 describe his numbers well (R2 .97 and .98). And savings are *not* probabilities of recall.

# %%
import importlib.metadata

import matplotlib.pyplot as plt
import numpy as np

from seqsci.domains.memory.ebbinghaus import FUNCTIONS, INTERVALS, MINUTES, SAVINGS, fit_savings, savings_table

SMALL = False
plt.rcParams |= {"figure.dpi": 90, "axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
plt.rcParams["figure.constrained_layout.use"] = True
INK, RED, BLUE, GREY = "#1f2933", "#b3412e", "#2b6c99", "#9aa5b1"
POINTS = 50 if SMALL else 400

# %% [markdown]
# ## 1 Data
#
# 28 published numbers: four subjects, seven delays. The delays were not exactly those of the label (the first list of a session ages while
# the others are learned); the minutes below are the corrected ones.

# %%
print(f"{'delay':<8} {'minutes':>8}  " + "  ".join(f"{name:>15}" for name in SAVINGS))
for i, (label, minutes) in enumerate(zip(INTERVALS, MINUTES, strict=True)):
    print(f"{label:<8} {minutes:8.0f}  " + "  ".join(f"{q[i]:15.3f}" for q in SAVINGS.values()))

# %% [markdown]
# ## 2 Seven functions
#
# Each is fitted to each subject by unweighted least squares on the savings; $k$ counts its parameters. R2 is $1 - RSS/TSS$: 1 is a perfect
# fit, 0 is as good as the mean, below 0 is worse than the mean. AIC is $n \log(RSS/n) + 2(k + 1)$; smaller is better, and a difference
# of less than 2 or so is none. More cannot be asked of seven points.

# %%
table = savings_table()
for key, form in (("R2", "{:9.3f}"), ("AIC", "{:9.1f}")):
    print(f"{key:<4} {'k':>1}  {'':<38}" + "".join(f"{name.split()[0]:>11}" for name in SAVINGS))
    for function in FUNCTIONS:
        row = "  ".join(form.format(table.loc[function.formula, (name, key)]) for name in SAVINGS)
        print(f"     {len(function.names)}  {function.formula:<38}{row}")
    print()

# %%
best = {name: min(FUNCTIONS, key=lambda f, n=name: table.loc[f.formula, (n, "AIC")]) for name in SAVINGS}
for name, function in best.items():
    values = ", ".join(f"{n} = {v:.4g}" for n, v in zip(function.names, fit_savings(function, SAVINGS[name]).values, strict=True))
    print(f"smallest AIC for {name:<16} {function.formula:<38} {values}")

# %% [markdown]
# ## 3 The picture
#
# Time is on a logarithmic scale. The exponential has one time constant: it must choose between the fast fall of the first hour and the
# slow one of the days after it. Least squares choose the first hour, and then predict that nothing at all is left after a day.

# %%
chosen = {
    "exp(-t / S)": (RED, "one exponential"),
    "(1 + t / tau)^-d": (BLUE, "power"),
    "k / ((log10 t)^c + k)": (INK, "formula of 1885"),
}
times = np.geomspace(12, 60_000, POINTS)
figure, axes = plt.subplots(1, 4, figsize=(9.5, 2.9), sharey=True)
for axis, (name, q) in zip(axes, SAVINGS.items(), strict=True):
    for function in FUNCTIONS:
        if function.formula in chosen:
            color, label = chosen[function.formula]
            fitted = fit_savings(function, q)
            axis.plot(times, fitted.at(times), color=color, linewidth=1.2, label=label, linestyle="--" if label == "power" else "-")
    axis.plot(MINUTES, q, "o", color=INK, markersize=4, markerfacecolor="white")
    axis.axhline(np.mean(q), color=GREY, linewidth=0.8, label="mean")
    axis.set(xscale="log", title=name, ylim=(-0.02, 0.85), xlabel="time since learning")
    axis.set_xticks([60, 1440, 43_200], ["1 h", "1 d", "30 d"])
    axis.minorticks_off()
axes[0].set_ylabel("savings")
axes[-1].legend(frameon=False, loc="upper right")
plt.show()

# %% [markdown]
# ## 4 Reading
#
# - **One exponential is not Ebbinghaus' curve.** R2 is -3.8 for his own numbers and below zero for all four subjects. In this library
#   it is therefore called an *exponential trace*, and not by his name. A free level (second row) helps, but leaves .6 of the variance of
#   his numbers.
# - **A power of time and his own formula fit.** R2 is .974 and .981 for him, at least .78 for the others. Both fall ever more slowly: there
#   is no half-life.
# - **No function wins for everybody.** For Dros' numbers, whose last point is the lowest of all, the logarithm and two exponentials come
#   out first; for the other three, his own formula. The curve may not be smooth either: in three of four subjects savings after one or
#   two days are higher than at the delay before. Murre and Dros conclude from it that the curve most probably jumps upwards at one day.
#   No function above can do that.
# - **A power may be a mixture.** The average of exponentials with different time constants falls like a power, so its fit does not show
#   that a single memory decays like one (Anderson and Tweney 1997; Wixted and Ebbesen 1997 find it in single subjects too).
# - **Savings are not probabilities of recall.** A list of which no syllable is recalled can still be learned faster the second time. These
#   curves say nothing of how often a flash card is remembered; for that, review logs with yes-or-no outcomes are fitted.
# - **Four subjects, seven points each,** each point a mean over many lists. A difference in AIC is a description of these numbers, not a
#   law.
#
# ## 5 How to reproduce
#
#     make notebooks        # runs the scripts in notebooks/ and writes the .ipynb with these outputs
#     pytest tests/test_ebbinghaus.py     # every figure of the table
#
# Sources: Ebbinghaus (1885), Ueber das Gedaechtnis, Duncker & Humblot. Murre and Dros (2015), DOI 10.1371/journal.pone.0120644. Wixted and
# Ebbesen (1997), DOI 10.3758/BF03211316. Anderson and Tweney (1997), DOI 10.3758/BF03211315.

# %%
print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("seqsci", "numpy", "scipy", "pandas", "matplotlib")))
