"""The words of the parser that are not nouns: what they are, and what they are called in a question."""

from metrics.parsing.words import words

COLOURS = {
    name: name
    for name in words("""
    red orange yellow green blue purple pink brown black white gray cyan beige navy teal turquoise
    magenta maroon crimson scarlet violet indigo lavender gold silver bronze cream olive khaki lime
    coral salmon burgundy ivory tan blonde ginger charcoal copper azure emerald amber peach mint mustard
    rust mauve fuchsia
    """)
} | {
    "grey": "gray",
    "golden": "gold",
    "silvery": "silver",
    "blond": "blonde",
    "reddish": "red",
    "bluish": "blue",
}
"""A colour word and its one spelling."""

COLOUR_NOUNS = words("""
    orange gold silver bronze cream olive lime coral salmon copper emerald rose peach mint
    """)
"""Colour words that are things as well: the last word of a phrase is the thing."""

SHADES = words("""
    light dark bright pale deep vivid neon pastel soft dull faded vibrant rich muted
    """)

CONFUSABLE = (
    words("red crimson scarlet maroon burgundy rust"),
    words("orange amber copper ginger rust peach coral salmon bronze"),
    words("yellow gold golden mustard amber blonde cream khaki"),
    words("green lime olive emerald mint khaki teal"),
    words("blue navy azure indigo teal turquoise cyan"),
    words("cyan turquoise teal mint azure"),
    words("purple violet lavender mauve magenta indigo fuchsia"),
    words("pink magenta fuchsia salmon coral peach mauve"),
    words("brown tan bronze copper maroon rust khaki ginger burgundy"),
    words("black charcoal navy"),
    words("white ivory cream beige silver"),
    words("gray silver charcoal"),
    words("beige tan cream ivory khaki peach gold"),
)
"""Colours that a careful person may not tell apart; none is offered as the wrong one for another."""

MATERIALS = {
    word: word
    for word in words("""
    wood metal glass plastic leather stone brick marble ceramic paper cardboard rubber steel iron brass
    concrete clay porcelain velvet silk cotton wool denim lace bamboo wicker crystal granite straw linen
    tin aluminum felt origami
    """)
} | {
    "wooden": "wood",
    "metallic": "metal",
    "woolen": "wool",
    "knitted": "yarn",
    "knit": "yarn",
    "steely": "steel",
}

SIZES = {
    word: word
    for word in words("""
    big large small tiny huge giant gigantic enormous massive little tall short long wide narrow thick
    thin miniature
    """)
}
OPPOSITES = {
    "big": "small",
    "large": "small",
    "huge": "tiny",
    "giant": "tiny",
    "gigantic": "tiny",
    "enormous": "tiny",
    "massive": "tiny",
    "small": "large",
    "tiny": "huge",
    "little": "big",
    "miniature": "huge",
    "tall": "short",
    "short": "long",
    "long": "short",
    "wide": "narrow",
    "narrow": "wide",
    "thick": "thin",
    "thin": "thick",
    "old": "new",
    "elderly": "young",
    "young": "elderly",
    "wet": "dry",
    "dry": "wet",
    "open": "closed",
    "closed": "open",
    "empty": "full",
    "full": "empty",
    "clean": "dirty",
    "dirty": "clean",
    "broken": "intact",
    "round": "square",
    "square": "round",
    "smooth": "rough",
    "rough": "smooth",
    "happy": "sad",
    "sad": "happy",
    "bald": "long-haired",
    "fluffy": "hairless",
    "furry": "hairless",
    "transparent": "opaque",
    "ripe": "unripe",
    "curly": "straight",
    "straight": "curly",
}

ATTRIBUTES = words("""
    braided dead old young elderly new ancient antique rusty shiny glossy matte dusty dirty clean muddy wet
    dry snowy frozen broken cracked torn open closed empty full fluffy furry hairy fuzzy woolly scaly
    feathered spotted striped polka-dot plaid checkered dotted floral patterned embroidered transparent
    translucent luminous burnt round circular square rectangular triangular oval curved curly wavy
    straight spiky pointed sharp smooth rough bumpy flat bent twisted folded stacked sliced chopped ripe
    rotten raw cooked fried baked grilled roasted toasted fresh wilted leafless bare bald bearded
    barefoot naked hooded masked armored winged horned muscular chubby fat slim skinny happy sad angry
    scared surprised sleepy tired cute-faced one-eyed bearded blindfolded pregnant electric mechanical
    robotic inflatable abandoned ruined crowded overgrown mossy icy sandy rocky wooden upside-down
    framed lit unlit colorful colourful rainbow-colored chrome holographic iridescent velvety
    """)
"""Adjectives one can see to be true or not; each becomes a question."""

