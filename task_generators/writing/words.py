"""Large pools of names and values. Short, common words: a small model must be able to copy them."""

from typing import Final

from task_generators.writing.draws import Draws, ValuePool

TOPICS: Final = ValuePool.of(
    """
    absence account advice agenda airline album alert anecdote annex answer apology appeal apple
    article assembly atlas auction audit badge balance ballet ballot banner bargain batch battery bicycle bill
    biography birthday blanket blog blueprint board bonfire bonus booklet bookmark bottle bread brief brochure
    budget bulletin bundle bus business butter cabinet cake calendar camera campaign campus candle canvas caption
    career cargo cartoon catalog census ceremony certificate chapter charity chart check cheese chess choir cinema
    circuit citation claim class clause client climate clinic clock coach code coffee collage comment committee
    company complaint compost concert conference consent contact contest contract cookie costume council country
    coupon course cover credit crew cruise currency dance data deal debate debut decade decree deed delivery demo
    deposit design desktop dialog diary dictionary digest dinner diploma directory discount dispatch donation
    dossier draft drawing dream duty edition election elevator email envelope episode equipment escape essay estate
    evaluation event evidence exam excerpt excursion exhibit expense experiment export extract fabric fact factory
    failure farm fashion fee feedback ferry fiction figure film filter finale fitness flight flower footage forecast
    formula forum freight frontier fund furniture gadget game garden gift glossary goal gossip grade
    grant graph greeting grocery guarantee guest guide guideline harvest headline health heritage highlight history
    holiday homework honey horoscope hospital hotel house household idea import income index infant injury inquiry
    insight inspection institute insurance interest interview invoice island item itinerary jacket jewelry job joke
    journal journey jury keynote kitchen label landscape language launch laundry leaflet lease lecture legacy legend
    leisure lesson letter library license limit list litter loan locker log logbook lottery lunch lyrics machine
    magazine mail manual map marathon margin market marriage mascot material matrix meal measure medal medicine
    meeting memo memory mentor menu merger message meter method mileage minutes mirror mission mixture model
    mortgage mosaic motion motto mountaineer movie museum music narrative network news newsletter nomination
    notebook notice novel number nursery obituary occasion offer opera option orchestra order origin outfit outline
    overview oxygen packet page painting pamphlet panel paper parade paragraph parcel parking partner
    party passport patent path patient pattern payment pension permit petition pharmacy phone photo
    phrase piano pickup picture pilot placement plan plant platform player playlist podcast poem policy portrait
    postcard poster pottery prayer prelude premium preview privacy prize procedure profile program project promise
    proof proposal prose protocol puppet purchase puzzle pyramid quarrel query quest question questionnaire quiz
    quota quote race radio rate rebate receipt reception recipe record referral reform refund register rehearsal
    relay remark remedy reminder renewal rent repair repertoire report request requiem reserve residence resolution
    result resume retreat reunion revenue review reward rhyme ride ritual river road robot romance roster rotation
    route royalty rule safety saga salad salary sale sample sandwich satire scandal scenario scenery schedule
    scholar school scope score scrapbook script sculpture search season seating segment semester seminar series
    sermon service session settlement shelter shop shortage sickness signal silence sitemap skeleton sketch skill
    slideshow slogan soccer solution song sonnet source souvenir speech spelling sponsor sport spreadsheet squad
    staff stamp standard statement statistic sticker story strategy studio study subtitle suburb subway summary
    summons supper surgery surplus survey suspect syllabus symbol symphony synopsis table tablet talk
    target tariff task tax teacher team telegram template tenant terms testimony textbook theater theory thesis
    thriller ticket timeline timer timetable title toolkit topic tour tourism tournament toy trade tragedy train
    transcript transfer travel treaty trend trial trip triumph trophy tuition turnout tutorial uniform union
    university update upgrade utility vacation vaccine venture verdict verse video vignette village vineyard violin
    visa visit visitor vocabulary volunteer vote voucher voyage wage walk wallet wardrobe warning warranty wealth
    weather wedding welfare whistle wiki winter wisdom wish witness workbook worksheet workshop
    yearbook yield zone zoning
    """
)
"""Names of files, folders' contents, and the like."""

