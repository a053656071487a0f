"""English words and phrases that mark a moment, as data: what they say about a sentence, and how strongly (0 to 1).

A trailing `*` matches any ending of a single word. Kept apart from the code that reads it, so that another language is another
table. Strengths are editorial judgement: 0.2 is a hint, 0.4 a sign, 0.6 and above hardly ever wrong.
"""

__all__ = [
    "CONTRACTIONS",
    "DULL",
    "ENGLISH",
    "FILLERS",
    "NUMBER_WORDS",
    "ONE_WORD_CONTRACTIONS",
    "PROMISES",
    "SMALL_NUMBERS",
    "STOP_WORDS",
    "SUPERLATIVE_EXCEPTIONS",
]

Phrases = dict[float, str]

ENGLISH: dict[str, Phrases] = {
    "hook": {
        0.7: (
            "nobody tells you|no one tells you|nobody talks about|no one talks about|here's the thing"
            "|the truth is|the secret is|here's the secret|you won't believe|let me tell you a secret"
            "|what if i told you|i'm going to tell you|the dirty secret|biggest mistake|the number one reason"
            "|most people don't know|most people get this wrong|everyone gets this wrong|stop doing this"
            "|this changed everything|it changed my life|changed my life|the one thing|i've never told anyone"
            "|i have never told|never told anybody|i shouldn't say this|unpopular opinion|hot take|hard truth"
            "|brutal truth|everybody skips|everyone skips|the one rule|the only rule|what went wrong|went wrong"
            "|worst advice|best advice i|i've never told|nobody knows this"
        ),
        0.5: (
            "imagine|picture this|think about this|think about it|the reason why|here's why|here's how"
            "|here's what|this is why|this is how|let me tell you|listen to this|guess what|believe it or not"
            "|the crazy thing|the craziest thing|the funny thing|the weird thing|the scary thing"
            "|the problem with|the problem is|the real reason|the trick is|the key is|the secret|what nobody"
            "|did you know|have you ever|what would you do|you know what|the day i|the moment i"
            "|the first time i|the worst thing|the best thing|the hardest|what most people|most people think"
            "|everybody thinks|everyone thinks|people always ask me|i was wrong|we were wrong|i almost died"
            "|i nearly|i lost everything|i quit|i got fired|why would anyone|i want to tell you why|i'll tell you|i will tell you"
            "|on purpose|you won't forget|can't forget|cannot explain|will never guess|watch this|wait for it"
        ),
        0.3: (
            "what if|why is it that|there are three|there are two|three things|two things|five things"
            "|one thing|first of all you|mistake*|secret*|truth|lie|lies|myth*|warning|forever|whole life"
            "|all my life|in my life"
        ),
    },
    "payoff": {
        0.6: (
            "turns out|turned out|it turned out|that's when i|that was when|and then it hit me|it hit me"
            "|i realized|i realised|we realized|we realised|that's when we|the lesson|what i learned"
            "|i learned that|i've learned|taught me|moral of the story|from that day|from that moment"
            "|since that day|never again|and that was it|and that's the point|that's the point|the point is"
            "|and the answer is|the answer is|the answer was|in the end|so in the end|it all came down to"
            "|that's the secret|that's the difference|that's what matters|that's what i learned|the whole point"
            "|that's what saved|what saved|think what that means|and that's exactly|that's exactly what"
            "|what matters is|all that matters|that changed"
        ),
        0.4: (
            "that's why|which is why|that is why|so the|the result|as a result|finally|eventually|which means"
            "|that means|and it worked|it worked|and it did|and she did|and he did|and we did|so i did"
            "|and guess what|and that's how|that's how|so remember|remember that|so if you|the takeaway"
            "|takeaway|bottom line|at the end of the day|because of that|that saved|saved my|saved us"
            "|saved me|we won|i won|she won|he won|they won|said yes|said no|never looked back|and i said"
            "|and he said|and she said"
        ),
    },
    "surprise": {
        0.6: (
            "out of nowhere|plot twist|nobody expected|no one expected|to my surprise|i couldn't believe"
            "|couldn't believe|i was shocked|never expected|didn't expect|did not expect"
            "|did not see that coming|didn't see that coming|blew my mind|mind blown|jaw dropped"
            "|against all odds|of all things|believe it or not|no idea that"
        ),
        0.4: (
            "suddenly|all of a sudden|shock*|unbelievabl*|insane|insanely|crazy|crazier|bizarre|incredibl*"
            "|surpris*|weird*|strangely|impossible|explod*|astonish*|stunned|stunning|unexpected*|miracl*"
            "|wild|ridiculous*|absurd*|what the|oh my god|holy|no way|wait what|secretly|accident*|by mistake"
            "|disappeared|vanish*|caught fire|exploded|went viral"
        ),
        0.2: ("actually|even though|strange|odd|somehow|wow"),
    },
    "superlative": {
        0.4: (
            "the most|the best|the worst|the biggest|the greatest|the smallest|the fastest|the hardest"
            "|number one|greatest of all|of all time|in history|in the world|on the planet|on earth"
            "|first ever|ever seen|ever heard|ever made|ever had|ever done|ever met|of my life"
            "|once in a lifetime|nobody else|no one else|only person|only one"
        ),
        0.2: (
            "best|worst|most|never|always|ever|every|only|perfect*|completely|totally|absolutely|everything"
            "|nothing|everybody|nobody|extreme*"
        ),
    },
    "emotion": {
        0.6: (
            "love you|i cried|we cried|was crying|were crying|in tears|burst into tears|broke down"
            "|heart broke|broke my heart|heartbr*|devastat*|terrified|furious|ashamed|humiliat*|panic*|grief"
            "|griev*|suicid*|i hate|i hated|passed away|funeral|scared to death|best day|worst day"
            "|dream came true|goosebumps"
        ),
        0.4: (
            "love|loved|hate|hated|hates|cry|cried|crying|tears|laugh|laughed|laughing|laughter|afraid|fear"
            "|fears|scared|scary|terrify*|horrif*|horribl*|terribl*|awful|angry|anger|rage|mad|proud|pride"
            "|joy|happy|happiest|happiness|excit*|thrill*|miserabl*|lonely|alone|depress*|anxi*|hurt|pain"
            "|painful|suffer*|died|dies|die|dead|death|killed|kill|dying|lost|loss|miss him|miss her|miss you"
            "|hope|hopeless|despair|embarrass*|guilt*|shame|jealous*|betray*|forgive*|forgave|grateful"
            "|thankful|bless*|beautiful|amazing|wonderful|fantastic|brilliant|awesome|disgust*|stupid|idiot*"
            "|hell|damn|shit*|fuck*|ass|bitch|crap|war|violen*|danger*|risk*|fight|fought|struggl*|desperate*"
            "|divorce*|cancer|hospital|baby|mother|father|mom|dad|son|daughter|wife|husband|kid|kids|child"
            "|children|freedom|dream|dreams|dreamed"
        ),
        0.2: (
            "feel|feeling|feelings|felt|sad|worried|worry|nervous|hard|fun|funny|glad|sorry|wish|care|heart"
            "|soul|brave|courage|failed|failure|fail|win|won"
        ),
    },
    "story": {
        0.6: (
            "when i was a|one day|one night|one morning|years ago|months ago|weeks ago|i remember"
            "|i'll never forget|i will never forget|never forget|let me tell you a story|tell you a story"
            "|true story|the story of|once upon|i was sitting|i was standing|i was walking|i was driving"
            "|i woke up|it was the first time|back then|back in the day|the night before|the day before"
            "|the next morning|the next day|that night|that morning|that day"
        ),
        0.4: (
            "when i was|when we were|when i first|the first time|last year|last week|last month|last night"
            "|yesterday|this guy|this woman|this man|this kid|there was this|there was a|there was an"
            "|i got a call|i get a call|the phone rang|phone rang|he looked at me|she looked at me"
            "|looked at me|he turned|she turned|so i went|so we went|i walked|we walked|i ran|we ran|i met"
            "|we met|i grew up|grew up|i started|we started|i decided|we decided|i found|we found|i went to"
            "|we went to|i moved|we moved|i left|we left|he told me|she told me|they told me|my boss"
            "|my mother|my father|my mom|my dad|my wife|my husband|my brother|my sister|my friend"
            "|my grandmother|my grandfather"
        ),
        0.2: ("and then|after that|before that|until|meanwhile|finally|remember|remembered|happened|once"),
    },
    "opinion": {
        0.6: (
            "i disagree|you're wrong|they're wrong|that's wrong|that is wrong|is wrong|was wrong|are wrong"
            "|the opposite|exactly the opposite|overrated|underrated|waste of time|doesn't work|does not work"
            "|don't need|do not need|makes no sense|doesn't make sense|is a lie|is a myth|should be illegal"
            "|i refuse|we refuse|stop saying|stop doing|quit doing|not because"
        ),
        0.4: (
            "instead|instead of|rather than|i don't think|i do not think|i think the|i believe|we believe"
            "|in my opinion|to be honest|honestly|frankly|the difference between|on the other hand"
            "|the problem|wrong|controvers*|contrary|versus|disagree|everyone says|everybody says|people say"
            "|they say|not the|it's not|it is not|isn't about|is not about|more important than|better than"
            "|worse than|nothing to do with|ought to|must never|must not|shouldn't|should not"
        ),
        0.2: ("but|however|although|whereas|despite|should|must|matters|important|real|really"),
    },
    "advice": {
        0.6: (
            "my advice|best advice|advice to|if you want to|if you ever|here's how|this is how you|the way to"
            "|how to|the trick|the key to|the secret to|do this|don't do this|never do|always do"
            "|make sure you|you have to|you need to|you've got to|you should never|you should always"
            "|rule number|golden rule|rule of thumb|step one|first step|next time you|start with"
        ),
        0.4: (
            "advice|you should|you can|you could|you must|try to|make sure|remember to|don't ever|do not"
            "|never|the rule|rules|lesson*|tip|tips|trick|habit*|strategy|instead|focus on|ask yourself"
            "|give yourself|tell yourself"
        ),
    },
}
"""What speaks for a sentence, by kind."""

