"""Is a sentence of a hotel review praise, a complaint, or neither? One row is a sentence (this one is made up):

    id      "pn17q00000"
    label   -1              1 positive, 0 neutral, -1 negative, as three judges said
    text    "部屋は清潔でしたが、廊下の話し声が気になりました。"
    usage   "train"         the split of the publication: train, dev or test

5,553 Japanese sentences of at most 132 characters (Hayashibe 2020). The file has no header, and is sorted by length, so
it is shuffled.
"""

from portfolio.contract import Classes, Csv, FreeText, PredefinedSplit, Text


class HotelReviews(Text):
    source = Csv(
        url="https://raw.githubusercontent.com/megagonlabs/jrte-corpus/fa164496fccfa393cd400cd86b96efeea62d69d2/data/pn.tsv",
        sha256="7c3ab858d2b4e72563718d80bebc5fd75daf59c91993e712be45f2014c664c1f",
        separator="\t",
        columns=["id", "label", "text", "judges", "usage"],
        key="id",
        split=PredefinedSplit("usage", val="dev"),
        shuffle=True,
        start="2026-01-05",
        rows_per_day=560,
    )
    target = Classes("label", {-1: "negative", 0: "neutral", 1: "positive"})
    inputs = [FreeText("text", 200, description="one sentence of a review")]
    ignore = ["judges"]
    metric = "f1"
