"""Bodies are taken as they are written: 0 is no `false`, and "7" is no number, whatever a lenient reader makes of them."""

from typing import Any

import msgspec
from litestar import Request as HttpRequest
from litestar.exceptions import ValidationException

from cliply_api.web.fields import Request

__all__ = ["exact_types"]


async def exact_types(request: HttpRequest[Any, Any, Any]) -> None:
    """Refuses a body that only passes when its values are turned into others; all other faults are the framework's to tell.

    Raises:
        ValidationException: naming the first such value.
    """
    parameter = request.route_handler.parsed_fn_signature.parameters.get("data")
    kind = parameter.annotation if parameter is not None else None
    if not (isinstance(kind, type) and issubclass(kind, Request)):
        return
    body = await request.body()
    try:
        msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        fault = str(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    else:
        return
    try:
        msgspec.json.decode(body, type=kind, strict=False)
    except msgspec.DecodeError:
        return
    message, _, place = fault.partition(" - at `$.")
    extra = [{"message": message, "key": place.rstrip("`"), "source": "body"}]
    raise ValidationException(detail="The request is not as it should be.", extra=extra)
