"""Calibrations that are damaged: a byte, a line, or a field of another kind."""

import json
from pathlib import Path
from random import Random
from typing import Any

import draws

import jaxcost as jc

_LAYERS = jc.mlp([64, 32, 10], batch_size=8)
_TEXT: list[str] = []


def draw(random: Random, folder: Path) -> draws.Input:
    """Loading a damaged calibration, and a latency from it if that goes."""
    path = folder / "calibration.json"
    if not _TEXT:
        jc.load_calibration("quadro-t2000").save(path)
        _TEXT.append(path.read_text())
    content = random.choice((_flipped, _cut, _edited))(random, _TEXT[0])
    return draws.Input(repr(content)[-200:], lambda: _latency(path, content), False)


def _latency(path: Path, content: bytes) -> Any:
    path.write_bytes(content)
    return jc.load_calibration(path).latency(_LAYERS)


def _flipped(random: Random, text: str) -> bytes:
    content = bytearray(text.encode())
    content[random.randrange(len(content))] = random.randrange(256)
    return bytes(content)


def _cut(random: Random, text: str) -> bytes:
    return text.encode()[: random.randrange(len(text))]


def _edited(random: Random, text: str) -> bytes:
    whole = json.loads(text)
    part = whole
    while True:
        key = random.choice(list(part) if isinstance(part, dict) else range(len(part)))
        if not (isinstance(part[key], dict | list) and part[key] and random.random() < 0.9):
            break
        part = part[key]
    part[key] = random.choice((None, True, "1", "", -1, 0, 1e308, -1e308, 10**400, [], {}, [[1]]))
    return json.dumps(whole).encode()