PLACES: Final = ValuePool.of(
    """
    acorn admin agate alcove almond alpha alpine amber amethyst anchor anvil apollo arbor arcade arch archive arctic
    arena ash aspen atlantic attic aurora autumn avenue azure backup balcony bamboo banyan barn basement basin bay
    bazaar beacon beech beige beta birch blue bluff borough boulder bramble brick bridge bronze brook bunker burrow
    cabin cactus camellia canal canopy canteen canyon cape cascade castle cavern cedar cellar center central chalet
    chamber channel chapel cherry chestnut cinder citadel citrus city clearing cliff cloud clover coast cobalt
    colony comet compass copper coppice coral corner cottage cotton cove crater creek creekside crimson crossing
    crown crystal cypress dawn delta desert desk dock docs domain dome drafts dune dusk eagle east echo eden elm
    ember emerald engine entry estuary evergreen falcon fern field fig finance fjord flint foothill
    forest fort foundry fountain fox foyer frost galaxy gallery gamma garage gate ginger glacier gold gorge granite
    green grotto grove gulf hall hamlet hangar harbor haven hearth heath heron hill hollow home
    horizon hut igloo inbox indigo iris isle ivory jade jasper jetty jungle juniper kiln kiosk lab
    ladder lagoon lake landing lane larch larder laurel lavender ledge lemon lighthouse linen
    lobby lodge loft lotus lunar magnolia manor mansion maple marble marina marine marsh meadow media
    mercury mesa mews midway mill mimosa mine mint misc mobile monsoon moon moor moss mountain nebula nest niche
    nook north nova oak oasis obsidian ocean office old olivine omega onyx opal orbit orchard
    orchid osprey otter outbox outpost oxbow pacific paddock pagoda palm panda parlor passage patio peak
    pebble peninsula pepper personal pier pine pinnacle plateau plaza polar pond poplar poppy porch port
    prairie prism private public quad quarry quartz quay radius rain ranch rapids raven ravine redwood reef research
    reservoir ridge rift rink robin rooftop rosewood rotunda saddle saffron sage sanctuary sand
    sapling sapphire savanna scarlet sequoia shared shed shelf shire shore silo silver sky slate snow solar south
    spare sparrow spire spring spruce square stable stairwell station steppe stone storage store storm stream
    summit sun sunset swan swift sycamore tavern temp terra terrace thicket thunder tiger timber topaz
    tower trail tulip tundra tunnel turtle umber upload vale valley vault velvet veranda violet vista
    volcano walnut warehouse waterfall west wharf wheel whitewood willow wind wisteria wolf wood woodland work yard
    yew zenith
    """
)
"""Names of folders."""

EXTENSIONS: Final = ("txt", "md", "csv", "log", "doc", "pdf", "json", "html")

FIRST_NAMES: Final = ValuePool.of(
    """
    Abel Ada Adam Agnes Aida Aisha Alan Alba Alec Alice Alma Amir Amy Ana Andre Anil Anita Anja Anna Anton Arno
    Arthur Asha Astrid August Axel Basil Bea Bella Ben Bert Bianca Boris Bruno Cara Carl Carla Cecil Celia Cesar
    Chen Chloe Clara Cleo Colin Cora Cyril Daisy Dan Dana Dario David Diana Dina Dirk Dora Doris Edgar Edith Eileen
    Elena Eli Elias Elisa Ella Ellen Elmer Elsa Emil Emma Enzo Eric Erika Ernest Esther Eva Fatima Fay Felipe Felix
    Fiona Flora Floyd Frank Freda Fritz Gabor Gail Gemma Gerd Gilda Gina Glen Grace Greta Gus Gwen Hal Hana Hans
    Harold Hazel Heidi Helga Henry Hilda Holly Hugo Ian Ida Igor Imani Ines Inga Irene Irma Isaac Ivan Ivy Jack Jake
    Jamal Jana Jane Janet Jasmin Jens Joan Joe Joel John Jonas Jorge Josef Joy Juan Jude Julia June Kai Kara Karin
    Karl Kate Keith Ken Kira Klaus Kofi Kurt Lara Lars Laura Lea Leah Leila Lena Leo Leon Lewis Liam Lily Linda Lisa
    Lola Lorna Lotte Louis Luca Lucy Luis Lukas Luna Lydia Mabel Malik Manuel Marco Marek Marge Maria Marian Mario
    Mark Marta Martin Mateo Max Maya Meg Mei Mia Mila Mira Mona Moses Myra Nadia Nadine Nancy Naomi Ned Nell Nico
    Nils Nina Noah Noel Nora Norma Odette Odin Olaf Olga Olive Oliver Omar Oscar Otto Pablo Paul Paula Pearl Pedro
    Percy Petra Phil Pia Priya Quinn Rafael Ralph Ramon Raul Ravi Rex Rhoda Rita Roger Roland Roman Rory Rosa Roy
    Ruby Rufus Rupert Ruth Ryan Sam Samir Sara Sean Selma Serge Silas Simon Sofia Sonia Stella Sven Sybil Tanya Tara
    Ted Thea Theo Tilda Tim Tina Todd Tom Tony Troy Ulla Uma Umar Ursula Valerie Vasil Vera Victor Vince Viola Wade
    Wanda Ward Wei Wendy Wes Wilma Xenia Yan Yann Yara Yasmin Yoko Yuki Yusuf Zelda Zoe Zoltan
    """
)

