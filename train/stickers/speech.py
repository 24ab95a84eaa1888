"""What is said of scenes: captions in several registers, questions and their answers.

Every text is a function of the facts of the scene, so that it can be checked. Captions and answers
begin with the space that follows a prompt's colon.
"""
from stickers import concepts, scenes

# Register -> the word before the colon that asks for it.
PROMPTS = {"sentence": "Output", "terse": "Brief", "list": "List", "telling": "Tell"}
REGISTERS = tuple(PROMPTS)
RELATIONS = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}
SHORT = {"left": "left of", "right": "right of", "above": "above", "below": "below"}
QUESTIONS = ("what", "how many", "where", "beside", "colour", "pattern", "is there", "relation")


def listed(parts):
    """"a", "a and b", "a, b and c"."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def things(scene):
    """What is in the scene, without the background: "a small dog in the top left"."""
    s = scene.stickers
    if scene.kind == "single":
        return f"a {scenes.size_word(s[0])} {concepts.ONE[s[0].concept]} {scenes.PLACES[scenes.place(s[0])]}"
    if scene.kind == "pair":
        first, second = concepts.counted(s[0].concept, 1), concepts.counted(s[1].concept, 1)
        return f"{first} {RELATIONS[scenes.relation(*s)]} {second}"
    return listed([concepts.counted(c, n) for c, n in scenes.counts(scene)])


def ground(scene):
    """The background in few words: "striped blue", "on a beach"."""
    words = scenes.ground_words(scene.ground)
    return words.removeprefix("on a ").removesuffix(" background") if words.endswith("background") else words


def caption(scene, register="sentence"):
    """The one caption of a scene in a register."""
    short, s = ground(scene), scene.stickers
    if register == "sentence":
        return f" {things(scene)} {scenes.ground_words(scene.ground)}"
    if register == "telling":
        verb = "is" if len(s) == 1 or scene.kind != "group" and scenes.counts(scene)[0][1] == 1 else "are"
        patterned = scenes.ground_words(scene.ground).endswith("background")
        where = f"the background is {short}" if patterned else f"it is {short}"
        return f" there {verb} {things(scene)}. {where}."
    if register == "terse":
        if scene.kind == "pair":
            what = f"{concepts.ONE[s[0].concept]} {SHORT[scenes.relation(*s)]} {concepts.ONE[s[1].concept]}"
        elif scene.kind == "single":
            what = f"{concepts.ONE[s[0].concept]}, {scenes.size_word(s[0])}"
        else:
            what = ", ".join(concepts.ONE[c] if n == 1 else f"{n} {concepts.SEVERAL[c]}" for c, n in scenes.counts(scene))
        return f" {what}, {short}"
    if register == "list":
        rows = [f"{concepts.ONE[c]}: {n}" for c, n in scenes.counts(scene)]
        return f" {'; '.join(rows)}; background: {short}"
    raise ValueError(f"speech: caption: register is {register!r}, want one of {REGISTERS}")


def ask(scene, kind, rng):
    """(question, answer) of a kind, or None when the scene has no such question."""
    s, totals = scene.stickers, scenes.counts(scene)
    alone = [x for x in s if dict(totals)[x.concept] == 1]
    if kind == "what":
        return "what is there?", " " + listed([concepts.counted(c, n) for c, n in totals])
    if kind == "how many":
        if rng.uniform() < 0.25:
            return "how many stickers are there?", f" {concepts.COUNTS[len(s)]}"
        concept, n = totals[rng.integers(len(totals))]
        return f"how many {concepts.SEVERAL[concept]} are there?", f" {concepts.COUNTS[n]}"
    if kind == "where" and scene.kind == "single":
        return f"where is the {concepts.ONE[s[0].concept]}?", f" {scenes.PLACES[scenes.place(s[0])]}"
    if kind == "beside" and scene.kind == "pair":
        one, two = s if rng.uniform() < 0.5 else s[::-1]
        side = RELATIONS[scenes.relation(one, two)]
        return f"what is {side} the {concepts.ONE[two.concept]}?", f" {concepts.counted(one.concept, 1)}"
    if kind == "relation" and len(alone) >= 2 and scene.kind == "pair":
        one, two = s if rng.uniform() < 0.5 else s[::-1]
        true = scenes.relation(one, two)
        said = true if rng.uniform() < 0.5 else OPPOSITE[true]
        return (f"is the {concepts.ONE[one.concept]} {RELATIONS[said]} the {concepts.ONE[two.concept]}?",
                " yes" if said == true else " no")
    pattern, colour = divmod(scene.ground, len(scenes.COLOURS))
    if kind == "colour" and pattern < len(scenes.PATTERNS):
        return "what colour is the background?", f" {scenes.COLOURS[colour]}"
    if kind == "pattern":
        if pattern < len(scenes.PATTERNS):
            return "what kind of background is it?", f" {scenes.PATTERNS[pattern]}"
        return "what kind of background is it?", f" {scenes.ground_words(scene.ground)}"
    if kind == "is there":
        if rng.uniform() < 0.5:
            return f"is there {concepts.article(concepts.ONE[totals[rng.integers(len(totals))][0]])}?", " yes"
        other = int(rng.integers(len(concepts.ONE)))
        return f"is there {concepts.article(concepts.ONE[other])}?", " yes" if other in dict(totals) else " no"
    return None


def question(scene, rng):
    """A random question that the scene has: (question, answer)."""
    while True:
        pair = ask(scene, QUESTIONS[rng.integers(len(QUESTIONS))], rng)
        if pair:
            return pair
