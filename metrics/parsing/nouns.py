"""The nouns the parser knows, in the singular. Others are taken only where grammar leaves no doubt.

The lists were written for this project; the eighty classes of COCO are among them.
"""

from metrics.parsing.words import phrases, words

PEOPLE = words("""
    person man woman boy girl child kid baby toddler teenager adult lady gentleman guy elder couple
    family crowd king queen prince princess knight warrior soldier samurai ninja wizard witch sorcerer
    mage monk nun priest pirate viking cowboy astronaut pilot sailor captain doctor nurse surgeon
    scientist teacher student farmer fisherman chef cook waiter waitress barista baker butcher police
    policeman officer firefighter detective mechanic engineer builder worker carpenter painter artist
    musician singer dancer ballerina actor actress model photographer writer athlete player runner
    swimmer surfer skier snowboarder skater cyclist rider driver hiker climber boxer wrestler gymnast
    clown magician tourist traveler shopper bride groom mother father mom dad grandmother grandfather
    grandma grandpa brother sister daughter son twin friend neighbor hunter archer elf dwarf fairy angel
    demon vampire zombie mermaid giant goblin orc superhero cyborg android robot alien ghost skeleton
    monster creature shaman druid bard paladin rogue assassin geisha mummy scarecrow snowman santa hero
    villain businessman businesswoman librarian guard pedestrian barber jester gardener violinist
    pianist guitarist drummer juggler skateboarder toreador spaceman beekeeper
    """)

ANIMALS = words("""
    animal bird cat dog horse sheep cow elephant bear zebra giraffe puppy kitten pony donkey mule goat
    pig piglet lamb calf bull ox buffalo bison deer stag moose elk reindeer antelope gazelle camel llama
    alpaca lion tiger leopard cheetah jaguar panther lynx puma wolf fox coyote jackal hyena raccoon
    badger skunk weasel otter beaver squirrel chipmunk rabbit bunny hare mouse rat hamster hedgehog
    porcupine mole bat monkey ape gorilla chimpanzee orangutan lemur sloth koala kangaroo wallaby panda
    hippo hippopotamus rhino rhinoceros walrus seal whale dolphin shark octopus squid jellyfish starfish
    crab lobster shrimp fish goldfish salmon trout koi tuna seahorse turtle tortoise snake lizard gecko
    chameleon iguana crocodile alligator frog toad salamander newt dinosaur dragon unicorn phoenix
    griffin pegasus eagle hawk falcon owl raven crow parrot macaw toucan pigeon dove seagull pelican
    flamingo heron stork crane swan goose duck duckling chicken hen rooster chick turkey peacock ostrich
    penguin puffin sparrow robin hummingbird woodpecker kingfisher bee wasp hornet ant beetle ladybug
    butterfly moth dragonfly spider scorpion snail slug worm caterpillar mosquito fly corgi poodle husky
    labrador retriever beagle dachshund bulldog pug terrier chihuahua dalmatian capybara meerkat
    armadillo anteater platypus wombat quail
    """)

PLACES = words("""
    forest woods jungle rainforest desert beach coast shore ocean sea lake river pond stream waterfall
    swamp marsh mountain hill valley canyon cliff cave island field meadow prairie savanna tundra
    glacier volcano park garden orchard vineyard farm farmland village town city street road alley
    highway bridge tunnel plaza market marketplace harbor port dock pier airport station subway garage
    parking playground stadium arena gym pool kitchen bedroom bathroom livingroom room office classroom
    library museum gallery hallway corridor basement attic balcony porch patio terrace courtyard yard
    backyard rooftop restaurant cafe bar pub diner bakery shop store supermarket mall hospital school
    university church cathedral temple shrine mosque castle palace dungeon laboratory lab workshop
    factory warehouse barn stable greenhouse cityscape landscape skyline seascape countryside space
    galaxy sky moon planet neighborhood suburb campsite zoo theater stage studio driveway sidewalk
    pavement crosswalk intersection boardwalk path trail court track rink runway spaceship cabin cottage
    lighthouse skyscraper house hut home building tower windmill ruins temple igloo tent farmhouse
    mansion fortress pagoda kiosk dune oasis canyon gorge ravine creek brook shoreline windmill-field
    classroom casino cinema spa sauna salon clinic bank church-yard graveyard cemetery junkyard shipyard
    meadow wasteland horizon heaven hell dungeon crypt cavern volcano bookstore bookshop florist
    boutique stadium court arena ballroom theatre centre lobby lounge hotel motel inn tavern saloon
    winery brewery distillery orchard arcade carnival fairground circus planetarium observatory aquarium
    """)
"""Where something can be; some of them are things as well."""

