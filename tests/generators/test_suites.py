"""Frozen suites: what they hold, that they never change unnoticed, and that training does not reach them."""

import time
from collections import Counter
from itertools import islice

import pytest

from loop.errors import NotFound
from loop.plan import run
from loop.plugins import load
from loop.types import From, Part, Split, Suite, Turn
from task_generators.backends.bfcl import CATEGORIES, entries, entry_task
from task_generators.backends.worlds import open_world
from task_generators.bfcl import referring, tasks_of
from task_generators.suites import BFCL, RENDERED, SINGLE, names, suite
from task_generators.suites.leaks import DatasetAudit, shared, training_sample
from task_generators.suites.overlaps import Overlap, audit
from task_generators.writing.generator import split_of

FROZEN = {
    "rehearsal-depth": "02eced8e3e92cb14b6366a00d0c6020d5ccfff4811eadfc513c5f82a1ab0761e",
    "rehearsal-depth-sealed": "47b36af3ef775bdd47171fde6974a8d409878e896e9eee9c13943ab19d021520",
    "rehearsal-breadth": "3aa322491277c5b809475f5edf009b7837dccd182cbce8b38c7a7928c2a5cf4b",
    "rehearsal-breadth-sealed": "a843fc251aa3e86d9976f2a284bc0ec63bd3b0b7147ee35fd82ce18b206ee5c8",
    "quick-depth": "5b338f5da74306cf9c9ed46a461270d29ab7848714a1ee359712cb95ea892879",
    "quick-depth-sealed": "33a979707f592e8d748b41dcbabe13e1ae2299062178d90ab56ee206abb093f1",
    "quick-breadth": "529823d573c389d02f75175726bd9c8a7fcf9db832433c80fd06a83e50f177ac",
    "quick-breadth-sealed": "512877f1308e7f0c5384848893579e8f1698914f2f488d2688827bc90c7abcec",
    "small-depth": "9917c416d8bb6d80868124089a9088bed7284266dd846234c6c0f124d372d7a2",
    "small-depth-sealed": "a040f0ee63e11493fa9442b63daa1b425b882bbf1189141cdffc5de464ef72ef",
    "small-breadth": "54b2a6bf4cf87150581897162e04d4333af738d4541d1950e1398a3d70f5de52",
    "small-breadth-sealed": "26c79d3edc4f7d5bf41e586d63c40dc8994708dc22b656c11b3644d92f6e6d77",
    "depth": "6c2d7303f4076b41e596dca11103c8af1c8243351ac971c2510fcc5a47cabc21",
    "depth-sealed": "9b65b9ccd977b7c6dd4de7899e4b09a65d9606d8409addcca55a33048180222d",
    "depth-hard": "177914896f3dfa5ca309ffb06aaff6dc52da0318390234a5f458e0cc50f6deae",
    "depth-hard-sealed": "c74fbfc4770d52e9b8f9ac677bfdd243abbbc46decc5a70df28d3308073912f9",
    "depth-hardgen": "2d92c4322cd6dc93c31040c82707d9d9a3316631981db12bfeb18a53091db8ff",
    "depth-hardgen-sealed": "680ebe123add6d65cf3a5b8ea1ba1487f7effda8a6e15ba3abb36c4fe4c23281",
    "depth-veryhard": "e987e21df19d62675689cffb5872915e90eaadc87ec341394ef26efebb300095",
    "depth-veryhard-sealed": "afd302cc25a63a5b2cbbb91e0b67f1ade57a86667afe20a65550fec602a4648d",
    "breadth": "8c1f04a45bd8ec6bc7b66bc5bbeaed9c5a7fc8fa733d4ac6cc2a7d8aba9552e5",
    "breadth-sealed": "1399c254ed294c168c6b066ec5e3373299252c0e29fe984feac87954e6b53b30",
    "abstention": "a3c3070f8b6dde89a05e06f49b299c99509ccadc85eca674625c2c4b0e6cb8f3",
    "abstention-sealed": "8a2bf4f25bdf29b874d009c2caa828fc5a5171f9ffdbc83006f6254cb503f2a0",
    "repair": "c46fdc45ae23d65994c54b5fb2bba23e4f4fd44bab86aa31b138d6a4192a9ee1",
    "repair-sealed": "d3f05e21f151cf05b583db794e20fa8c8e35e8a2e107cfff9030937e3add27c5",
    "sql": "60700db83cbbeeb18d4fb95a0555f928a77c2757a3341ee6a07757ec49617219",
    "sql-sealed": "93fe5c2eb1991ff84244833aebe0cc258c5a38938d83e26b8a7d17392bb83e19",
    "files-easy": "667234aec9e82ce9efac7cb15eb7c4152d2d803f28e6c421407463c534c49f71",
    "files-easy-sealed": "b3d5e06942fa59984019ee667b0ca9b110cc67e8e499eff61820385c68aa9bdf",
    "files-moderate": "b2cc2288674824e1d2e8b17e6c0b621421bfeaff0ba6845d22ec00d11043f902",
    "files-moderate-sealed": "14125c7c3158bb9803a80a830983a783ff195fde9ff4c5be68563f9abb257392",
    "files-hard": "5b760734ccc201c0f223f8dd375bdb6ac44d9b054a67d5b01242a6762bd5e2bc",
    "files-hard-sealed": "3f30528ca45bdc34941565c768cd2460ec8fa8a335835b82f7299dbf0734ec7a",
    "files-veryhard": "18bed69116885a636fd677a4be6dfd27e75940b525bc86367062ca23718e4934",
    "files-veryhard-sealed": "e10e491c3f4f4cd8aef089558e02ee81d2a3440d7cad653d81c0b159bfca6aac",
    "maths-easy": "4fb15b04654e7f191c7b2a0df82ed216266db3d1acbec200d7c28fb7b9269044",
    "maths-easy-sealed": "e050f254bfe643b8ebb2c8aebf43d7b7874e030c308c20ee3159309924b6e05e",
    "maths-moderate": "9c98535c47d02dffdd5851a7c48bf9cc5d9052dac5273264e32572c9a126e496",
    "maths-moderate-sealed": "5f7c1f5ef8e6cf077e546fdb7e2dd7a97984d514e7034014ef3349ed39827d8d",
    "maths-hard": "317c99389d23832b8247f6318e89333b98ba77f0ac1869967b053c7dc357ae79",
    "maths-hard-sealed": "7c73cebb94b0371286293a1f54c80e77f9107ca524e909e80fdc51a9475895a4",
    "maths-veryhard": "d6755a0d1d40193c36ced11e411364a0468915f29f8ec6d8e668c26463e2aa62",
    "maths-veryhard-sealed": "2467a5eda7cb334566f1d167ac8a9b2a592e5c9a6561705bfd81af267f12327f",
    "messages-easy": "47239412065139f506f3d09aff0cf305353075d521cbeb58e26319f4b9628f8d",
    "messages-easy-sealed": "673cf7a871e014b1180f302260405d3a654b88e9368c55ec01c8425096cbcaff",
    "messages-moderate": "e358c34c20cddb3cd360b45b2ee5476bc4038948e2af38503438c14215ac1fd7",
    "messages-moderate-sealed": "a0ba2d8096cdc9f2557f41700f27da35a6bb584021566fc85e9672ca2882f1b8",
    "messages-hard": "07501d73622d58ac025297927bcc4a915b8119d1b326782d62f69437f0955764",
    "messages-hard-sealed": "c2af384912b0ffb4c7401547b738f3f2b0a87e90e422cb581137ac78e658c5ef",
    "messages-veryhard": "590ec9c8980f6ab6c92fd6d9f29f605c1f45c31322e5d35ad2b0b45c6b3647cc",
    "messages-veryhard-sealed": "7c6a9f2aec9697520021d60d70a42bc01fa30247c1e3e1a7e531a93be688a355",
    "sql-easy": "bf12878062b254ed8ad7d1d4babe4b85f992a14481dd060b15799eec2e410ebf",
    "sql-easy-sealed": "a892c69e0cb3032903791039da530908a055dc7eeec61d1962b7a406e4c7d5c6",
    "sql-moderate": "23e37577dd1468696acf3783b956cd0eb9734df7431826718e4b91647f727950",
    "sql-moderate-sealed": "7181d2a09fb2d4de2b7d60d113734f752f04039312952e5eb460f44338ec9b3c",
    "sql-hard": "0b3000e56e5220d1d81f05573e1d077b0718d2205024511de965aca52276390c",
    "sql-hard-sealed": "8af445c3a2230be3e2d00b1d0984f8d999d2f1d5214919e35d770bc2417e275c",
    "sql-veryhard": "48048fa7fa336a1d2bd32de7023b4f7c5963ef8c2a1f077973f82fda03b53d30",
    "sql-veryhard-sealed": "8ff3aa7ad1a31e6953f479f7e19928fcf84f9dd0b881617aa62f6d6be659c553",
    "tickets-easy": "0c53748464904bfe410ed7aeefd231450b3d98a4d65fb6bb8d9a8ebbccd40417",
    "tickets-easy-sealed": "d75eefc80ffdfc011c2f90299c1c4fa4a6a6c0dbcb0080fd0649be193359eef2",
    "tickets-moderate": "7b9bb6f11a72a75cfb54a19c0284394e73893f5c0f21966f5445e5e682086865",
    "tickets-moderate-sealed": "8f56a27e11c9ebed90db63c9b9f4bb1b6bba93265ad13ea66f862ae1770e57f8",
    "tickets-hard": "110f262baa10890855bb92db8de38e1ffbcefb133ad392aecff9e1ff4edce149",
    "tickets-hard-sealed": "6d423cc895980f4c6bf4050ae7465a82507a9d47875bc194e8ddca9172376fe4",
    "tickets-veryhard": "cf3e8caf2f233004c90989bcee6626809c560803b69b0df3f539da1ab6169d8e",
    "tickets-veryhard-sealed": "6d5d4282656d43503f1360303fe6375fc44610b605a7ac83662f1a024131250d",
    "trading-easy": "2908d62cf803cfc5e51b5c0dc2f192fa8ec163a202c36ef6e9e9d8558ec7c89b",
    "trading-easy-sealed": "6a527218fb45825611cfd922abe21b555e724cedc67fe4087623766be265cdfc",
    "trading-moderate": "e594e718dfd3d9c9826f9feb09ed649aad2d35d348c4ec49d84117c0ebf408a7",
    "trading-moderate-sealed": "eedd9dbeda1b783fc4999a14041133fef28fe9bcf571bc3bcd9736ebf65e1dd2",
    "trading-hard": "251ec4502b51071d1d98a4aee8802b5e61040fb2a16899d2c06b47f8be7c8ef5",
    "trading-hard-sealed": "416128570aafb792aab8f2621823b0fbe4e68af981e9bea0ed901ae830f35161",
    "trading-veryhard": "1d74253c1d42ad068b7df207e75e8cc29d9f4e9aed3bf5967d0eac6e6e2a87fb",
    "trading-veryhard-sealed": "cc9138a7075790db58fcc94e9fcd3282c2a4d620889fe66c2e33e0c866b33e56",
    "travel-easy": "70a61ad223080c814e19aa23862cbf921e4ca4ca9ade718132408310a49d0014",
    "travel-easy-sealed": "3acd234d7b107fa98b9d7ef16a353beee8dc269700c1602ba745824a4ce3712f",
    "travel-moderate": "5fd54620499d8b6cba78427425ad0a16c90fd33e376c0704fd6518bbf2efaa43",
    "travel-moderate-sealed": "a615776ccba87112c6efd88f9526d647d12340338053635e2b0dcbbf03a4f9e5",
    "travel-hard": "a2921b5b0b80a08e24bcdf7b190388c7f85cf942225df78e086d40317a1655ea",
    "travel-hard-sealed": "25abcef0cc7e0dfafba98f1d4d6f81e6f34655595ec08b90ea6e6985495cadf9",
    "travel-veryhard": "4ef662c91d8170cac31e114f076ae93e8b5671a8cfc070c964f6e2f1c202173a",
    "travel-veryhard-sealed": "57427a0997dbeec5053f954259cf772fddfefb5bb1a64cc665f5e0978093bfee",
    "twitter-easy": "61723455d9d848e282e375f516993b938655f57f689fa942627a8756a5075a6e",
    "twitter-easy-sealed": "87affcc5d3e3cc36c7396aa976756c104d469e1a9fde76f1f0d95afb6a7f6bd5",
    "twitter-moderate": "4f312fdd41bef13a0a29d00fe6343ff1c54f2e4bace46ef25e5a849e2c033d28",
    "twitter-moderate-sealed": "746ad7eeb340bd15bd18d92a02f220b2158ba2135fa704f7fd2014ce10e852ef",
    "twitter-hard": "fe4b80b2bd70fef71f045c88b945b301c00fa6aaabedfc8431f1b1b1d13facbb",
    "twitter-hard-sealed": "516a5a322753f10bb2d2b98007b5688309f66660227610f596b7b6389c04265a",
    "twitter-veryhard": "75cb95354ee82ee224326b8115640c7fa83f49c5027f9b72985f8fdb452ef98b",
    "twitter-veryhard-sealed": "b948a59fe2e1a1e7e38a3a3db91a25ad642a7fbbb5c35afa4ae2ca906ea77261",
    "vehicle-easy": "dad7bd3ee376ddcf5ce3fdf4606929bd18f2ae47a4137b9d906d081addefcd33",
    "vehicle-easy-sealed": "6c3015e84407c473ffe5dd1733f8df905c8891fd91b0f42b9b9b6041dbb4b1e2",
    "vehicle-moderate": "d6911592487c43e821eaef576b081e6dcded01613e7e10deeefabf541b96ba32",
    "vehicle-moderate-sealed": "868d656b5123cf33ea31173bf4860ce15d66a6bdc66da1f45e7793c3d94bf1a8",
    "vehicle-hard": "a52fffc92e66cc95b3da50dc6587ce074691b8260b946265c4067301dd14df68",
    "vehicle-hard-sealed": "2f5635a4b38ca7c766c593934239aa99ea54dbfb5fa9b6dbb588bb54ef951583",
    "vehicle-veryhard": "53ca1a176013172c9d8c2c204c96e3691532a27bfe66cc4d31b25a973d9d7251",
    "vehicle-veryhard-sealed": "fb83682be52dc79fa7c305412b3d52a42089a5935555dd34d6d227907e5ce300",
    "pairs-easy": "d89767595e8ab6190afbdd40320c92e5c00d1082be6d7cc26391b09af36ccde5",
    "pairs-easy-sealed": "e2164bc7fa2882081cdabfb8ae1192d7c27096bd4240ee735bda0af1525c66f7",
    "pairs-moderate": "3c119ba018b280c1a5ca14a1ef5476dbc9c0974468757fbdfbe1e32b870d76cb",
    "pairs-moderate-sealed": "33888b5f344ebb4337c619cf162705b5083f7fe1c1182b4c5e5e91cb6c614a00",
    "pairs-hard": "3cd8a9ab31be0559823f1ddf4a20657377f1f72a3d62ea2d83a3fe4f38d5b7a6",
    "pairs-hard-sealed": "ae0cd12d0e0c9cd84e2721f6880ac4c34e19b353b8f9a78f564136f1cd455331",
    "pairs-veryhard": "d2a224a71e95324ef28af0cc98538ff6abca3e206fb42c6ce17e8a38852fe011",
    "pairs-veryhard-sealed": "f3808fa2095ba48c502c4821306a29f24966ded85f2494e4877ce13b28eefed8",
    "files-canonical": "32a22e5aaf70ba12fdacfc82f2b3f5b7982d0183bb8be43cba69814195bd6db6",
    "breadth-52": "9bba4d6b096bcfe6f4376647829e8fe91bb53dafcf7bf7e0871c9d659a30bf64",
    "breadth-rest": "1d1ba58c9754602056b3c300e28c4c9cc5cf54da32b0bbdc3ad2154df8a33c24",
    "bfcl-base": "c0efaa7e045c0d294d5bc7d50a7bdd9a0a67d3bf7df9c060efade1853da2216b",
    "bfcl-miss-func": "fc95b1774b354c6d45188f0d4dd163963e39cf9e8c1491270401e0011798356e",
    "bfcl-miss-param": "0e57f0abfacf2f5fa39ee594051830badc5b04834f23fba3f8a9676d287259a3",
    "bfcl-long-context": "65a06a5b1eb09dcf0d8bc6f5dc552d7388e9d1140de404d03d8f8d1ae00c9ade",
    "bfcl-simple-python": "592bfdb088858e86888b6b0e1bad92ea6d42317b567988a8e9fb71c62fba5f22",
    "bfcl-simple-java": "2a75bca99ac1119c74893cd7abc0b332e66df63caac6f59a3eff2d20c0207163",
    "bfcl-simple-javascript": "388fad86d81f86b7fb8f9ea6975d983087f3439f9ac2024648e6b72e6505a7ed",
    "bfcl-multiple": "a34a45b7fe3e69594683d501fef1e21f24d188987136d9d477a2b49818c76ac0",
    "bfcl-parallel": "aea0dab277d164d6fbc3d051f2b86dcff0d8dba387b7b934e1c774320eff6349",
    "bfcl-parallel-multiple": "e3f842c99862841aa09b853ea9cabe3f87ed184ad6fd5ba3afcf3cc44d70678a",
    "bfcl-live-simple": "683458e4fed8e5bf1aa99ab80f0658eff08173034a72024c49319644261d4e1e",
    "bfcl-live-multiple": "65c98b83a9341476f1c97cd6a638bef297340fa1dc8957ecf15891106fa15e06",
    "bfcl-live-parallel": "077187b8f9b022abb015744e70c2bcde514bc1ac78b3ab80866a4f840a8f0176",
    "bfcl-live-parallel-multiple": "7c9a25a5ea56132c1fae1d729820e260afd13ace3879758af1c0a9197d4938f5",
    "bfcl-irrelevance": "3027576f750f655e31edcc12bd715cfd45417e280969513a2885aadd87690ce9",
    "bfcl-live-irrelevance": "64e036fdff440bd4ecf20facaaa69ae24dbac9a199830bb65b370ad02ff02b78",
    "bfcl-memory-kv": "7c291a5e39f1ac0e8cad8621be6ccb8bffd824fc0317f3378886b709499099ac",
    "bfcl-memory-rec-sum": "011ddecb1998e1cf1d45669ee129dc63bc3d7a5cd9a6c7df92178422aea4d304",
    "bfcl-format-sensitivity": "2c0d1d03379b2559ec9b69017618eb4a2d1507cd6ad8728f90aa1f597245307a",
    "bfcl-live-relevance": "c9cea97f02a645929ca812a8b189b17308fef24afed7f6e031cc9df97deae348",
}


