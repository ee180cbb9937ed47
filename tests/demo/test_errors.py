"""Whatever may go wrong in a demonstration or a deployment ends in one line, and no error is of nobody."""

import importlib
import inspect
import pkgutil

import demo
from demo.deploy.errors import DeployError
from demo.errors import KNOWN_TROUBLE, DemoError


def errors_of(package: str) -> set[type[Exception]]:
    """Every exception that a module of a package defines; what starts when it is imported is left out."""
    names = [one.name for one in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    members = [member for module in modules for _, member in inspect.getmembers(module, inspect.isclass)]
    return {one for one in members if issubclass(one, Exception) and one.__module__.startswith(package)}


def test_every_error_has_the_base_of_its_room() -> None:
    """Who catches DemoError has caught all that demonstration and deployment raise of their own."""
    errors = errors_of(demo.__name__)
    assert len(errors) > 5
    assert [error for error in errors if not issubclass(error, DemoError)] == []
    assert {error for error in errors if error.__module__.startswith("demo.deploy")} <= {
        DeployError,
        *DeployError.__subclasses__(),
    }


def test_the_errors_of_all_rooms_are_known() -> None:
    """An error of any room that takes part is one line for a person, not a traceback."""
    rooms = ("certs", "compute_service", "gateway_sim", "local_cloud", "field_time", "demo")
    bases = {one for room in rooms for one in errors_of(room) if one.__bases__ == (Exception,)}
    public = {one for one in bases if not one.__name__.startswith("_")}
    assert [one for one in public if not issubclass(one, KNOWN_TROUBLE)] == []