DULL: Phrases = {
    0.8: (
        "next slide|can everyone hear|can you hear me|is this on|is this thing on|sound check|mic check"
        "|share my screen|see my screen|on mute|housekeeping|fire exit|fire exits|coffee break|lunch break"
        "|parking|restroom*|before we begin|before we start|before we get started|without further ado"
        "|thanks for having me|thank you for having me|welcome back|welcome to the show|welcome everyone"
        "|good evening|good night|see you next|next event|thanks for watching|that's all for today|ticket*"
        "|welcome everybody|good morning everyone|like and subscribe|subscribe|smash that|hit the bell"
        "|today's sponsor|sponsored by|promo code|discount code|use code|link in the description"
        "|minutes of the|any other business|agenda|action items|action item|as you can see on|on this slide"
        "|in this slide|next on the list|moving on to the|please refer to|appendix|table of contents"
        "|terms and conditions|sign up sheet|sign in sheet|registration|newsletter|let's move on to|test test"
        "|one two three|check the schedule|the schedule|per the|pursuant|the spreadsheet|the form|the forms"
        "|the paperwork|quarterly report|administrative|room booking|opening hours|drop down|in the notes|on the website"
        "|in the handout|for reference|leave a review|listener mail|special offer"
        "|brought to you by|link is in|is in the notes|for listeners"
    ),
    0.5: (
        "as i mentioned|as mentioned|as previously|as i said before|and so on|and so forth|et cetera"
        "|something like that|or whatever|stuff like that|i don't know if|in terms of|with regard to"
        "|with respect to|let me see|let me check|hold on|just a second|one moment|give me a second"
        "|where was i|lost my train|what else|anyway|anyways|thank you very much|thanks everyone"
        "|thank you everyone|that's all|any questions"
    ),
    0.25: (
        "schedule*|logistic*|paragraph|section|slide|slides|subsection|invoice*|procedure*|department*"
        "|committee*|meeting*|memo|memos|email*|e-mail*|deadline*|calendar|reminder|document*|format*|file"
        "|files|folder*|version|update*|item|items|version*|basically|sort of|kind of|i guess|maybe|i mean"
        "|you know|okay so|and stuff|whatever|probably|usual|usually|regular|standard|normal|generally|list"
        "|page|pages|number of|click|clicks|scroll*|menu|menus|tab|tabs|button*|icon*|checkbox*|toolbar*|i select|you select"
        "|i type|you type|settings|option|options|default*|chapter|chapters|appendix|figure|table"
        "|registration|office|reception|website|parameters"
    ),
}
"""Housekeeping and hedging: what speaks against it."""

