"""A plain FastAPI application, as one would write it for one's own model."""

from typing import Annotated

import numpy as np
from fastapi import FastAPI
from onnx_session import FIELD, TENSOR, WIDTH, open_session
from pydantic import BaseModel, Field


class Instance(BaseModel):
    values: Annotated[list[float], Field(alias=FIELD, min_length=WIDTH, max_length=WIDTH)]


class Request(BaseModel):
    instances: list[Instance]


class Answer(BaseModel):
    probabilities: list[list[float]]


app = FastAPI()
session = open_session()


@app.post("/predict")
async def predict(request: Request) -> Answer:
    rows = np.array([instance.values for instance in request.instances], dtype=np.float32)
    (probabilities,) = session.run(["probabilities"], {TENSOR: rows})
    return Answer(probabilities=probabilities.tolist())
