import importlib
import sys

import jax.numpy as jnp
import pytest

import jaxcost as jc
from jaxcost.trace.specs import load_attribute, parse_spec


@pytest.mark.parametrize(
    ("text", "shape", "dtype"),
    [
        ("f32[1,224,224,3]", (1, 224, 224, 3), jnp.float32),
        (" bf16[ 8 , 128 ] ", (8, 128), jnp.bfloat16),
        ("int32[]", (), jnp.int32),
        ("pred[2]", (2,), jnp.bool_),
        ("u8[3]", (3,), jnp.uint8),
        ("i4[2,2]", (2, 2), jnp.int4),
        ("s4[2]", (2,), jnp.int4),
        ("u4[2,2]", (2, 2), jnp.uint4),
        ("int4[2,2]", (2, 2), jnp.int4),
        ("uint4[8]", (8,), jnp.uint4),
        ("i2[8]", (8,), jnp.int2),
        ("float4_e2m1fn[2,2]", (2, 2), jnp.float4_e2m1fn),
        ("float8_e8m0fnu[4]", (4,), jnp.float8_e8m0fnu),
        ("bool[4]", (4,), jnp.bool_),
    ],
)
def test_shapes_are_read(text, shape, dtype):
    spec = parse_spec(text)
    assert (spec.shape, spec.dtype) == (shape, dtype)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("f32", "is not a shape; write one like"),
        ("f32[1,2", "is not a shape"),
        ("f32[0,2]", "extent that is not 1 or more"),
        ("f32[1,,2]", "extent that is not 1 or more"),
        ("f33[1]", "input type 'f33' is not known"),
        ("f32[-1]", "is not a shape"),
    ],
)
def test_what_is_no_shape_is_refused(text, words):
    with pytest.raises(ValueError, match=words) as raised:
        parse_spec(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("math", "names no attribute; write MODULE:ATTR"),
        ("no_such_module:f", "importing no_such_module failed: ModuleNotFoundError"),
        ("no_such_module:f", "'no_such_module'; install it, or put its folder on PYTHONPATH"),
        ("math:coss", "there is no 'coss'; did you mean 'cos'?"),
    ],
)
def test_what_cannot_be_imported_is_refused(name, words):
    with pytest.raises(ValueError) as raised:
        load_attribute(name)
    assert words in str(raised.value)


def test_a_builder_that_fails_shows_its_own_error():
    with pytest.raises(ValueError, match=r"math:cos\(\) failed: TypeError"):
        load_attribute("math:cos", call=True)


def test_what_cannot_be_called_is_refused():
    with pytest.raises(ValueError, match="is a float and cannot be called; drop --call"):
        load_attribute("math:pi", call=True)


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A folder to run in, for files of the user's; what is imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])
    before = set(sys.modules)

    def write(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


ENDS = [
    "raise SystemExit",
    "raise SystemExit(0)",
    "import sys; sys.exit('usage: me')",
    "exec('class Own(BaseException): pass'); raise Own('mine')",
    "import pytest; pytest.skip('not here', allow_module_level=True)",
    "raise GeneratorExit",
]


@pytest.mark.parametrize("code", ENDS)
@pytest.mark.parametrize("where", ["module", "builder", "attribute"])
def test_what_ends_the_program_is_an_error_of_the_users_code(user, code, where):
    if where == "module":
        user(ends_a=code)
    elif where == "builder":
        user(ends_a=f"def f():\n    {code}")
    else:
        user(ends_a=f"def __getattr__(name):\n    if name == 'f': {code}")
    with pytest.raises(ValueError, match=r"^ends_a:f.* failed: ") as raised:
        load_attribute("ends_a:f", call=where == "builder")
    assert "\n" not in str(raised.value)


def test_an_interrupt_stays_one(user):
    user(ends_b="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_attribute("ends_b:f")


SHADOW = "raise AssertionError('a file of the user was taken for a module of Python')"


def test_the_users_files_come_before_what_is_installed_but_not_before_pythons_own(
    user, tmp_path, monkeypatch
):
    installed = tmp_path / "site-packages"
    installed.mkdir()
    for name in ("own_models", "own_parts"):
        (installed / f"{name}.py").write_text("f = 'installed'")
    monkeypatch.setattr(sys, "path", [*sys.path, str(installed)])
    monkeypatch.delitem(sys.modules, "this", raising=False)
    user(this=SHADOW, jax=SHADOW, own_parts="f = 'mine'", own_models=(
        "import contextlib, io, jax\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n    import this\n"
        "from own_parts import f"
    ))  # fmt: skip
    assert load_attribute("own_models:f") == "mine"
    assert sys.modules["this"].__file__ != str(tmp_path / "this.py")


def test_afterwards_what_is_installed_comes_first(user, tmp_path, monkeypatch):
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "own_library.py").write_text("f = 'installed'")
    monkeypatch.setattr(sys, "path", [*sys.path, str(installed)])
    user(own_model="def f():\n    import own_late\n    return own_late.x", own_late="x = 3",
         own_library=SHADOW)  # fmt: skip
    for _ in range(2):
        f = load_attribute("own_model:f")
    assert importlib.import_module("own_library").f == "installed"
    assert f() == 3
    assert sys.path.count(str(tmp_path)) == 1


def test_a_path_that_the_user_has_set_stays_as_it_is(user, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = [*sys.path]
    user(own_third="f = 1")
    assert load_attribute("own_third:f") == 1
    assert sys.path == before


def test_a_type_that_jax_narrows_is_said():
    """JAX has no float64 unless it is told to: the program of such inputs computes in float32."""
    wide, narrow = (parse_spec(f"{name}[64,64]") for name in ("f64", "f32"))
    said, same = jc.count(jnp.dot, wide, wide), jc.count(jnp.dot, narrow, narrow)
    assert said.bytes_moved == same.bytes_moved == 3 * 4 * 64 * 64
    assert same.warnings == ()
    (line,) = said.warnings
    assert line.startswith("inputs in float64 are counted in float32, in which JAX computes them;")


def test_a_type_that_jax_has_is_counted_as_it_is(x64):
    wide = parse_spec("f64[64,64]")
    found = jc.count(jnp.dot, wide, wide)
    assert (found.bytes_moved, found.warnings) == (3 * 8 * 64 * 64, ())
