"""How `run.py` measures: stages into a store, networks and runs into tables."""

import argparse
import dataclasses
import datetime
import functools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import agenda
from agenda import Stage
from epochs import RUN_TARGET, Epochs, epoch_of_training
from lease import Lease
from ledger import Ledger, write_whole

from jaxcost.measure import (
    Chain,
    ChainBench,
    Store,
    StoreError,
    SweepPlan,
    SweepStoppedError,
    TimingRules,
    Worker,
    WorkerDiedError,
    WorkerHungError,
    export_table,
    measure_into,
)

if TYPE_CHECKING:
    import jax

DONE, FAILED = 0, 1
RESERVE_S = 20.0  # of the time, to write what was found
# Two visits of six blocks beside two of the proof: enough for an interval, and no more.
RULES = TimingRules(
    block_s=0.01, blocks_per_visit=6, rounds=2, most_rounds=2, converged=0.02, longest_step_s=0.5
)
NETWORK_KEY = ("network", "batch", "dtype", "device", "driver", "jax", "jaxlib")
TRAINING_KEY = ("dataset", "shape", "depth", "widths", "dtype", "device", "driver", "jax", "jaxlib")


class RefusedError(ValueError):
    """What cannot be done here; one line says why and the way out."""


class Run:
    """One call of the script.

    Args:
        options: of the command line.
        begun: when it began, on the monotonic clock, in s.
        start: begins a worker; another one in tests.
    """

    def __init__(self, options: argparse.Namespace, begun: float, start: Any = None) -> None:
        self.options, self.begun = options, begun
        self.store = options.store or options.out / "measurements.db"
        self.seconds = 60 * options.minutes - RESERVE_S * (not options.rehearse)
        self.start = start or functools.partial(Worker, RULES, energy=True)
        self.notes: list[str] = []
        self.stages: list[dict[str, Any]] = []
        self.description: Mapping[str, Any] = {}

    @property
    def left_s(self) -> float:
        """Time that is left, in s."""
        return self.begun + self.seconds - time.monotonic()

    def measure(self) -> int:
        """Stage after stage, until all are done or the time is up; the exit status."""
        self._check_store()
        status = DONE
        with Lease(lambda platform: self.start(platform=platform)) as lease:
            try:
                self._look(lease)
                for stage in agenda.agenda(self.options.rehearse):
                    if self.left_s > 0:
                        self._stage(stage, lease)
            except (SweepStoppedError, StoreError, WorkerHungError) as error:
                self.notes.append(f"stopped: {error}")
                status = FAILED
            except KeyboardInterrupt:
                self.notes.append("stopped from outside; go on with --resume")
        return status

    def finish(self, status: int) -> int:
        """Writes the table of layers and the summary, and prints it."""
        tables = {"networks": "networks.csv", "training": "training.csv"}
        found = {n: _told(Ledger(self.options.out / f).rows()) for n, f in tables.items()}
        found["layers"] = self._export()
        summary = {
            "device": dict(self.description.get("device", {})),
            "fingerprint": dict(self.description.get("fingerprint", {})),
            "process": dict(self.description.get("facts", {})),
            "rehearsal": self.options.rehearse,
            "seconds": round(time.monotonic() - self.begun, 1),
            "stages": self.stages,
            "measured": found,
            "notes": self.notes,
        }
        write_whole(self.options.out / "summary.json", json.dumps(summary, indent=1) + "\n")
        print(_in_words(summary))
        return status

    def _check_store(self) -> None:
        there = [
            self.store,
            *(self.options.out / f"{name}.csv" for name in ("networks", "training")),
        ]
        kept = [str(path) for path in there if path.exists()]
        if kept and not self.options.resume:
            raise RefusedError(
                f"{kept[0]} is there already; go on with --resume, or give another --out"
            )

    def _look(self, lease: Lease) -> None:
        """Who the device is; a GPU unless this is a rehearsal."""
        try:
            with lease("") as worker:
                self.description = worker.description
        except WorkerDiedError as error:
            raise RefusedError(f"JAX finds no device ({error.words}); check its driver") from None
        found = self.description["fingerprint"]
        if found["platform"] != "gpu" and not self.options.rehearse:
            raise RefusedError(
                f"no GPU found: JAX's device is {found.get('kind')!r} ({found['platform']}); "
                "install JAX with CUDA (--wheels), or try the script with --rehearse"
            )

    def _stage(self, stage: Stage, lease: Lease) -> None:
        begun = time.monotonic()
        budget = min(self.left_s, stage.share * self.seconds)
        if stage.layers is None:
            lease.close()  # one process at a time owns the device
            self._part(stage.name, budget)
        else:
            if stage.slot > 1 and (not self.stages or self.stages[-1]["slot"] < stage.slot):
                lease.close()  # what differs between processes shows in a fresh one alone
            self._sweep(stage, budget, lease)
        took = round(time.monotonic() - begun, 1)
        self.stages.append({"name": stage.name, "slot": stage.slot, "seconds": took})
        print(f"{stage.name}: {took:.0f} s, {max(self.left_s, 0):.0f} s left", flush=True)

    def _sweep(self, stage: Stage, budget: float, lease: Lease) -> None:
        device = self.description["device"]
        memory = device["memory"][-1] if device.get("memory") else None
        capacity = memory and memory["bytes_per_unit"] * memory["units"]
        assert stage.layers
        layers = stage.layers(self.description["fingerprint"]["platform"], capacity)
        rounds = RULES.most_rounds * stage.slot
        plan = SweepPlan(
            rules=dataclasses.replace(RULES, rounds=rounds, most_rounds=rounds),
            processes=stage.slot,
            budget_s=max(budget, 1e-3),
            timeout_s=90.0,
            energy=stage.energy,
        )
        _, sweep = measure_into(self.store, layers, plan, resume=True, open_worker=lease)
        if sweep.new_partition:
            self.notes.append("the store has another device's or version's layers; begun afresh")

    def _part(self, name: str, budget: float) -> None:
        """Networks or training, in a process that is ended when its time is up."""
        command = [sys.executable, str(Path(__file__).with_name("run.py")), "--part", name]
        command += ["--out", str(self.options.out), "--minutes", str(budget / 60)]
        command += ["--rehearse"] * self.options.rehearse
        try:
            done = subprocess.run(
                command, timeout=max(1.0, min(budget + 60, self.left_s + 5)), check=False,
                capture_output=True, text=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            self.notes.append(f"{name}: ended when its time was up; what was in hand is lost")
            return
        if done.returncode:
            words = (done.stderr.strip().splitlines() or ["no word"])[-1]
            self.notes.append(f"{name}: failed: {words[:300]}")

    def _export(self) -> dict[str, int]:
        """The table of this device's layers; how many have which status."""
        if not self.store.is_file():
            return {}
        wanted = dict(self.description.get("fingerprint", {}))
        with Store.existing(self.store) as store:
            parts = [p for p in store.partitions() if dict(p.fingerprint) == wanted]
            if not parts:
                return {}
            frame = export_table(store, parts[0], RULES)
        visited = frame[(frame["status"] != "skipped") | (frame["error"] == "")]
        text = visited.to_csv(index=False, float_format="%.9g", lineterminator="\n")
        write_whole(self.options.out / "layers.csv", text)
        return _told(visited.to_dict("records"))


def measure_part(name: str, out: Path, seconds: float, rehearse: bool) -> None:
    """Networks or training runs, one row after another, until all are there or the time is up."""
    import jax

    end = time.monotonic() + seconds
    device = jax.devices()[0]
    if device.platform != "gpu" and not rehearse:
        raise RefusedError(f"no GPU found: JAX's device is {device.device_kind!r}; see --rehearse")
    bench = ChainBench(RULES, device)
    ledger = Ledger(out / f"{name}.csv")
    key = NETWORK_KEY if name == "networks" else TRAINING_KEY
    parts = _networks(device, rehearse) if name == "networks" else _runs(rehearse)
    for facts, build, energy in parts:
        row = facts | identity(bench)
        if ledger.has(row, key):
            continue
        if time.monotonic() >= end:
            return
        found = bench.measure(build, energy=energy)
        ledger.append(row | (found if name == "networks" else _of_an_epoch(found)))


def _of_an_epoch(found: dict[str, Any]) -> dict[str, Any]:
    """The same by the names of the table of training runs."""
    names = {"time_s": "time_per_epoch_s", "energy_j": RUN_TARGET}
    return {names.get(name, name): value for name, value in found.items()}


def identity(bench: ChainBench) -> dict[str, Any]:
    """The device, the versions and the commit that a row comes from."""
    said = bench.description
    names = ("driver", "jax", "jaxlib", "xla_flags")
    rest = {
        "at_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        "git_commit": said["facts"]["git_commit"],
    }
    return {"device": said["device"]["name"]} | {n: said["fingerprint"][n] for n in names} | rest


Part = tuple[dict[str, Any], Callable[[], Chain], bool]  # facts, what is measured, whether energy


def _networks(device: "jax.Device", rehearse: bool) -> Iterator[Part]:
    from networks import forward_pass, network

    for name, batch, dtype, energy in agenda.networks(rehearse):
        net = network(name, batch, dtype)
        layers = network(name, batch).trace().layers  # the same in every type
        products = [layer for layer in layers if layer.is_product]
        facts = {"network": name, "batch": batch, "dtype": dtype}
        facts |= {"flops": sum(layer.flops for layer in products), "layers": len(products)}
        build = functools.partial(forward_pass, net, barrier=device.platform != "cpu")
        yield facts, build, energy


def _runs(rehearse: bool) -> Iterator[Part]:
    for row in agenda.training(rehearse):
        widths = tuple(map(int, row["widths"].split()))
        epochs = Epochs(widths, row["n_observations"], row["batch_size"])
        yield row | {"dtype": epochs.dtype}, functools.partial(epoch_of_training, epochs), True


def _told(rows: Any) -> dict[str, int]:
    counts: dict[str, int] = {"rows": len(rows)}
    for row in rows:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
        energy = row.get("energy_j", row.get(RUN_TARGET))
        counts["with energy"] = counts.get("with energy", 0) + (
            energy not in ("", None) and energy == energy
        )
    return counts


def _in_words(summary: dict[str, Any]) -> str:
    lines = [f"\n{summary['device'].get('kind')}, {summary['seconds']:.0f} s"]
    for name, counts in summary["measured"].items():
        words = ", ".join(f"{number} {word}" for word, number in counts.items() if word != "rows")
        lines.append(f"{name:10} {counts.get('rows', 0):4} rows: {words or 'none'}")
    return "\n".join([*lines, *summary["notes"]])