@pytest.mark.parametrize("name", names())
def test_a_suite_is_what_it_was_when_it_was_frozen(name):
    assert suite(name).id == FROZEN[name]


@pytest.mark.parametrize("name", [name for name in names() if name not in {**BFCL, **SINGLE, RENDERED: None}])
def test_a_suite_holds_no_leak_group_twice_and_only_its_own_split(name):
    tasks = suite(name).tasks
    split = Split.SEALED if name.endswith("-sealed") else Split.HELDOUT
    assert len({task.leak_group for task in tasks}) == len(tasks)
    assert {task.split for task in tasks} == {split}
    assert {split_of(task.leak_group) for task in tasks if not task.source} <= {split}


IN_WORDS = ("irrelevance", "abstention", "memory", "format")
"""Suites of which a right player may pass tasks without a call."""


@pytest.mark.parametrize("name", [name for name in names() if not any(word in name for word in IN_WORDS)])
def test_a_player_that_does_nothing_is_right_in_no_task(name):
    assert [task.id for task in suite(name).tasks if not task.plan] == []


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("depth", 24 + 24 + 72 + 12),
        ("depth-hard", 12 + 60),
        ("depth-hardgen", 40),
        ("depth-veryhard", 12),
        ("breadth", 160),
        ("abstention", 40),
        ("sql", 50),
        ("breadth-52", 52),
        ("breadth-rest", 40),
        ("bfcl-miss-func", 100),
    ],
)
def test_a_suite_is_large_enough(name, least):
    assert len(suite(name).tasks) >= least


