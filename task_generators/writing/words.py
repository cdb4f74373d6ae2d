"""Large pools of names and values. Short, common words: a small model must be able to copy them."""

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random
from typing import Final, TypeVar

T = TypeVar("T")


def _pool(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TOPICS: Final = _pool(
    """
    agenda album alert annex answer appeal atlas audit badge ballot banner batch bill board bonus brief budget
    bulletin bundle cake calendar camera campus cargo catalog chapter chart check cheese choir claim class
    client clinic coffee contest contract coupon course credit crew dance data deal debate deed design diary
    digest dinner draft drawing dream essay event exam export fact farm fee film flower forecast forum fund game
    garden gift glossary goal grade grant graph guest guide health history holiday hotel house idea import index
    inquiry interview invoice island item job joke journal kitchen label lecture legend lesson letter library
    license list loan log lunch lyrics magazine mail manual map market meal medal meeting memo menu message
    meter minutes mission model motto movie museum music news notice novel number offer opera option order
    outline packet page painting paper parade party patent path patient payment permit petition phone photo
    piano picture pilot plan plant player poem policy poster prayer prize profile program project proof proposal
    prose protocol puzzle quest question quiz quota quote race radio rate recipe record refund rehearsal
    reminder rent repair report request result resume review ride river road roster route rule salad salary sale
    sample school scope score script search season seminar series service session shop signal sketch skill
    slogan song source speech sport staff story studio study summary supper survey syllabus symbol table talk
    target task tax team ticket timer title topic tour toy trade train transcript travel treaty trend trial trip
    tutorial update vacation verse video village visit vote voucher walk wallet warning weather wedding wiki
    winter wish workshop yield zone
    """
)
"""Names of files, folders' contents, and the like."""

PLACES: Final = _pool(
    """
    admin alpha amber anchor apollo archive arctic aspen aurora autumn backup basement bay beacon beta birch
    blue bridge bronze cabin canyon cedar center central chapel city cloud coast cobalt comet copper coral
    corner cotton crater creek crystal delta desk dock docs dome drafts eagle east echo eden elm ember engine
    entry falcon field finance fjord forest fort fox gallery gamma garage gate ginger glacier gold granite green
    grove hall harbor haven hazel hill home horizon inbox indigo ivory ivy jade jasper jungle juniper lab lagoon
    lake lemon lily linen lotus lunar maple marble marina marine meadow media mercury midway mint misc mobile
    moon moss mountain nebula north nova oak oasis ocean office old olive omega onyx opal orbit orchard orchid
    outbox pacific palm panda pearl pepper personal pine plaza polar pond prairie private public quarry quartz
    rain raven reef research ridge ruby saffron sage sand sapphire shared shelf shore silver sky slate snow
    solar south spare spring spruce station stone storage store storm summit sun sunset temp terra thunder tiger
    topaz tower turtle upload valley vault velvet violet west willow wind wolf wood work zenith
    """
)
"""Names of folders."""

EXTENSIONS: Final = ("txt", "md", "csv", "log", "doc", "pdf")

FIRST_NAMES: Final = _pool(
    """
    Ada Alan Alice Amir Amy Ana Anil Anna Ben Bella Boris Carl Carla Chen Chloe Clara Cora Dan Dana Dina Elena
    Eli Ella Emil Emma Eric Eva Felix Fiona Frank Gina Grace Hana Hugo Ian Ines Ivan Jack Jana Jane Joe John
    Julia Kai Karl Kate Lara Laura Leo Lena Liam Lily Lisa Luca Lucy Luis Maria Mark Maya Mia Mila Nadia Nina
    Noah Nora Olga Omar Oscar Otto Paul Pia Ravi Rita Rosa Ruth Ryan Sam Sara Sean Sofia Tara Tim Tom Uma Vera
    Victor Wei Yara Yuki Zoe
    """
)

LAST_NAMES: Final = _pool(
    """
    Adams Allen Baker Bell Berg Black Brown Byrne Carter Chan Clark Cole Cook Cruz Davis Diaz Dunn Ellis Evans
    Fischer Ford Fox Garcia Gray Green Hall Hansen Harris Hill Hughes Hunt Ito Jones Kelly Khan Kim King Klein
    Kumar Lane Lee Lewis Lopez Mason Meyer Miller Moore Morris Nash Novak Ortiz Owen Park Patel Perez Price Reed
    Rossi Ruiz Sato Scott Shaw Silva Singh Smith Stone Tanaka Taylor Torres Turner Vega Wagner Walker Ward Weber
    West White Wolf Wong Wright Young Zhang
    """
)

SYMBOLS: Final = _pool(
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


def some(rng: Random, pool: Sequence[T], count: int) -> list[T]:
    """Draw `count` different members."""
    return rng.sample(pool, count)


def digits(rng: Random, length: int) -> str:
    """Draw a number of so many digits, as text."""
    return str(rng.randrange(10 ** (length - 1), 10**length))


def price(rng: Random, low: int = 10, high: int = 900) -> float:
    """Draw a price that is no whole number: 250 and 250.0 would be two spellings of one value."""
    return rng.randrange(low, high) + rng.choice((0.25, 0.5, 0.75))


def day(rng: Random) -> str:
    """Draw a date of 2025 to 2027, as YYYY-MM-DD."""
    return (date(2025, 1, 1) + timedelta(days=rng.randrange(1095))).isoformat()


DEVICES: Final = _pool(
    """
    printer scanner laptop monitor keyboard mouse router server phone tablet projector camera headset speaker modem
    switch charger dock badge-reader elevator heater fan lamp fridge dishwasher turnstile intercom plotter copier
    shredder microwave thermostat sensor battery antenna firewall website calendar mailbox database wiki forum chat
    backup login payroll search archive
    """
)
FAULTS: Final = (
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
)
NEWS: Final = (
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
)


def news(rng: Random, topic: str | None = None) -> str:
    """Draw one short sentence that somebody might send."""
    return rng.choice(NEWS).format(topic=topic or rng.choice(TOPICS), hour=rng.randint(1, 12))


def fault(rng: Random) -> str:
    """Draw what somebody might open a ticket about."""
    return f"{rng.choice(DEVICES)} {rng.choice(FAULTS)}"