STRUCTURES = words("""
    bridge cabin cottage lighthouse skyscraper house hut building tower windmill igloo tent castle
    church barn temple pagoda spaceship mansion kiosk
    """)
"""Places that one points at as at a thing."""

CLOTHES = words("""
    hat cap beanie helmet crown tiara hood mask glasses sunglasses goggles scarf tie bowtie shirt
    t-shirt blouse sweater hoodie jacket coat raincoat vest suit tuxedo dress gown skirt jeans trousers
    pants shorts leggings stockings socks sock shoe boot sandal sneaker slipper heel glove mitten belt
    robe cape cloak kimono uniform armor apron overalls bikini swimsuit pajamas necklace earring
    bracelet watch ring backpack veil turban sombrero headphones headband bandana poncho cardigan
    spacesuit costume outfit headdress wig sundress bonnet
    """)

PARTS = words("""
    hair eye face beard mustache nose mouth lip tooth tongue ear neck shoulder arm hand finger leg foot
    knee head skin fur tail wing horn antler paw claw beak feather mane fin scale tentacle hoof whisker
    freckle ponytail braid bang wheel door window roof handle leaf petal branch trunk stem root sail
    button pocket collar sleeve fang tusk eyebrow eyelash
    """)

MASS = words("""
    water snow ice sand grass fire smoke fog mist rain hair fur fruit food bread rice pasta cheese
    butter milk juice coffee tea wine beer soup sauce chocolate honey sugar salt meat beef pork chicken
    fish furniture clothing jewelry luggage traffic foliage vegetation moss ivy mud dirt dust gold
    silver steel lava steam lightning sunlight moonlight paper glass wood cotton silk armor money
    popcorn spaghetti ramen sushi ice-cream lemonade yogurt cereal hay straw coral seaweed ink paint art
    scenery equipment
    """)

