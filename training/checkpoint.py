"""Training state that survives being killed: atomic safetensors files and a JSON-lines log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

Modules = Mapping[str, nn.Module]


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Writes tensors and JSON facts to one file, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, temporary, metadata={"facts": json.dumps(facts)})
    temporary.replace(path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what `write_tensors` wrote."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        facts = json.loads(file.metadata()["facts"])
    return tensors, facts


def module_tensors(modules: Modules) -> dict[str, Tensor]:
    """Returns the state of several modules under prefixed names."""
    return {
        f"{prefix}/{name}": tensor
        for prefix, module in modules.items()
        for name, tensor in module.state_dict().items()
    }


def load_modules(modules: Modules, tensors: Mapping[str, Tensor]) -> None:
    """Loads what `module_tensors` gave; half-precision values are widened."""
    for prefix, module in modules.items():
        start = f"{prefix}/"
        state = {
            name.removeprefix(start): tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()
            if name.startswith(start)
        }
        module.load_state_dict(state)


class Average:
    """Exponential moving average of the parameters of several modules."""

    def __init__(self, modules: Modules, decay: float) -> None:
        """Starts at the present parameters.

        Args:
            modules: The modules under their prefixes.
            decay: Share of the old average kept at each step, once warmed up.
        """
        self._parameters = {
            f"{prefix}/{name}": parameter
            for prefix, module in modules.items()
            for name, parameter in module.named_parameters()
        }
        self._decay = decay
        self.tensors = {name: value.detach().clone() for name, value in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the present parameters; early steps are forgotten faster."""
        decay = min(self._decay, (step + 1) / (step + 20))
        averages = list(self.tensors.values())
        torch._foreach_mul_(averages, decay)
        torch._foreach_add_(averages, list(self._parameters.values()), alpha=1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges the parameters with the averages; a second call restores them."""
        for name, parameter in self._parameters.items():
            kept = parameter.detach().clone()
            parameter.copy_(self.tensors[name])
            self.tensors[name].copy_(kept)


class TrainingState:
    """Everything that a loop needs to go on where it stopped.

    Chance is no part of it: loops derive it from the seed and the step.
    """

    def __init__(
        self,
        path: Path,
        modules: Modules,
        optimizer: torch.optim.Optimizer,
        average: Average | None = None,
    ) -> None:
        """Resumes from the file if there is one.

        Args:
            path: The checkpoint file.
            modules: The trained modules under their prefixes.
            optimizer: Their optimizer.
            average: Their moving average, if one is kept.
        """
        self.path, self.modules, self.optimizer, self.average = path, modules, optimizer, average
        self.step = 0
        self.facts: dict[str, Any] = {}
        self._earlier_cpu = 0.0
        self._cpu_start = time.process_time()
        self._saved_at = time.monotonic()
        if path.exists():
            self._load()

    @property
    def cpu_seconds(self) -> float:
        """Process time spent on this part, earlier runs included."""
        return self._earlier_cpu + time.process_time() - self._cpu_start

    def save(self) -> None:
        """Writes the checkpoint."""
        tensors = {f"model/{name}": value for name, value in module_tensors(self.modules).items()}
        for number, entry in self.optimizer.state_dict()["state"].items():
            for name, value in entry.items():
                tensors[f"optimizer/{number}/{name}"] = value
        if self.average:
            tensors |= {f"average/{name}": value for name, value in self.average.tensors.items()}
        facts = {"step": self.step, "cpu_seconds": self.cpu_seconds, "facts": self.facts}
        write_tensors(self.path, tensors, facts)
        self._saved_at = time.monotonic()

    def save_if_due(self, seconds: float) -> None:
        """Writes the checkpoint if the last one is older than so many seconds."""
        if time.monotonic() - self._saved_at > seconds:
            self.save()

    def _load(self) -> None:
        tensors, facts = read_tensors(self.path)
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "average": {}}
        for name, value in tensors.items():
            part, rest = name.split("/", 1)
            parts[part][rest] = value
        load_modules(self.modules, parts["model"])
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["optimizer"].items():
            number, key = name.split("/")
            state.setdefault(int(number), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        if self.average:
            # The file sorts its names; the average pairs them with parameters by order.
            self.average.tensors = {name: parts["average"][name] for name in self.average.tensors}
        self.step, self.facts = facts["step"], facts["facts"]
        self._earlier_cpu = facts["cpu_seconds"]


def log_to(path: Path) -> Callable[..., None]:
    """Returns a function that appends one JSON line of named values to a log and prints it."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def log(**values: Any) -> None:
        line = json.dumps(
            {name: round(value, 5) if isinstance(value, float) else value for name, value in values.items()}
        )
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)

    return log


def decoupled_groups(
    modules: Modules, rates: Mapping[str, float], weight_decay: float
) -> list[dict[str, Any]]:
    """Returns AdamW groups: matrices decay, biases and norms do not; each module has its rate."""
    groups = []
    for prefix, module in modules.items():
        parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        for decayed in (True, False):
            chosen = [parameter for parameter in parameters if (parameter.ndim > 1) == decayed]
            decay = weight_decay if decayed else 0.0
            groups.append(
                {"params": chosen, "lr": rates[prefix], "base_lr": rates[prefix], "weight_decay": decay}
            )
    return groups


def set_rate(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Sets every group's learning rate to a share of its own base rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * share