SILENT = words("""
    shallow beautiful pretty cute adorable lovely gorgeous stunning amazing awesome epic majestic
    magnificent elegant stylish cool nice good great best perfect fantastic incredible breathtaking
    charming handsome attractive sexy mysterious magical mystical enchanted ethereal dreamy surreal
    whimsical fantastical legendary mythical detailed intricate ornate elaborate delicate professional
    realistic photorealistic hyperrealistic cinematic dramatic dynamic vibrant vivid lush serene
    peaceful tranquil calm quiet cozy warm cold hot cool gloomy moody dark bright light futuristic
    modern contemporary vintage retro classic traditional medieval victorian gothic steampunk cyberpunk
    rustic simple plain minimalist typical single lone lonely solitary main central various different
    other same real fake famous popular lively busy bustling tropical wild domestic exotic rare unusual
    strange weird odd funny silly scary spooky creepy evil wicked brave heroic fierce powerful mighty
    strong weak fast slow loud soft hard heavy lightweight sweet sour spicy delicious tasty creamy juicy
    fine fancy luxurious expensive cheap poor rich proud humble wise clever curious playful friendly
    gentle kind angry-looking japanese chinese korean indian american british english french german
    italian spanish russian african asian european mexican egyptian greek roman arabic scandinavian
    nordic celtic renaissance baroque upper lower front back rear inner outer left right top bottom
    middle far near distant nearby tall-standing deep high low early late final first second third last
    next full-length half-body very really extremely highly slightly quite rather so too super ultra
    hyper almost nearly partially completely fully finely beautifully brightly gently softly quietly
    happily slowly quickly closely directly high-quality
    """)
"""Words before a noun that nobody can answer a question about, or that say nothing of the picture."""

NUMBERS = {
    word: number
    for number, word in enumerate(
        (
            *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
            *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
            *("eighteen", "nineteen", "twenty"),
        )
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "hundred": 100}
"""Beyond a hundred nobody counts."""
COLLECTIVES = {"pair": 2, "couple": 2, "duo": 2, "trio": 3, "quartet": 4, "dozen": 12}
GROUPS = words("""
    group bunch herd flock pack swarm school crowd row line pile stack set collection bouquet cluster
    lot team army family array assortment variety number handful plenty litter
    """)
CONTAINERS = words("""
    bowl cup glass mug plate bottle jar basket box bucket vase bag can pot tray slice piece bottle
    barrel crate pitcher jug spoonful loaf bar scoop carton pan dish sack wheelbarrow tank stack pile
    """)
LIKENESSES = words("""
    statue sculpture painting picture poster photo photograph portrait drawing image figurine model
    sticker logo mural toy map silhouette shadow reflection depiction illustration sketch sign
    """)
"""Things that show another thing, which then is not there itself."""

ARTICLES = words("""
    a an the any this that these those another each every his her its their my your our one's
    """)
POSSESSIVES = words("his her its their my your our")
PLURALISERS = words("some several many few various multiple numerous countless these those both all")
EXACTLY = words("exactly only just precisely single")
PRONOUNS = words("he she it they him them who which that whose i you we one another other others")
COPULAS = words("is are was were be been being")
STOPS = words("""
    and or but nor with without no not of in on at to from by for into onto over under above below
    behind beside between among amid around through across along against near next inside outside
    beneath underneath beyond during while as like than if when where there here that which who whose is
    are was were be been being has have had having does do did will would can could should may might
    then also too up down off out away towards toward upon within about atop per via plus both either
    neither because so each other together featuring showing depicting including containing wearing
    holding underneath opposite past made built lit written drawn seen hidden shown shaped set known
    worn grown thrown alone apart facing not's it he she they him them itself himself herself themselves
    """)
"""No phrase about a thing goes on past one of these."""

ABSTRACT = words("""
    way kind sort type style view scene background backdrop feel look mood vibe atmosphere theme effect
    lighting light color colour detail quality resolution fashion manner focus pose expression side
    front back middle center centre corner end edge part half rest text word phrase slogan message title
    caption day time moment year season spring summer autumn fall winter world life love peace joy
    beauty harmony chaos power energy emotion feeling sense air weather distance perspective angle
    composition position direction style aesthetic technique concept idea story dream memory fantasy
    magic mystery music sound noise silence picture image photo photograph camera-angle close-up closeup
    shot depth contrast texture pattern design shape form line top bottom left right foreground palette
    tone hue shade variety number lot bit amount pair group set series shadow reflection century era age
    decade morning afternoon evening noon dawn dusk midnight daylight work job home-made size height
    length width weight speed motion action movement activity event party festival wedding race game
    match competition battle war front-view portrait artist outline surface level place spot area
    something anything nothing everything someone somebody anyone everyone everybody one ones thing
    things item items object objects name future past present morning sunlight moonlight daytime breeze
    wind heat cold darkness vision visitor conversation presence existence stuff art focus point
    attention gaze smile grin laugh frown
    """)
"""Nouns that are no thing to be found on a picture."""
ADJECTIVE_ENDS = (
    "ed",
    "ing",
    "ish",
    "ful",
    "less",
    "ous",
    "ive",
    "ic",
    "al",
    "able",
    "ible",
    "ern",
    "ese",
    "esque",
    "like",
    "y",
    "ly",
)
TEXT_WORDS = words("text word words letters phrase slogan message title caption inscription")