def test_breadth_has_every_backend_and_every_pair():
    seen = {task.backends for task in suite("breadth").tasks}
    assert len([backends for backends in seen if len(backends) == 1]) == 8
    assert len([backends for backends in seen if len(backends) == 2]) == 16


def test_the_52_are_those_that_others_report():
    counts = Counter(task.backends for task in suite("breadth-52").tasks)
    assert counts == {("TradingBot",): 20, ("VehicleControlAPI",): 19, ("TravelAPI",): 13}
    assert {task.family for task in suite("breadth-52").tasks} == {"base"}


def test_an_unknown_suite_is_refused_with_the_nearest_name():
    with pytest.raises(NotFound, match="quick-depth"):
        suite("quick-dept")


# --- leaks -----------------------------------------------------------------------------------------------------------


def generator(name):
    return load("task_generators", Part(use=name))


def world_decides(task):
    """Whether what the plan does depends on the world: then equal words are different tasks."""
    return any(isinstance(argument, From) for call in task.plan for argument in call.arguments.values())


def test_no_suite_overlaps_with_training_or_another_suite_unless_listed_with_a_reason():
    found = shared([suite(name) for name in names()], training_sample())
    assert [row for row in found if row.reason is None] == []
    assert [row for row in found if row.other.endswith("-sealed") != row.suite.endswith("-sealed")] == []


