"""The widgets with which a person says how to look closer at results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import gradio as gr
from gradio.components import Component

from explorer.points import MetricKey, varied_settings
from explorer.ui.explore_offers import (
    VIEWS,
    Shape,
    View,
    divisible_metrics,
    groupings,
    metrics_for,
    views_of,
)
from explorer.ui.explore_views import Asked, Looking
from explorer.ui.forms import FormData
from explorer.ui.widgets import Choices

_PICKERS: dict[str, tuple[View, ...]] = {
    "metric": ("intervals", "groups", "spread", "scatter", "settings", "why", "questions"),
    "against": ("scatter",),
    "group": ("groups",),
    "shape": ("groups",),
    "setting": ("settings",),
    "first": ("why", "questions"),
    "second": ("why",),
}
"""Which views each picker is for."""


@dataclass(frozen=True)
class ExploreForm:
    """The widgets of an `Asked`."""

    view: gr.Radio
    metric: gr.Dropdown
    against: gr.Dropdown
    group: gr.Radio
    shape: gr.Radio
    setting: gr.Radio
    first: gr.Dropdown
    second: gr.Dropdown

    @property
    def all(self) -> list[Component]:
        """Every widget of the form."""
        return list(vars(self).values())


def build_explore_form(view: gr.Radio, name: str) -> ExploreForm:
    """Lay out the pickers; they are empty until there are results."""

    def dropdown(label: str, part: str) -> gr.Dropdown:
        return gr.Dropdown([], label=label, visible=False, elem_id=f"{name}-{part}")

    return ExploreForm(
        view,
        dropdown("Metric", "metric"),
        dropdown("Against", "against"),
        gr.Radio([], label="By", visible=False, elem_id=f"{name}-group"),
        gr.Radio(
            [(shape.capitalize(), shape) for shape in get_args(Shape)],
            value="bars",
            label="As",
            visible=False,
            elem_id=f"{name}-shape",
        ),
        gr.Radio([], label="Along", visible=False, elem_id=f"{name}-setting"),
        dropdown("Model", "first"),
        dropdown("Compared with", "second"),
    )


def asked_of(form: ExploreForm, data: FormData) -> Asked:
    """What the form asks for; what is not chosen yet is as in `Asked`."""
    values = {name: data[widget] for name, widget in vars(form).items() if data[widget]}
    for name in ("metric", "against"):
        if name in values:
            values[name] = _key(values[name])
    return Asked(**values)


def offered(form: ExploreForm, look: Looking, asked: Asked, models: Sequence[str]) -> dict[Component, Any]:
    """Everything that these results have to choose from."""
    against: Choices = [(look.title(key), _value(key)) for key in divisible_metrics(look.found)]
    choices: Choices = [(model, model) for model in models]

    def seen(picker: str) -> bool:
        return _is_for(picker, asked.view)

    return {
        form.view: gr.Radio([(VIEWS[view], view) for view in views_of(look.found)], value=asked.view),
        form.against: gr.Dropdown(against, value=_value(asked.against) or None, visible=seen("against")),
        form.setting: _radio(varied_settings(look.found.images), asked.setting, visible=seen("setting")),
        form.first: gr.Dropdown(choices, value=asked.first or None, visible=seen("first")),
        form.second: gr.Dropdown(choices, value=asked.second or None, visible=seen("second")),
        **choices_of(form, look, asked),
    }


def choices_of(form: ExploreForm, look: Looking, asked: Asked) -> dict[Component, Any]:
    """The choices that change with the view and the metric."""
    metrics: Choices = [(look.title(key), _value(key)) for key in metrics_for(look.found, asked.view)]
    seen = _is_for("metric", asked.view)
    groups = groupings(look.found, asked.metric)
    # One way to group is no choice, but it must be said.
    shown = _is_for("group", asked.view) and bool(groups)
    return {
        form.metric: gr.Dropdown(metrics, value=_value(asked.metric) or None, visible=seen),
        form.group: _radio(groups, asked.group, visible=shown),
    }


def pickers(form: ExploreForm, view: View) -> dict[Component, Any]:
    """Show the pickers that belong to a view, and no others."""
    widgets = vars(form)
    return {widgets[name]: type(widgets[name])(visible=_is_for(name, view)) for name in _PICKERS}


def pair_of(form: ExploreForm, asked: Asked) -> dict[Component, Any]:
    """The two models whose pictures are shown."""
    seen = _is_for("first", asked.view)
    return {
        form.first: gr.Dropdown(value=asked.first or None, visible=seen),
        form.second: gr.Dropdown(value=asked.second or None, visible=seen),
    }


def _radio(values: Sequence[str], value: str, *, visible: bool) -> gr.Radio:
    chosen = value if value in values else None
    return gr.Radio([(each.capitalize(), each) for each in values], value=chosen, visible=visible)


def _is_for(picker: str, view: View) -> bool:
    return view in _PICKERS[picker]


def _value(key: MetricKey) -> str:
    return f"{key.metric}:{key.tier}" if key.metric else ""


def _key(value: str) -> MetricKey:
    metric, _, tier = value.rpartition(":")
    return MetricKey(metric, tier)