THINGS = words("""
    bicycle bike car motorcycle motorbike airplane plane aeroplane bus train truck boat ship hydrant
    bench sign umbrella handbag purse suitcase frisbee ski snowboard ball kite skateboard surfboard
    racket bottle cup fork knife spoon bowl banana apple sandwich orange broccoli carrot pizza donut
    doughnut cake chair couch sofa plant bed table toilet tv television laptop remote keyboard phone
    cellphone smartphone microwave oven toaster sink refrigerator fridge book clock vase scissors
    toothbrush drier meter light parachute van taxi cab ambulance tractor bulldozer scooter wagon cart
    carriage sled sleigh canoe kayak raft yacht sailboat submarine ferry helicopter jet rocket drone
    balloon blimp satellite tank trolley tram locomotive tire engine anchor compass map globe telescope
    microscope camera tripod lens lamp lantern candle torch chandelier bulb mirror frame painting
    picture photo photograph portrait poster statue sculpture fountain monument arch column pillar gate
    fence wall floor ceiling window door stair staircase ladder elevator chimney fireplace stove kettle
    teapot pot pan wok plate dish tray mug glass jar jug pitcher bucket barrel basket box crate chest
    bag sack envelope letter parcel package gift present toy doll puppet teddy puzzle dice card chess
    chessboard domino lego block brick stone rock boulder pebble crystal gem diamond ruby emerald
    sapphire pearl coin key lock chain rope net hook hammer saw axe screwdriver wrench drill nail shovel
    rake hoe broom mop brush comb razor soap towel blanket pillow cushion carpet rug curtain mattress
    sheet hammock armchair stool desk shelf bookshelf bookcase cabinet cupboard drawer wardrobe dresser
    crib sword shield spear bow arrow dagger gun pistol rifle cannon bomb bullet staff wand potion
    cauldron scroll throne flag banner pen pencil crayon marker eraser ruler notebook newspaper magazine
    page paper paintbrush easel canvas palette guitar piano violin cello drum flute trumpet saxophone
    harp accordion banjo ukulele microphone speaker radio stereo television computer monitor screen
    tablet printer mouse robot machine gear battery cable plug switch fan heater clockwork hourglass
    calendar bell whistle tree bush flower rose tulip daisy sunflower lily orchid lotus iris poppy
    dandelion cactus fern mushroom bamboo palm pine oak maple willow vine log stump twig acorn pinecone
    seed pumpkin watermelon melon pineapple strawberry blueberry raspberry blackberry cherry grape peach
    pear plum lemon lime mango kiwi coconut avocado fig pomegranate tomato potato onion garlic pepper
    cucumber lettuce cabbage cauliflower eggplant corn pea bean radish beet celery egg omelet pancake
    waffle bagel croissant muffin cupcake cookie biscuit pie tart brownie burger hamburger cheeseburger
    hotdog taco burrito salad steak bacon sausage fries noodle dumpling sandwich toast candy lollipop
    cone smoothie cocktail milkshake teacup cloud star sun rainbow wave sunset sunrise snowflake
    raindrop icicle iceberg comet meteor asteroid bonfire campfire flame firework bubble shadow
    reflection footprint nest web hive circle square triangle rectangle oval hexagon pentagon octagon
    diamond star cross heart cube sphere cylinder pyramid cuboid prism ring spiral dot ellipse football
    basketball baseball volleyball soccer tennis golf bat glove goal trophy medal dumbbell treadmill
    trampoline swing slide seesaw carousel tricycle stroller wheelchair crutch bandage syringe
    stethoscope skull bone feather shell seashell fossil mummy coffin tombstone grave bowtie lipstick
    perfume ribbon flowerpot planter birdhouse birdcage cage aquarium mailbox lamppost streetlight
    streetlamp billboard bin dumpster cone barrier pole backpack briefcase wallet ticket passport menu
    bouquet wreath garland ornament snowball house-plant houseplant saucer napkin straw chopsticks grill
    barbecue cooler corkscrew thermos blender meadow cliff railing awning ceiling string earring
    building evening morning pudding clothing lightning sled shed bed seed weed reed  wing
     tail wheel roof leaf branch dress skirt horn cloth fabric road sea river lake sand snow
    fire smoke typewriter gramophone record cassette jukebox kaleidoscope marble bead yarn needle thread
    button zeppelin hovercraft jeep limousine convertible pickup lorry crown feather scepter letter logo
    graffiti emblem label sticker cupcake macaron cheesecake gingerbread snack meal breakfast lunch
    dinner dessert picnic hay straw pier kiosk
    abacus aircraft almond altar amulet antenna anthill arcade artifact audience avalanche balcony
    balloon bandage barbell bark barn bartender basil basilisk bathtub baton battlement beaker beam
    beanbag bedspread beehive bench berry bigfoot binder birdbath blackboard bollard bookend booth
    boyfriend bridle brooch brook broomstick bucket bumper bun buoy burrow butler calculator canyon
    caramel carnation cart cashier catapult cattail centaur chalice chalk chalkboard charger chauffeur
    cheddar chili chimera chimney chip choir chopstick chrysalis cinnamon circuit clipboard clocktower
    clover coaster cobblestone cocoon colander commuter conductor confetti console controller coop cord
    countertop couple crane creek crepe crossbow crowd crumb crystal-ball cub cufflink curb curry
    curtain custard cyclist cyclops decanter den diaper dinghy dj doghouse dome doorbell doormat
    doorstep doorway dough drainpipe drawbridge dune earphone excavator exhaust eyepatch faucet fawn
    feather fern flask flipper flowerpot foal folder forklift frosting fudge futon gamepad gargoyle
    gazebo geyser girlfriend glue gnome goblet golem gondola gorge grandparent grater grenade grimoire
    gumball gummy gutter hairbrush ham handlebar harness haystack headboard headlight headset hedge
    helmet herb hibiscus highchair hologram honeycomb horizon hose hot-spring hoverboard hurdle husband
    hydra hydrangea icing idol infant inkwell jam javelin jelly jellybean jogger joystick jumpsuit kebab
    kennel ketchup kiosk kraken ladle lampshade larva leash leprechaun lifebuoy lifeguard lily-pad
    lilypad loaf locket lotion mace magnolia maid manhole marigold marshmallow mast mayonnaise meatball
    medallion merchant metronome minotaur mirage missile mitt moat monocle mortar nacho newborn
    nightstand noodle notepad nut oar oasis obelisk orb orchestra orphan ottoman oven-mitt pacifier
    paddle panda paperclip parchment parka passenger pastry peanut pedal peeler pendant peony pergola
    pestle petal pew pillar pinata pinball pitchfork plank plunger pocketknife podium pollen poncho
    popsicle porch portal pothole pottery preschooler pretzel projector puck puddle pyramid quesadilla
    quill quilt racquet raincoat rapper rattle ravine razor reed relic rocking-horse roll rollercoaster
    rolling-pin romper roof rosemary router rudder rune saddle sandcastle sarcophagus sash scarecrow
    scissors scoreboard screen scythe seaweed seedling segway server shampoo shopkeeper shoreline shower
    shrine shutter sickle sidecar silo singer skull-cap sling slingshot snorkel snowdrift sofa soldier
    spacecraft sparkler spatula spectator sphinx spice spire sponge sprinkle sprinkler sprout stall
    stapler steak stew stopwatch strainer streamer streetcar sundae syrup tablecloth tadpole talisman
    tap tape tapestry tent test-tube thicket tile tofu tongs toothpaste topiary topping torpedo totem
    tracksuit trebuchet trellis trough truffle tugboat tulip tumbleweed turkey turret typewriter urn
    vegetable vehicle vendor vessel vial vortex waffle walnut watering-can weathervane werewolf
    wheelbarrow whip whisk whistle whiteboard widow wife windbreaker windowsill windshield wire wisteria
    wormhole yeti
    """)

