"""The farm's metrics for Prometheus, for whoever may see the farm: a machine by its token."""

from fastapi import APIRouter
from fastapi.responses import Response

from console.house import HouseDep, ReaderDep
from integrations.farm_now import FarmReader
from integrations.metrics import CONTENT_TYPE, FarmCollector, text
from integrations.version import version

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(house: HouseDep, store: ReaderDep) -> Response:
    """What `python -m integrations.metrics` says, read anew at each scrape."""
    page = text(FarmCollector(FarmReader(store), house.wall_clock, version()))
    return Response(page, headers={"Content-Type": CONTENT_TYPE})
