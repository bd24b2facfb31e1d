"""Plot-like queries for known films, in the words of somebody who forgot the title; and titles with typing errors.

For `benchmarks/search.py`. Written from memory of the films, without their overviews at hand, and without words of the title or names of
characters. The films were drawn at random within each decade from the 700 most rated of ml-latest-small. Every choice
about film texts, spaces and fusion was made on DEVELOPMENT; TEST was written before and is looked at last.
"""

from __future__ import annotations

import random
import string

DEVELOPMENT: tuple[tuple[str, str], ...] = (
    ("920", "spoilt southern belle struggles to keep her plantation through the civil war"),
    ("923", "newspaper tycoon dies and a reporter tries to find out what his last word meant"),
    ("2018", "young deer grows up among the animals and loses his mother to hunters"),
    ("596", "wooden puppet made by an old carver wants to be a real boy, nose grows when he lies"),
    ("903", "retired detective afraid of heights falls for the woman he is hired to follow"),
    ("1203", "one juror doubts the guilt of a boy accused of murder and talks the others round"),
    ("1032", "girl follows a white rabbit down a hole to a mad tea party and a cruel queen of cards"),
    ("2080", "pampered cocker spaniel falls in love with a stray dog, they share a plate of spaghetti"),
    ("899", "silent movie stars have trouble when talking pictures arrive in hollywood, musical"),
    ("2019", "poor farmers hire masterless swordsmen to defend their village from bandits in old japan"),
    ("1201", "three gunmen race to find buried gold in a graveyard during the american civil war"),
    ("2951", "stranger with no name plays two smuggling families against each other in a mexican border town"),
    ("2947", "british secret agent stops a millionaire who wants to make the gold at fort knox radioactive"),
    ("1028", "magical nanny comes with an umbrella to look after two children of a london banker"),
    ("1304", "two friendly bank and train robbers flee a posse and go to bolivia"),
    ("2078", "boy raised by wolves is led back to people by a panther and a lazy bear"),
    ("1207", "lawyer in the south defends a black man falsely accused of rape, seen by his little daughter"),
    ("1035", "young nun becomes governess of seven children of a widowed captain and teaches them to sing in austria"),
    ("1954", "small-time boxer from philadelphia gets a shot at the heavyweight title"),
    ("1371", "starship crew meets a huge cloud that threatens earth, and an old space probe at its heart"),
    ("260", "farm boy joins an old knight and a smuggler to rescue a princess and blow up a planet-destroying station"),
    ("1234", "two con men set up a fake betting parlour to swindle a gangster in the 1930s"),
    ("2657", "stranded young couple stumbles into the castle of a transvestite mad scientist, cult musical"),
    ("1380", "high school summer love between a good girl and a leather jacket boy in the fifties, songs and cars"),
    ("1193", "rebellious man pretends to be insane and stirs up the ward against a tyrannical nurse"),
    ("1278", "comedy in black and white about the grandson who repeats his grandfather's experiments with the dead"),
    ("5060", "army surgeons play pranks at a field hospital in the korean war"),
    ("2640", "alien baby sent to earth grows up to be a reporter who can fly and fights a criminal genius"),
    (
        "2115",
        "archaeologist, a singer and a little boy fight a cult that sacrifices people and enslaves children in india",
    ),
    ("2797", "boy makes a wish on a fairground machine and wakes up as a grown man working for a toy company"),
    ("2054", "inventor accidentally makes the children tiny and they have to cross the back yard lawn"),
    ("2194", "federal agents in prohibition chicago try to bring down al capone"),
    (
        "1196",
        "rebels flee an ice planet, the hero trains in a swamp with a small green master and learns who his father is",
    ),
    ("2105", "programmer is pulled into a computer and has to fight in video games, light motorcycles"),
    ("1246", "english teacher at a strict boys boarding school inspires pupils to love poetry and seize the day"),
    ("2791", "spoof where the crew gets food poisoning and a traumatised pilot has to land the passenger plane"),
    ("1088", "girl on summer holiday at a resort falls in love with the dance instructor"),
    ("1302", "farmer hears a voice and builds a baseball diamond in his corn, ghosts of players come"),
    ("3552", "snobs against slobs at a golf club and a groundskeeper hunting a gopher"),
    ("1307", "can a man and a woman just be friends, over twelve years in new york, fake orgasm in a diner"),
    ("4262", "cuban refugee becomes a cocaine drug lord in miami and dies in a shootout"),
    (
        "1197",
        "grandfather reads a fairy tale with a farm boy turned pirate, a giant, and a spanish swordsman out for revenge",
    ),
    ("1274", "japanese animation, biker gang in a future tokyo, a friend gets destructive psychic powers"),
    ("2321", "teenage brother and sister are sucked into a black and white fifties tv show and bring colour"),
    ("1", "cowboy doll is jealous of the new space ranger when the boy gets a birthday present"),
    ("370", "clumsy police lieutenant comes out of retirement to stop a bomb at the academy awards, parody"),
    ("1641", "unemployed steel workers from sheffield become male strippers"),
    ("353", "murdered musician comes back from the grave a year later to avenge himself and his fiancee"),
    (
        "2502",
        "bored programmer hates his cubicle job, his boss and the reports, and plans with colleagues to rob the company",
    ),
    ("2291", "gentle artificial man with blades for hands is taken in by a suburban family"),
    ("1907", "chinese girl disguises herself as a man to take her father's place in the army, cartoon"),
    ("3176", "poor young man is sent to italy to fetch a rich playboy, kills him and takes over his identity"),
    ("208", "the ice caps have melted and a drifter with gills sails the endless ocean, looking for dry land"),
    ("1358", "simple-minded man released from a mental hospital, where he was for killing his mother, befriends a boy"),
    ("186", "child psychiatrist panics when his girlfriend tells him she is pregnant"),
    ("454", "young law graduate discovers that his new employer in memphis works for the mafia"),
    ("2006", "old masked swordsman trains a thief to take his place in spanish california"),
    ("529", "little boy is a chess prodigy and his father and teacher push him to compete"),
    (
        "780",
        "huge alien ships destroy the cities of the world, and a pilot and a computer expert strike back with a virus",
    ),
    ("551", "king of halloween town is bored and kidnaps santa claus, stop motion"),
    ("431", "puerto rican ex-convict wants to go straight but his crooked lawyer drags him back into crime"),
    ("6377", "clownfish father crosses the ocean to look for his son who was caught by a diver"),
    ("5679", "people die seven days after watching a cursed video tape"),
    ("54272", "yellow cartoon family must save their town, which is put under a giant dome"),
    (
        "33493",
        "young knight fears losing his wife and turns to evil, ends in a black suit after a duel on a lava planet",
    ),
    ("47099", "homeless single father and his son sleep in a subway toilet while he is an unpaid intern at a broker"),
    ("8464", "documentary of a man who eats only mcdonald's for a month"),
    ("6934", "last human city under attack by machines while the chosen one makes a deal with them"),
    ("33679", "bored married couple find out that both are secret assassins hired to kill each other"),
    ("57669", "two irish hitmen hide in a medieval belgian town and wait for orders"),
    ("3535", "rich wall street banker in the eighties murders people at night, business cards and pop music"),
    ("56174", "last man alive in new york with his dog, infected night creatures"),
    ("34162", "two friends sneak into other people's marriages to pick up women"),
    ("7254", "young man can travel back into his childhood memories and changes the past, with terrible results"),
    (
        "58998",
        "musician dumped by his tv star girlfriend goes to hawaii and she is in the same hotel with her new lover",
    ),
    ("59369", "ex-spy hunts the human traffickers in paris who kidnapped his teenage daughter"),
    ("69844", "young wizard finds an old potions textbook and learns about the split soul of the dark lord"),
    ("5991", "two murderesses in a jazz age jail fight for fame and the same slick lawyer, musical"),
    ("60684", "retired masked heroes in an alternate 1985 look into the murder of one of them, blue superhuman"),
    ("99114", "freed slave and a german bounty hunter set out to rescue his wife from a cruel plantation owner"),
    ("122882", "one-armed woman flees through the desert with a tyrant's wives in an armoured truck"),
    ("74458", "us marshal looks for a missing patient in a mental hospital off the coast"),
    ("78499", "the boy goes off to college and his playthings end up in a day care centre run by a pink bear"),
    ("134130", "astronaut left behind on another planet grows potatoes to survive"),
    ("79091", "villain who wants to steal the moon adopts three orphan girls, little yellow helpers"),
    ("76093", "viking boy befriends the injured flying beast he was supposed to kill"),
    ("89745", "team of superheroes is brought together to stop a norse god and his alien army in new york"),
    ("109374", "concierge and his lobby boy, a stolen painting and an inheritance between the wars"),
    ("91529", "masked terrorist takes over gotham and the broken hero must climb out of a prison pit"),
    (
        "91658",
        "disgraced journalist and a punk hacker look into the disappearance of a rich man's niece forty years ago",
    ),
    ("122904", "foul-mouthed mercenary with healing powers hunts the man who disfigured him"),
    ("87232", "young telepath and a man who moves metal meet in the sixties, cuban missile crisis"),
    ("91500", "girl volunteers to take her sister's place in a televised fight to the death among teenagers"),
    ("106782", "stockbroker gets rich by fraud, drugs and parties until the fbi closes in"),
)
"""(MovieLens id, query): what choices are made on."""

