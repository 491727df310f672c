"""Who survived the Titanic. One row is a passenger:

    survived 1, pclass 1, sex "female", age 38, sibsp 1, parch 0, fare 71.2833, embarked "C", class "First", who "woman",
    adult_male "False", deck "C", embark_town "Cherbourg", alive "yes", alone "False"

891 passengers, as bundled with seaborn; the age is missing in 177, the port in 2. `alive` says the same as the target;
`class`, `embark_town`, `who`, `adult_male` and `alone` follow from other columns; the deck is known of few.
"""

from portfolio.contract import Category, Classes, Csv, Number, Table


class Titanic(Table):
    source = Csv(
        url="https://raw.githubusercontent.com/mwaskom/seaborn-data/71e2436a092d714350de0fc409ca8a8714e7e78f/titanic.csv",
        sha256="81787d320d7f7b03df935e91de8bd19e11d45c5bbcab86ef4d4a76dc91b7d4f2",
        start="2026-01-05",
        rows_per_day=99,
    )
    target = Classes("survived", {0: "died", 1: "survived"})
    inputs = [
        Category("class", ["First", "Second", "Third"]),
        Category("sex", ["female", "male"]),
        Number("age", 0, 120, unit="years", missing=True),
        Number("sibsp", 0, 20, description="brothers, sisters and spouses on board"),
        Number("parch", 0, 20, description="parents and children on board"),
        Number("fare", 0, 1000, unit="GBP"),
        Category("embarked", ["C", "Q", "S"], missing=True, description="Cherbourg, Queenstown or Southampton"),
    ]
    ignore = ["pclass", "who", "adult_male", "deck", "embark_town", "alive", "alone"]
    slices = ["sex", "class"]