LAST_NAMES: Final = ValuePool.of(
    """
    Abbott Adams Aguilar Albers Allen Amato Archer Ashby Avery Bailey Baker Banks Barr Bates Bauer Becker Bell Berg
    Bishop Black Blake Bond Bowen Boyd Brandt Brooks Brown Burke Burns Byrd Byrne Cain Carter Chan Chavez Clark Cole
    Conti Cook Cooper Costa Craig Cruz Curtis Dale Dalton Davis Deluca Diaz Dixon Doyle Drake Dunn Duran Eaton Egan
    Ellis Engel Evans Farrell Ferrari Finch Fischer Flynn Ford Foster Fox Frost Fuchs Gallo Garcia Gibson Glover
    Gomez Graham Grant Gray Green Gupta Haas Hall Hansen Hardy Harris Hart Hayes Hill Hoffman Holmes Horn Huber
    Hughes Hunt Ibarra Irwin Ito Jansen Jensen Jones Joshi Kane Keller Kelly Kemp Khan Kim King Kirk Klein Koch
    Kovacs Krause Kumar Lane Lang Larsen Lawson Lee Lewis Lind Logan Lopez Lowe Lund Lynch Marsh Mason Maurer Mendez
    Meyer Miller Mills Molina Moore Moran Morris Mueller Munoz Murphy Myers Nash Navarro Nolan Norris Novak Obrien
    Olsen Ortiz Osman Owen Page Palmer Park Parker Patel Paz Pena Perez Petrov Pike Poole Porter Price Quinn Ramos
    Rao Reed Reyes Rhodes Rivera Rossi Roth Rowe Ruiz Russo Ryder Santos Sato Sawyer Schmid Scott Sharp Shaw Short
    Silva Singh Smith Snow Soto Steele Stern Stone Sutton Tanaka Tate Taylor Thorne Torres Tran Tucker Turner Tyler
    Vance Varga Vega Vogel Wade Wagner Walker Walsh Ward Watts Webb Weber Wells West White Winter Wolf Wolfe Wong
    Wood Wright Yates Young Zhang Zimmer
    """
)

SYMBOLS: Final = ValuePool.of(
    """
    ABT ACN ADBE ADI ADM ADP ADSK AEE AEP AES AFL AIG AIZ AJG ALB ALGN ALL ALLE AMAT AMCR AMD AME AMGN AMP AMT
    ANET AON AOS APA APD APH APTV ARE ATO AVB AVGO AVY AWK AXON AXP AZO BALL BAX BBY BDX BEN BIIB BKNG BKR BLK
    BMY BRO BSX BWA BXP CAG CAH CAT CBRE CCI CCL CDNS CDW CEG CFG CHD CHRW CHTR CINF CLX CMA CME CMG CMI CMS CNC
    CNP COF COO COP COST CPB CPRT CPT CRL CRM CSCO CSX CTAS CTRA CTSH CTVA CVS CVX CZR DAL DECK DFS DGX DHI DHR
    DLR DLTR DOC DOV DOW DPZ DRI DTE DUK DVA DVN DXCM EBAY ECL EFX EIX ELV EMN EMR ENPH EOG EPAM EQIX EQR EQT
    ESS ETN ETR EVRG EXC EXPD EXPE EXR FANG FAST FCX FDS FDX FFIV FICO FIS FMC FOXA FRT FSLR FTNT FTV GDDY GEHC
    GEN GILD GLW GNRC GPC GPN GRMN GWW HAL HAS HBAN HCA HES HIG HLT HOLX HON HPE HPQ HRL HSIC HST HSY HUBB HUM
    IBM ICE IDXX IEX IFF ILMN INCY INTC INTU INVH IPG IQV IRM ISRG ITW IVZ JBHT JBL JCI JKHY JNJ JNPR JPM KDP
    KEY KEYS KHC KIM KLAC KMB KMI KMX
    """
)
"""Stock symbols."""


