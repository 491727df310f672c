"""What routes ask for, by type. All are coroutines: FastAPI would run plain functions in threads."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from serving.errors import RequestError
from serving.front.exchange import Exchange
from serving.runtime.served import ServedModel
from serving.runtime.watcher import StoreWatcher
from serving.services import Services


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services)]


async def _exchange(request: Request) -> Exchange:
    exchange: Exchange = request.state.exchange
    return exchange


async def _watcher(services: ServicesDep) -> StoreWatcher:
    return services.watcher


async def _model(services: ServicesDep) -> ServedModel:
    """Raises RequestError before the first champion."""
    return services.watcher.served()


async def _ready_model(services: ServicesDep) -> ServedModel:
    """Raises RequestError while the server shuts down, too."""
    services.check_ready()
    return services.watcher.served()


async def _named_model(model: Annotated[ServedModel, Depends(_model)], name: str, version: str = "") -> ServedModel:
    """The served model, if the path names it. Raises RequestError otherwise."""
    served = model.name
    if name != served["use_case"] or version not in ("", str(model.version)):
        raise RequestError(
            404, "no_such_model", f"Only version {model.version} of '{served['use_case']}' is served here."
        )
    return model


ExchangeDep = Annotated[Exchange, Depends(_exchange)]
WatcherDep = Annotated[StoreWatcher, Depends(_watcher)]
ModelDep = Annotated[ServedModel, Depends(_model)]
ReadyModelDep = Annotated[ServedModel, Depends(_ready_model)]
NamedModelDep = Annotated[ServedModel, Depends(_named_model)]
