"""The ways to ask for predictions: each reads a request into checked tensors and writes the answer.

Here are also the checks they share, pictures, explanations and the OpenAPI document.
"""