CONTRACTIONS = {
    (first, second): short
    for second, joined in {
        "is": "that it he she here there what who how where when why",
        "are": "you we they there what who",
        "am": "i",
        "have": "i you we they",
        "will": "i you we they he she it",
        "not": "do does did is are was were has have had could would should",
    }.items()
    for first in joined.split()
    for short in [first + {"is": "'s", "are": "'re", "am": "'m", "have": "'ve", "will": "'ll", "not": "n't"}[second]]
}
"""Pairs of words that are mostly spoken as one."""

ONE_WORD_CONTRACTIONS = {"cannot": "can't"}
"""Words that have a shorter form themselves."""

_FILLERS = (
    "actually ah alright and anyway anyways basically but ehm er erm hmm like listen literally look mhm mm no "
    "now oh ok okay or right see so uh uhm um umm well yeah yep yes"
)

FILLERS = frozenset(_FILLERS.split())
"""Words that open a sentence without saying anything."""

_NUMBER_WORDS = (
    "billion billions dollars double dozen eight eighty eleven euros fifteen fifty five forty four half "
    "hundred hundreds million millions nine ninety percent pounds seven seventy six sixty ten thirteen thirty "
    "thousand thousands three trillion triple twelve twenty twice two"
)

_PROMISES = (
    "think what|guess what|here's what|here's the thing|here's why|here's how|let me tell you|i'll tell you|i want to tell you"
    "|i have to tell you|watch this|wait for it|and then came|now comes|came later|days later|years later|weeks later"
    "|the cruel part|the crazy part|the best part|the worst part|the strange part|the funny part|the trouble is|the problem is"
    "|the question is|the reason is|one more thing|and one day|this is what happened|what happened was|do you know what"
)

