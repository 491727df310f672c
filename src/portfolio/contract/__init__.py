"""What a use case says: its fields, its target, its source, its prices, its config and its texts.

Use cases import this room alone. What it offers them is listed here.
"""

from portfolio.bundle.manifest import PredefinedSplit
from portfolio.contract.fields import Category, Date, FreeText, Image, Number
from portfolio.contract.folder import Folder
from portfolio.contract.images import Images
from portfolio.contract.network_params import NetworkParams
from portfolio.contract.picture_files import Pictures
from portfolio.contract.sources import Cell, Csv, Rows, Source
from portfolio.contract.sql import Sql
from portfolio.contract.table import Table
from portfolio.contract.targets import Classes, Quantity
from portfolio.contract.text import Text

__all__ = [
    "Category",
    "Cell",
    "Classes",
    "Csv",
    "Date",
    "Folder",
    "FreeText",
    "Image",
    "Images",
    "NetworkParams",
    "Number",
    "Pictures",
    "PredefinedSplit",
    "Quantity",
    "Rows",
    "Source",
    "Sql",
    "Table",
    "Text",
]
