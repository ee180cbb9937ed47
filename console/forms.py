"""What the pages' forms post: orders, and how somebody wants to see the pages. Each ends with another page."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from compute_service.domain.orders import CLEAR
from compute_service.errors import OrderError
from console import translation
from console.errors import FormError
from console.farm_now import look
from console.giving import Wish, give, number
from console.house import COMPLAINT, THEMES, HouseDep, LanguageDep, PersonDep, ReaderDep
from console.languages import LANGUAGES
from web import cookies
from web.answers import safe_goal

router = APIRouter(include_in_schema=False)
YEAR_S = 365 * 86400
COMPLAINT_S, LONGEST_COMPLAINT = 60, 600
Short = Annotated[str, Form(max_length=200)]


@router.post("/orders")
def order(  # noqa: PLR0913, PLR0917  # a form's fields
    house: HouseDep,
    store: ReaderDep,
    language: LanguageDep,
    person: PersonDep,
    action: Short,
    zone_id: Short = "",
    minutes: Short = "",
    litres: Short = "",
    until: Short = "",
    why: Short = "",
    key: Short = "",
    confirmed: Short = "",
) -> Response:
    """Give an order; what came of it is shown on the page that one came from."""
    farm = look(store, house.wall_clock(), (), names=house.access.names())
    try:
        if action == CLEAR and confirmed != "yes":
            raise FormError("clear_unconfirmed")
        wish = Wish(
            action=action[:20],
            zone_id=zone_id[:100] or None,
            minutes=number(minutes, language.say("minutes")),
            litres=number(litres, language.say("litres")),
            until=until[:40] or None,
            why=why,
            key=key[:100] or None,
        )
        row = give(house, farm, wish, person.by, "page")
    except OrderError as error:
        why_not = farm.named(translation.sentence(str(error), language))
    except FormError as error:
        why_not = language.say(error.key, **error.places)
    else:
        place = f"/zones/{quote(zone_id, safe='')}" if zone_id else "/"
        return RedirectResponse(f"{place}?order={row.order.order_id}", 303)
    is_of_zone = any(zone.zone_id == zone_id for zone in farm.config.zones)
    response = RedirectResponse(f"/zones/{quote(zone_id, safe='')}" if is_of_zone else "/", 303)
    # Never a page that answers the form itself: whoever loads that anew would order again.
    cookies.put(response, house.site, COMPLAINT, quote(why_not[:LONGEST_COMPLAINT]), COMPLAINT_S)
    return response


@router.post("/preferences")
def preferences(house: HouseDep, back: Short = "/", language: Short = "", theme: Short = "") -> Response:
    """Remember a language, or light and dark, in this browser."""
    response = RedirectResponse(safe_goal(back), 303)
    for name, value, choices in (("language", language, LANGUAGES), ("theme", theme, THEMES)):
        if value in choices:
            response.set_cookie(name, value, max_age=YEAR_S, samesite="lax", httponly=True, secure=house.site.is_tls)
    return response