@pytest.mark.slow
def test_nor_with_many_more_training_tasks():
    found = shared([suite(name) for name in names()], training_sample(seeds=25))
    assert [row for row in found if row.reason is None] == []


def test_no_bfcl_suite_overlaps_with_bfcl_training_tasks():
    tasks = [task for category in CATEGORIES for task in tasks_of(category, Split.TRAIN)]
    assert audit([suite(name) for name in BFCL], tasks) == []
    assert len(tasks) == 4 * 96


def test_nothing_excuses_a_sealed_suite_that_shares_a_task_with_another():
    task = suite("quick-depth").tasks[0]
    suites = [Suite(name="depth", tasks=(task,))]
    suites.append(Suite(name="depth-sealed", tasks=(task.model_copy(update={"split": Split.SEALED}),)))
    assert {row.overlap for row in shared(suites, []) if row.reason is None} >= {Overlap.LEAK_GROUP, Overlap.CALLS}
    both = [Suite(name="depth", tasks=(task,)), Suite(name="depth-hard", tasks=(task,))]
    assert {row.reason is None for row in shared(both, [])} == {False}


def test_a_dataset_audit_finds_a_task_of_a_suite_and_takes_no_longer_than_it_may():
    suites = [suite("quick-depth"), suite("quick-breadth")]
    rows = [maker.make(arm, seed) for maker in (generator("files"),) for arm in maker.arms for seed in range(20)][:480]
    began = time.process_time()
    looking = DatasetAudit(suites)
    assert [looking.leak(task) for task in rows] == [None] * 480
    assert time.process_time() - began < 2
    leaked = suites[0].tasks[0].model_copy(update={"split": Split.TRAIN, "leak_group": "files:other"})
    assert looking.leak(leaked) in {Overlap.INITIAL, Overlap.CALLS}