DEVICES: Final = ValuePool.of(
    """
    printer scanner laptop monitor keyboard mouse router server phone tablet projector camera headset speaker modem
    switch charger dock badge-reader elevator heater fan lamp fridge dishwasher turnstile intercom plotter copier
    shredder microwave thermostat sensor battery antenna firewall website calendar mailbox database wiki forum chat
    backup login payroll search archive charger-cable doorbell smoke-detector barcode-reader label-printer
    whiteboard vending-machine coffee-machine air-conditioner radiator thermometer microphone turntable receiver
    amplifier laminator stapler scale washer dryer boiler freezer oven blender vacuum sprinkler gate escalator
    treadmill forklift conveyor compressor generator-set pump valve-sensor gauge dashboard helpdesk intranet
    newsletter-tool spreadsheet-app gallery-app video-player map-viewer booking-page checkout password-reset
    invoice-form
    """
)
FAULTS: Final = ValuePool(
    (
        "is slow",
        "is broken",
        "is offline",
        "makes noise",
        "shows an error",
        "does not start",
        "is missing",
        "keeps crashing",
        "needs a new part",
        "lost its settings",
        "is too hot",
        "cannot be found",
        "needs an update",
        "is out of stock",
        "does not answer",
        "is too loud",
        "smells burnt",
        "restarts by itself",
        "is locked",
        "shows the wrong time",
        "does not charge",
        "is out of date",
        "has a loose cable",
        "leaks water",
        "runs very slowly",
        "is not connected",
        "has a cracked cover",
        "asks for a code",
    )
)
NEWS: Final = ValuePool(
    (
        "The {topic} is ready.",
        "Please look at the {topic}.",
        "The {topic} is late.",
        "Can you send me the {topic}?",
        "I have lost the {topic}.",
        "We need a new {topic}.",
        "The {topic} starts at {hour}.",
        "Bring the {topic} at {hour}.",
        "The {topic} was moved to {hour}.",
        "Thanks for the {topic}.",
        "Who has the {topic}?",
        "The {topic} went well.",
        "The {topic} is cancelled.",
        "Where is the {topic}?",
        "I am done with the {topic}.",
        "The {topic} opens at {hour}.",
        "Do not forget the {topic}!",
        "See you at the {topic} at {hour}.",
        "Nobody liked the {topic}.",
        "Is the {topic} still on?",
        "The {topic} looks great.",
        "I will bring the {topic}.",
        "The {topic} costs too much.",
        "We begin with the {topic} at {hour}.",
        "Any word on the {topic}?",
        "They want the {topic} by {hour}.",
        "The {topic} is on its way.",
        "Ask them about the {topic}.",
    )
)


SEARCHABLE: Final = ValuePool(
    topic for topic in TOPICS.all if sum(topic in word.lower() for word in (*TOPICS.all, *PLACES.all, *NEWS.all)) == 1
)
"""Topics that no other word of a message or a tweet contains."""


def news(rng: Draws, topic: str | None = None) -> str:
    """Draw one short sentence that somebody might send."""
    return rng.one(NEWS).format(topic=topic or rng.one(TOPICS), hour=rng.randint(1, 12))


def fault(rng: Draws) -> str:
    """Draw what somebody might open a ticket about."""
    return f"{rng.one(DEVICES)} {rng.one(FAULTS)}"