PROMISES = tuple(_PROMISES.split("|"))
"""Phrases after which more has to come."""

NUMBER_WORDS = frozenset(_NUMBER_WORDS.split())
"""Numbers that are written out."""

_SUPERLATIVE_EXCEPTIONS = (
    "arrest attest behest chest conquest contest crest detest digest dishonest earnest east fest forest guest "
    "harvest honest infest ingest interest invest manifest modest molest nest pest priest protest quest "
    "request rest suggest test unrest vest west wrest zest"
)

SUPERLATIVE_EXCEPTIONS = frozenset(_SUPERLATIVE_EXCEPTIONS.split())
"""Words that end in "-est" and are none."""

_SMALL_NUMBERS = "one two three four five six seven eight nine ten eleven twelve half twice double"

SMALL_NUMBERS = frozenset(_SMALL_NUMBERS.split())
"""Numbers that count what anybody has a few of."""

_STOP_WORDS = (
    "a about above across after again against ago all almost also although always am among an and any anybody "
    "anyone anything are aren't around as ask asked at away back be became because become been before being "
    "below between both but by call called came can can't cannot could couldn't day days did didn't different "
    "do does doesn't doing don't done down during each either else enough especially even ever every "
    "everybody everyone everything exactly far few finally find first for found from front gave get gets "
    "getting give given go goes going gone gonna good got gotta great guess guy guys had hadn't happen "
    "happened happens hard has hasn't have haven't having he he'd he'll he's hear heard hello help her here "
    "here's hers herself hey hi him himself his how how's however i i'd i'll i'm i've if in instead into is "
    "isn't it it'd it'll it's its itself just keep kept kind kinda knew know known knows last later least "
    "left less let let's lets like little long look looked looking looks lot lots made make makes making many "
    "may maybe me mean means might mine more most much must my myself need needed needs never new next no "
    "nobody none nor not nothing now of off often oh ok okay old on once one ones only onto or other others "
    "our ours out over own part people perhaps person place please pretty probably put quite rather really "
    "right said same saw say saying says second see seem seemed seems seen set several shall she she'd she'll "
    "she's should shouldn't show side since so some somebody someone something sometimes sort start started "
    "still stuff such sure take taken takes talk talking tell tells than thank thanks that that'll that's the "
    "their theirs them themselves then there there's these they they'd they'll they're they've thing things "
    "think thinking this those though thought three through time times to today together told too took toward "
    "tried try trying turn turned two uh um under until up upon us use used using usually very wait wanna "
    "want wanted wants was wasn't way we we'd we'll we're we've well went were weren't what what's whatever "
    "when where where's whether which while who who's whole whom whose why will with within without won't "
    "word words work would wouldn't wow yeah year years yes yet you you'd you'll you're you've your yours "
    "yourself"
)

STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words too common to be a topic, a keyword or the end of a title."""
