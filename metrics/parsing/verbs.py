"""The verbs the parser knows: what somebody in a picture can be seen doing."""

from metrics.parsing.inflection import gerund
from metrics.parsing.words import words

_BASES = """
    spray sprinkle sit stand lie run walk jump leap fly swim dive float sail ride drive race skate ski
    surf climb crawl dance sing play sleep rest lean kneel squat crouch bend stretch smile laugh cry
    shout yell scream talk speak whisper read write draw paint cook bake eat drink chew bite lick taste
    pour stir cut slice chop hold carry lift push pull drag throw catch kick hit punch fight chase
    follow lead hunt fish watch look stare gaze peek point wave hug kiss shake clap pray meditate think
    study work build fix repair clean wash sweep mop brush comb shave dress wear open close knock climb
    fall slide roll spin swing hang perch nest graze howl bark roar hiss growl sniff dig bury feed pet
    stroke groom milk guard protect attack cast conjure wield aim shoot fire explode burn glow shine
    sparkle melt drip flow splash bloom grow shop buy sell pay serve deliver travel explore discover
    wander march parade skateboard bike cycle jog hike camp picnic relax sunbathe bathe shower yawn
    sneeze juggle balance perform conduct type text call photograph film juice squeeze munch nibble
    gallop trot soar glide hover dangle emerge rise sink drown sprint stroll tiptoe hop skip pose wink
    blow whistle plant water harvest pick gather collect knit sew weave embrace celebrate cheer toast
    cover surround fill chase tow park land orbit crash cross approach enter leave reach touch grab
    snore purr drum strum lift peer reflect rain snow thunder face flip toss catch smoke vape vacuum
    iron paddle row kayak lurk hide
    """
VERBS = words(_BASES)
TRANSITIVE_CLOTHES = frozenset(["wearing"])
WEATHER = frozenset(["raining", "snowing"])
NOT_SEEN = words("""
    having being doing going making using getting including featuring showing depicting containing
    """)
"""Forms in -ing that say nothing one could ask for by themselves."""
PARTICIPLES = words("seated perched parked")
"""Forms in -ed that say what somebody is seen doing."""
SAYING = words("""
    says saying reads reading that spelling spells labeled labelled titled captioned written
    """)


def _third(base: str) -> str:
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + "es" if base.endswith(("s", "x", "z", "ch", "sh", "o")) else base + "s"


THIRD_PERSONS = {_third(base): base for base in sorted(VERBS)}
GERUNDS = {gerund(base): base for base in sorted(VERBS)}
