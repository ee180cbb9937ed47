"""Which role each route needs; a route that is not here does not exist."""

from web.roles import RightsTable, Role

RIGHTS: RightsTable = {
    "GET /": Role.SEE,
    "GET /zones/{zone_id}": Role.SEE,
    "GET /timeline": Role.SEE,
    "GET /gateways": Role.SEE,
    "GET /gateways/{gateway_id}": Role.SEE,
    "GET /events": Role.SEE,
    "POST /orders": Role.OPERATE,
    "POST /preferences": None,
    "GET /static/{path:path}": None,
    "GET /api/v1/openapi.json": Role.SEE,
    "GET /api/v1/farm": Role.SEE,
    "GET /api/v1/zones": Role.SEE,
    "GET /api/v1/zones/{zone_id}": Role.SEE,
    "GET /api/v1/zones/{zone_id}/history": Role.SEE,
    "GET /api/v1/zones/{zone_id}/decisions": Role.SEE,
    "GET /api/v1/decisions/{decision_id}": Role.SEE,
    "GET /api/v1/runs": Role.SEE,
    "GET /api/v1/gateways": Role.SEE,
    "GET /api/v1/gateways/{gateway_id}/statuses": Role.SEE,
    "GET /api/v1/journal": Role.SEE,
    "GET /api/v1/orders/{order_id}": Role.SEE,
    "POST /api/v1/orders": Role.OPERATE,
}
