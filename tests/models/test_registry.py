"""The names of the models: complete, and helpful when misspelt."""

import importlib
import inspect
import pkgutil
import re

import pytest

import jaxcost.models
from jaxcost.calibrate.features import SORTS
from jaxcost.models.base import LayerwiseCost, parameters_of
from jaxcost.models.registry import BASELINES, BY_SORT, MODELS, model_class


def layerwise_models():
    for module in pkgutil.iter_modules(jaxcost.models.__path__, "jaxcost.models."):
        for name, value in vars(importlib.import_module(module.name)).items():
            is_model = inspect.isclass(value) and issubclass(value, LayerwiseCost)
            if is_model and not (name.startswith("_") or inspect.isabstract(value)):
                yield value


def test_every_model_of_layers_has_a_name():
    of_all_sorts = {kind for known in BY_SORT.values() for kind in known.values()}
    assert set(layerwise_models()) == of_all_sorts > set(MODELS.values())
    assert list(BY_SORT) == list(SORTS)


@pytest.mark.parametrize(("name", "model"), MODELS.items())
def test_a_name_gives_its_class(name, model):
    assert model_class(name) is model
    assert name == re.sub(r"(?<!^)(?=[A-Z])", "-", model.__name__).lower()


@pytest.mark.parametrize("name", MODELS)
def test_what_a_command_prints_of_a_model_is_there(name):
    summary = inspect.getdoc(model_class(name)).splitlines()[0]
    assert {"s": "in seconds", "J": "in joules"}[model_class(name).unit] in summary
    for declared in parameters_of(model_class(name)):
        assert declared.unit
        assert declared.doc


def test_the_baselines_are_models_and_none_is_the_one_to_use():
    assert set(BASELINES) < set(MODELS)
    assert next(iter(MODELS)) not in BASELINES


def test_a_misspelt_name_is_refused_in_one_line():
    with pytest.raises(ValueError) as caught:
        model_class("alpha-roofine")
    assert str(caught.value) == (
        "model 'alpha-roofine' is not known; did you mean 'alpha-roofline'? "
        "choose one of: alpha-roofline, alpha-flops, roofline, flops-only"
    )
