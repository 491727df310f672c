# %% [markdown]
# # What the model saw, what it answers, and what that is worth
#
# A notebook for any use case that was trained here (`portfolio run NAME`). Editors such as VS Code and PyCharm open
# this file cell by cell, and Jupyter does with jupytext; `python notebooks/explore.py NAME` runs it from start to end.

# %%
import os
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from portfolio.bundle.bundle import Bundle
from portfolio.bundle.policy import half_widths, saved
from portfolio.contract.loading import load_use_case
from portfolio.core.paths import Paths, default_use_case
from portfolio.data.dataset import load_split

while not Path("params.yaml").exists() and Path.cwd() != Path("/"):
    os.chdir("..")  # editors start a notebook in its own folder
in_terminal = Path(sys.argv[0]).name == "explore.py"
name = sys.argv[1] if in_terminal and len(sys.argv) > 1 else default_use_case()  # or write a name here
use_case, paths = load_use_case(name), Paths(name)
print(use_case.title)

# %% [markdown]
# ## The rows
#
# Which split a row is in follows from a hash of its identity, so it is the same on every machine and in every run. Look
# at the training rows as long as you like; what you see in the test rows must not change the model.

# %%
if not paths.best.exists():
    sys.exit(f"'{name}' has not been trained here yet. Train it: portfolio run {name}")
splits = {split: load_split(use_case, split) for split in ("train", "val", "test")}
print({split: len(rows) for split, rows in splits.items()})
train = splits["train"].rows
print(train.head())
if single := [field.name for field in use_case.inputs if field.kind in ("number", "category")]:
    print(train.select(single).describe())
for field in use_case.inputs:
    if field.kind == "image":
        figure, axes = plt.subplots(1, 8, figsize=(8, 1.3))
        for axis, values in zip(axes, splits["train"].inputs[field.name], strict=False):
            shape = field.shape if field.channels == 1 else (*field.shape, field.channels)
            # Of a drawing, the highest value is ink.
            axis.imshow(values.reshape(shape) / (field.maximum or 1), cmap="gray" if field.photo else "gray_r")
            axis.axis("off")

# %% [markdown]
# ## The target
#
# How often each class occurs, or how the values are spread. A model that always gives the most frequent answer is the
# candidate `constant`, which every other has to beat.

# %%
figure, axis = plt.subplots(figsize=(7, 3))
classes = use_case.output.classes
if classes:
    axis.bar(classes, np.bincount(splits["train"].targets, minlength=len(classes)))
else:
    axis.hist(splits["train"].targets, bins=50)
axis.set(xlabel=use_case.output.name, ylabel="training rows")
figure.tight_layout()

# %% [markdown]
# ## The answers
#
# The bundle is what is served: the graph takes raw inputs, and its manifest has the policy. For each row, the policy
# weighs what an error is expected to cost against a person's check.

# %%
bundle = Bundle.open(paths.best_folder())
test = splits["test"]
outputs = bundle.predict(test.inputs)
decisions = bundle.decider(outputs)
print(f"{bundle.manifest.candidate}: the machine answers {decisions.by_machine.mean():.1%} of the test rows by itself")

# %% [markdown]
# ## Is it as sure as it is right?
#
# Of the answers that were given with a certainty of about 90%, about 90% should be right. Of the intervals of a value,
# 90% should cover the truth.

# %%
figure, axis = plt.subplots(figsize=(4, 4))
if classes:
    right = decisions.answers == test.targets
    bins = np.clip((decisions.certainty * 10).astype(int), 0, 9)
    there = [number for number in range(10) if (bins == number).any()]
    axis.plot([0, 1], [0, 1], color="grey", linestyle=":")
    sure = [decisions.certainty[bins == number].mean() for number in there]
    axis.plot(sure, [right[bins == number].mean() for number in there], marker="o")
    axis.set(xlabel="certainty", ylabel="share of right answers")
else:
    reach = half_widths(outputs, bundle.manifest.error_ratios)
    right = np.abs(outputs[:, 0] - test.targets) <= reach
    print(f"the 90% intervals cover {right.mean():.1%} of the test rows")
    axis.scatter(test.targets, outputs[:, 0], s=2, color=np.where(right, "tab:blue", "tab:red"))
    axis.set(xlabel="true value", ylabel="answer; red: outside its interval")
figure.tight_layout()

# %% [markdown]
# ## What it is worth
#
# The same prices decide and evaluate. Before the truth is known, this is what the answers are expected to save, in yen
# per item; the report compares it with what they did save.

# %%
policy = bundle.manifest.policy
assert policy is not None
expected = saved(policy.prices, decisions.by_machine, decisions.error_yen)
print(f"expected: {expected.mean():,.1f} yen per item saved, compared with doing everything by hand")

# %% [markdown]
# ## Where it fails
#
# The test rows whose answers are wrong, the surest first. What do they have in common? A slice of them (`slices` in
# `use_case.py`) keeps an eye on that group from now on.

# %%
wrong = np.flatnonzero(~right)
worst = wrong[np.argsort(-decisions.certainty[wrong])][:10]
print(test.rows[worst])
if in_terminal:
    plt.close("all")
