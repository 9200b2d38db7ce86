"""`--model MODULE:CLASS`: a cost model of the user's own, imported because the user names it."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from jaxcost.calibrate import Calibration

OWN_MODEL = "The class of your own that the calibration was fitted with."
OwnModel = Annotated[str | None, typer.Option("--model", metavar="MODULE:CLASS", help=OWN_MODEL)]


def registered(model: str | None) -> str | None:
    """The model's name, its class imported and registered where it is one of the user's own."""
    if model is not None and ":" in model:
        from jaxcost.models.registry import name_of, register_model
        from jaxcost.trace.specs import load_attribute

        try:
            found = name_of(register_model(load_attribute(model)))
        except TypeError as error:
            raise ValueError(f"--model = {model!r}: {error}") from None
        if found != model:
            raise ValueError(f"--model = {model!r} is defined as {found}; give that name")
    return model


def load(calibration: str, model: str | None) -> "Calibration":
    """A calibration by its file or name, after its model's class is known."""
    from jaxcost.calibrate import load_calibration

    registered(model)
    return load_calibration(calibration)
