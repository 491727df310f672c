"""A plain FastAPI application, as one would write it for one's own model."""

from typing import Annotated

import numpy as np
from fastapi import FastAPI
from onnx_session import open_session
from pydantic import BaseModel, Field


class Instance(BaseModel):
    pixels: Annotated[list[float], Field(min_length=64, max_length=64)]


class Request(BaseModel):
    instances: list[Instance]


class Answer(BaseModel):
    probabilities: list[list[float]]


app = FastAPI()
session = open_session()


@app.post("/predict")
async def predict(request: Request) -> Answer:
    pixels = np.array([instance.pixels for instance in request.instances], dtype=np.float32)
    (probabilities,) = session.run(["probabilities"], {"pixels": pixels})
    return Answer(probabilities=probabilities.tolist())