def test_the_audit_finds_what_is_planted():
    trap = generator("files").make(generator("files").arms[0], 1)
    near = trap.model_copy(update={"seed": 2, "leak_group": "files:other", "initial": {"GorillaFileSystem": {"a": 1}}})
    frozen = Suite(name="trap", tasks=(trap,))
    assert {finding.overlap for finding in audit([frozen], [trap])} >= {Overlap.ID, Overlap.LEAK_GROUP, Overlap.CALLS}
    assert {finding.overlap for finding in audit([frozen], [near])} >= {Overlap.CALLS}


def test_the_audit_finds_nearly_the_same_words():
    words = [f"word{place}" for place in range(40)]
    task = generator("files").make(generator("files").arms[0], 1)
    said = [
        task.model_copy(update={"turns": (Turn(user=" ".join(some)),), "seed": seed})
        for seed, some in enumerate([words, [*words[:39], "other"], words[::-1]])
    ]
    found = [f for f in audit([Suite(name="trap", tasks=(said[0],))], said[1:]) if f.overlap is Overlap.WORDING]
    assert [finding.other for finding in found] == [said[1].id]


# --- BFCL's entries --------------------------------------------------------------------------------------------------


def test_numbers_share_a_split_over_the_four_categories():
    splits = {
        split: {category: {t.seed for t in tasks_of(category, split)} for category in CATEGORIES} for split in Split
    }
    for split in Split:
        assert len({frozenset(numbers) for numbers in splits[split].values()}) == 1
    assert splits[Split.SEALED]["base"] == set()
    assert not splits[Split.TRAIN]["base"] & splits[Split.HELDOUT]["base"]


def test_a_bfcl_plan_refers_to_results_and_brings_about_what_the_gold_does():
    for entry, gold in islice(entries("base"), 60):
        plain = entry_task(entry, gold)
        assert run(referring(plain), world(plain)) == run(plain, world(plain))
    told = next(task for task in tasks_of("base", Split.TRAIN) if task.source == "multi_turn_base_57")
    assert world_decides(told)


def world(task):
    return open_world(task.backends, task.initial)


def test_bfcl_training_tasks_count_through_the_entries_of_an_arm():
    maker = generator("bfcl")
    arm = maker.arms[0]
    assert maker.make(arm, 0).split is Split.TRAIN
    assert maker.make(arm, 0).arm == arm
    with pytest.raises(NotFound, match="bfcl has no sealed"):
        maker.make(arm, 0, Split.SEALED)