COMPOUNDS = phrases("""
    hot dog, hot air balloon, potted plant, dining table, golden retriever, golden gate bridge, german
    shepherd, border collie, orange juice, teddy bear, baseball bat, baseball glove, baseball cap,
    flying saucer, rocking chair, rocking horse, swimming pool, washing machine, sewing machine, vending
    machine, fishing rod, fishing boat, sailing ship, sailing boat, shopping cart, shopping bag,
    sleeping bag, running shoe, hiking boot, polar bear, red panda, blue whale, killer whale, french
    fries, rubik's cube, parking meter, parking lot, living room, dining room, waiting room, bowling
    ball, cutting board, frying pan, walking stick, wedding dress, wedding cake, wedding ring, fire
    hydrant, fire truck, fire engine, stop sign, traffic light, street sign, sports ball, tennis racket,
    tennis ball, tennis court, wine glass, cell phone, hair drier, hair dryer, ice cream, ice cream
    cone, christmas tree, palm tree, cherry blossom, cherry tree, apple tree, pine tree, oak tree, black
    hole, solar system, steam train, steam engine, high heel, top hat, cowboy hat, straw hat, witch hat,
    hard hat, lab coat, trench coat, coffee cup, coffee mug, coffee shop, tea cup, sports car, race car,
    police car, school bus, double-decker bus, street lamp, street light, desk lamp, floor lamp, table
    lamp, light bulb, picture frame, neon sign, chess board, chess piece, playing card, magnifying
    glass, stained glass window, paper airplane, paper plane, rubber duck, soap bubble, soccer ball,
    football field, city street, train station, bus stop, gas station, space station, space suit, full
    moon, crescent moon, night sky, starry sky, northern lights, milky way, coral reef, tree trunk, tree
    house, spiral staircase, record player, remote control, computer mouse, alarm clock, grandfather
    clock, pocket watch, treasure chest, pirate ship, cruise ship, rowing boat, paddle board, bell
    pepper, fried egg, boiled egg, snow globe, snowy owl, bald eagle, siamese cat, persian cat, guinea
    pig, monarch butterfly, great white shark, bow tie, bow and arrow, salt and pepper shaker, eiffel
    tower, big ben, mount fuji, city square, town square
    """)

PLACE_COMPOUNDS = frozenset(
    ["parking lot", "night sky", "starry sky", "city square", "town square", "coral reef"]
)

PLURAL_ONLY = words("""
    scissors glasses sunglasses goggles jeans trousers pants shorts leggings stockings binoculars
    headphones clothes pajamas overalls ruins woods fries chopsticks stairs pliers tongs
    """)
SAME_PLURAL = words("""
    sheep deer fish salmon trout shrimp squid koi tuna bison moose elk aircraft spacecraft hovercraft
    broccoli spaghetti sushi ramen popcorn lego furniture luggage chess dice police swordfish jellyfish
    starfish goldfish tennis bamboo asparagus
    """)
IRREGULAR_PLURALS = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "goose": "geese",
    "mouse": "mice",
    "ox": "oxen",
    "knife": "knives",
    "wolf": "wolves",
    "leaf": "leaves",
    "shelf": "shelves",
    "bookshelf": "bookshelves",
    "loaf": "loaves",
    "scarf": "scarves",
    "calf": "calves",
    "half": "halves",
    "hoof": "hooves",
    "thief": "thieves",
    "elf": "elves",
    "dwarf": "dwarves",
    "wife": "wives",
    "cactus": "cacti",
    "fisherman": "fishermen",
    "policeman": "policemen",
    "snowman": "snowmen",
    "businessman": "businessmen",
    "businesswoman": "businesswomen",
    "gentleman": "gentlemen",
    "spaceman": "spacemen",
}
NOUNS = (
    PEOPLE | ANIMALS | PLACES | CLOTHES | PARTS | MASS | THINGS | frozenset(IRREGULAR_PLURALS)
) | PLURAL_ONLY
MOST_DRAWN = 4
SHAPES = ("circle", "square", "triangle", "star", "diamond", "cross")


def is_noun(word: str) -> bool:
    """Whether this word, in the singular, is a known noun or ends in one as a compound."""
    return word in NOUNS or word in COMPOUNDS