TEST: tuple[tuple[str, str], ...] = (
    ("919", "a tornado carries a farm girl to a magical land, she meets a scarecrow, a tin man and a lion"),
    ("594", "jealous queen gives her stepdaughter a poisoned apple, the girl hides with little miners in the forest"),
    ("1282", "classical music set to animation, a mouse as sorcerer's apprentice with brooms"),
    ("912", "cynical nightclub owner in wartime morocco meets his old love and her resistance hero husband"),
    ("913", "san francisco private eye and several crooks are after a precious statuette of a bird"),
    ("953", "suicidal man is shown by an angel on christmas eve what his town would be had he not been born"),
    ("908", "advertising man mistaken for a spy is chased across america, crop duster plane, mount rushmore"),
    ("1250", "british prisoners of war build a railway crossing for the japanese and commandos come to blow it up"),
    ("904", "photographer in a wheelchair watches his neighbours and believes one of them killed his wife"),
    ("910", "two musicians dress up as women and join a girls' band to escape gangsters"),
    ("924", "mission to jupiter, the ship's computer turns on the astronauts, a mysterious black monolith"),
    ("1333", "flocks of gulls and crows suddenly attack the people of a small seaside town"),
    ("2529", "astronauts crash on a world where talking primates rule and humans are animals"),
    ("1247", "young man back from college is seduced by an older married woman and falls for her daughter"),
    ("1276", "prisoner on a southern chain gang will not be broken, eats fifty eggs on a bet"),
    ("1262", "allied prisoners dig tunnels out of a german camp in the second world war"),
    (
        "750",
        "mad american general sends bombers to russia and the president tries to prevent nuclear war, black comedy",
    ),
    ("1208", "captain travels up a river in vietnam to kill a colonel who has gone insane"),
    ("1387", "police chief, scientist and fisherman hunt a great white shark that kills swimmers at a beach resort"),
    ("1073", "poor boy wins a tour of a strange candy maker's works together with spoilt children"),
    ("1263", "friends from a pennsylvania steel town are forced to play russian roulette as captives in vietnam"),
    ("858", "ageing head of a mafia family hands over to his reluctant youngest son"),
    ("1214", "crew of a space freighter is killed one by one by a creature that burst from a man's chest"),
    ("1997", "two priests try to drive the devil out of a girl whose head spins round"),
    ("1080", "man in judea is mistaken for the messiah, satire on religion"),
    ("1206", "violent young gang leader is conditioned by the state to be sick at the thought of violence"),
    ("1097", "lonely boy hides a little visitor from another planet who wants to phone home"),
    ("2100", "man falls in love with a mermaid who comes to new york"),
    ("1242", "first black regiment of the union army and its young white colonel"),
    ("2081", "sea king's daughter gives away her voice to a witch to become human and win a prince"),
    ("1275", "immortal scottish swordsmen cut off each other's heads through the centuries, there can be only one"),
    ("2985", "murdered cop is rebuilt as a cyborg to fight crime in detroit"),
    ("2076", "college student finds a severed ear in a field and uncovers a perverse criminal and a nightclub singer"),
    ("2918", "teenager pretends to be ill, skips school and borrows a father's red sports car in chicago"),
    ("4571", "two dim rock musicians travel through time in a phone booth to pass their history exam"),
    ("1220", "two ex-convicts in dark suits and sunglasses get their band together to save an orphanage"),
    ("2161", "bullied boy reads a book about a land being swallowed by nothing, and a white flying dragon"),
    ("2599", "high school teacher tries to stop an overachieving girl from becoming student president"),
    (
        "2858",
        "suburban father in midlife crisis lusts after his daughter's cheerleader friend, plastic bag in the wind",
    ),
    ("253", "two hundred year old man tells a reporter how he became a bloodsucker in new orleans"),
    ("440", "ordinary man who looks like the president has to stand in for him in the white house"),
    ("2959", "insomniac office worker and a soap salesman start underground bare-knuckle brawls"),
    ("2761", "boy in the fifties befriends a huge metal robot from space while the army hunts it"),
    ("434", "mountain rescuer against robbers who lost suitcases of money in the rockies"),
    ("673", "basketball star plays with cartoon characters against aliens"),
    ("509", "mute woman is sent to new zealand to marry and trades keys of her instrument to a neighbour for favours"),
    ("6", "master thief and an obsessed los angeles detective, they meet over coffee, bank robbery shootout"),
    ("7451", "home-schooled girl from africa joins the popular clique at high school and schemes against its queen"),
    ("6711", "ageing actor and a lonely young wife become friends in a tokyo hotel"),
    ("55820", "hunter finds drug money in the desert and a killer with a cattle gun comes after him"),
    ("5995", "jewish musician survives in the ruins of warsaw in the holocaust"),
    ("4816", "dim male model is brainwashed to kill the prime minister of malaysia"),
    ("63082", "orphan from mumbai knows the answers on a quiz show because of his life, police think he cheated"),
    ("4979", "eccentric family of former child geniuses reunites when the father says he is dying"),
    ("81845", "stammering monarch is helped by an australian therapist before the war"),
    ("80463", "harvard student founds a website for friends and is sued by those he cheated"),
    ("92259", "rich paralysed frenchman hires a young man from the suburbs as his carer and they become friends"),
    ("81591", "ballerina goes mad over the double leading role"),
    ("112556", "wife disappears on their anniversary and the husband is suspected of murder, but she planned it"),
    ("109487", "farmer and former pilot flies through a wormhole to find a new home for mankind, leaving his daughter"),
)
"""(MovieLens id, query): looked at once, when everything stood."""


def with_typos(title: str, rng: random.Random, typos: int = 2) -> str:
    """A title with letters inserted, deleted, replaced or swapped, at random places."""
    for _ in range(typos):
        place, kind, letter = rng.randrange(len(title)), rng.randrange(4), rng.choice(string.ascii_lowercase)
        if kind == 0:
            title = title[:place] + letter + title[place:]
        elif kind == 1 and len(title) > 1:
            title = title[:place] + title[place + 1 :]
        elif kind == 2 and place + 1 < len(title):
            title = title[:place] + title[place + 1] + title[place] + title[place + 2 :]
        else:
            title = title[:place] + letter + title[place + 1 :]
    return title
