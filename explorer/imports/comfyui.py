"""The recipe in a ComfyUI graph: from the sampler up to the texts, the model and its LoRAs.

The `prompt` text of a picture holds the graph as it was executed, flat: node id -> class and
inputs, where a link is `[node id, slot]`. Node packs name their inputs alike, so nodes are
known by their inputs and not by their class. What a node would have to compute, such as
joined texts, is not guessed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import explorer.imports.foreign as foreign
from explorer.imports.foreign import ForeignRecipe, Lora, label, mapping, model_name, parse
from explorer.imports.pictures import Unusable

MAX_NODES = 5_000
MAX_SAMPLERS = 50
_LATENTS = ("latent_image", "latent", "samples")
_HELPERS = ("noise", "guider", "sampler", "sigmas")
"""Inputs through which the newer samplers get their settings from other nodes."""
_TEXTS = ("populated_text", "text", "text_g", "text_l", "t5xxl", "clip_l", "prompt", "string", "value")
_LOADERS = ("ckpt_name", "unet_name", "model_name", "model_path")

Inputs = Mapping[str, Any]


def read_comfyui(texts: Mapping[str, str]) -> ForeignRecipe | None:
    """The recipe of a picture made by ComfyUI, None when it was not.

    Raises:
        Unusable: The graph does not tell how this picture was made; says why.
    """
    nodes = mapping(parse(texts.get("prompt") or texts.get("UserComment") or ""))
    sound = {
        str(key): node
        for key, node in nodes.items()
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict) and "class_type" in node
    }
    if not sound:
        return None
    if len(sound) > MAX_NODES:
        raise Unusable(f"its ComfyUI graph has {len(sound):,} nodes; at most {MAX_NODES:,} are read")
    graph = _Graph(sound)
    found = {graph.recipe(sampler) for sampler in graph.first_samplers()}
    if not found:
        raise Unusable("its ComfyUI graph has no sampler that is known; give the prompts as a list")
    if len(found) > 1:
        raise Unusable(
            f"its ComfyUI graph draws {len(found)} pictures and does not say which one this is; "
            "give the prompts as a list"
        )
    return found.pop()


@dataclass(frozen=True, slots=True)
class _Graph:
    nodes: Mapping[str, Mapping[str, Any]]

    def first_samplers(self) -> list[str]:
        """The samplers that start from no other sampler's picture: they decide what is drawn."""
        samplers = [key for key in self.nodes if self._is_sampler(self._inputs(key))]
        if len(samplers) > MAX_SAMPLERS:
            raise Unusable(f"its ComfyUI graph has {len(samplers)} samplers; at most {MAX_SAMPLERS} are read")
        known = set(samplers)
        return [key for key in samplers if not known & set(self._above(self._links(key, _LATENTS)))]

    def recipe(self, sampler: str) -> ForeignRecipe:
        """What one sampler drew."""
        settings = [self._inputs(key) for key in (sampler, *self._above(self._links(sampler, _HELPERS)))]
        loader, loras = self._model(self._first_links(settings, ("model",)))
        return ForeignRecipe(
            tool="ComfyUI",
            prompt=self._text(self._first_links(settings, ("positive", "conditioning")), "positive"),
            negative=self._text(self._first_links(settings, ("negative",)), "negative"),
            model=loader,
            loras=loras,
            seed=foreign.seed(self._value(settings, ("seed", "noise_seed"))),
            sampler=foreign.sampler(
                self._value(settings, ("sampler_name",)), self._value(settings, ("scheduler",))
            ),
            steps=foreign.steps(self._value(settings, ("steps",))),
            guidance=foreign.guidance(self._value(settings, ("cfg",))),
            clip_skip=self._clip_skip(),
        )

    # links and values

    def _inputs(self, key: str) -> Inputs:
        return mapping(self.nodes[key]["inputs"])

    def _source(self, value: Any) -> str | None:
        """The node a link comes from; None when the value is no link."""
        if isinstance(value, list) and len(value) == 2 and str(value[0]) in self.nodes:
            return str(value[0])
        return None

    def _links(self, key: str, names: Iterable[str] | None = None) -> list[str]:
        inputs = self._inputs(key)
        chosen = inputs.values() if names is None else [inputs.get(name) for name in names]
        return [source for value in chosen if (source := self._source(value)) is not None]

    def _first_links(self, settings: Iterable[Inputs], names: Iterable[str]) -> list[str]:
        for inputs in settings:
            for name in names:
                source = self._source(inputs.get(name))
                if source is not None:
                    return [source]
        return []

    def _above(self, start: Iterable[str]) -> list[str]:
        """Every node that the given ones depend on, themselves included, nearest first."""
        seen = dict.fromkeys(start)
        queue = list(seen)
        for key in queue:  # grows while it is walked
            for source in self._links(key):
                if source not in seen:
                    seen[source] = None
                    queue.append(source)
        return queue

    def _value(self, settings: Iterable[Inputs], names: tuple[str, ...]) -> Any:
        """A plain value under one of these names, through nodes that only hold a value."""
        for inputs in settings:
            for name in names:
                if name in inputs:
                    return self._plain(inputs[name], (name, "value", "int", "float", "number", "seed"))
        return None

    def _plain(self, value: Any, names: tuple[str, ...]) -> Any:
        seen = set()
        while (source := self._source(value)) is not None and source not in seen:
            seen.add(source)
            inputs = self._inputs(source)
            held = [inputs[name] for name in names if name in inputs]
            # A node with several candidates computes something: what, only it knows.
            value = held[0] if len(held) == 1 or (held and names[0] in inputs) else None
        return None if isinstance(value, list) else value

    def _is_sampler(self, inputs: Inputs) -> bool:
        noise = any(name in inputs for name in ("seed", "noise_seed", "noise"))
        return noise and any(n in inputs for n in _LATENTS) and any(n in inputs for n in ("model", "guider"))

    # texts and models

    def _text(self, start: list[str], wish: str) -> str:
        """The texts behind a conditioning, joined as ComfyUI's own combining nodes would."""
        texts: list[str] = []
        queue = list(start)
        for key in queue:
            inputs = self._inputs(key)
            if "zeroout" in str(self.nodes[key]["class_type"]).casefold():
                continue  # an empty conditioning, whatever text it came from
            written = [inputs[name] for name in _TEXTS if name in inputs]
            if self._source(inputs.get(wish)) is not None:
                above = self._links(key, (wish,))
            elif written:
                texts += [self._written(value) for value in written]
                continue
            else:
                above = self._links(key, [name for name in inputs if name.startswith("conditioning")])
            queue += [source for source in above if source not in queue]
        return ", ".join(dict.fromkeys(filter(None, texts)))

    def _written(self, value: Any) -> str:
        plain = self._plain(value, _TEXTS)
        if not isinstance(plain, str):
            raise Unusable(
                "its ComfyUI graph computes the prompt from other texts; give the prompts as a list"
            )
        return foreign.text(plain)

    def _model(self, start: list[str]) -> tuple[str, tuple[Lora, ...]]:
        """Names of the checkpoint (several when merged) and the LoRAs on the way to it."""
        names: list[str] = []
        loras: list[Lora] = []
        queue = list(start)
        for key in queue:
            inputs = self._inputs(key)
            loras += self._loras(inputs)
            loader = [inputs[name] for name in _LOADERS if isinstance(inputs.get(name), str)]
            if loader:
                names.append(model_name(loader[0]))
                continue
            above = self._links(key, [name for name in inputs if name.startswith("model")])
            queue += [s for s in above or self._links(key) if s not in queue]
        return label(" & ".join(dict.fromkeys(names))), tuple(dict.fromkeys(loras))

    def _loras(self, inputs: Inputs) -> list[Lora]:
        found = []
        if isinstance(inputs.get("lora_name"), str):
            weight = self._value([inputs], ("strength_model", "strength"))
            found.append(foreign.lora(inputs["lora_name"], "", weight))
        for entry in map(mapping, inputs.values()):  # several in one node
            if entry.get("on") and isinstance(entry.get("lora"), str):
                found.append(foreign.lora(entry["lora"], "", entry.get("strength")))
        return [entry for entry in found if entry[2] != 0]

    def _clip_skip(self) -> int:
        layers = {foreign.whole(self._inputs(key).get("stop_at_clip_layer")) for key in self.nodes} - {None}
        return max(1, -(layers.pop() or 0)) if len(layers) == 1 else 1
