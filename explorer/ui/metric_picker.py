"""A list of metric cards to tick, as one widget: its value is the list of chosen metric ids."""

import gradio as gr

# A re-rendered list must keep what is ticked and where the keyboard is.
_TICK = """
const boxes = () => [...element.querySelectorAll("input[type=checkbox]")];
const chosen = () => (Array.isArray(props.value) ? props.value : []);
let held = null;
const show = () => {
  boxes().forEach((box) => { box.checked = chosen().includes(box.value) && !box.disabled; });
  if (held && !element.contains(document.activeElement)) {
    boxes().find((box) => box.value === held)?.focus({ preventScroll: true });
  }
};
element.addEventListener("focusin", (event) => { held = event.target.value ?? null; });
element.addEventListener("focusout", (event) => { if (event.relatedTarget) held = null; });
element.addEventListener("change", (event) => {
  if (event.target.type !== "checkbox") return;
  event.stopPropagation();
  props.value = boxes().filter((box) => box.checked).map((box) => box.value);
});
watch(["value", "cards"], show);
show();
"""


def metric_picker(value: list[str], cards: str, name: str) -> gr.HTML:
    """Cards with tick boxes; the value of the widget is the list of ticked metric ids.

    To change the cards, return `gr.update(value=..., cards=...)`. It is no subclass of gr.HTML,
    because Gradio writes a stub file beside the source of each.

    Args:
        value: Ids of the ticked metrics.
        cards: What `metric_cards.picker` made.
        name: Id of the element.
    """
    return gr.HTML(
        value,
        html_template="${cards}",
        js_on_load=_TICK,
        cards=cards,
        elem_id=name,
    )
