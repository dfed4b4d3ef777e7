/*
 * What a process goes by that it has in memory: credentials, that is API keys and sessions,
 * and answers as of a while ago for who has said that they will do (Canopy-Consistency:
 * bounded). README.md says what is modelled, what is left out, and which piece of code each
 * part stands for. scripts/model checks it.
 *
 * That a snapshot is what its stamp says, freshness.pml shows. So here it is its stamp alone.
 */

#ifndef WRITES
#define WRITES 3 /* in all, at most 7 */
#endif
#ifndef SETBACKS
#define SETBACKS 1
#endif
#ifndef ASKERS
#define ASKERS 2
#endif
/* What is asked; bounded ones by asker 0 alone, for what they do changes nothing. */
#ifndef QUESTIONS
#define QUESTIONS 1 /* decisions, the ordinary way */
#endif
#ifndef CALLS
#define CALLS 1 /* credentials, the ordinary way */
#endif
#ifndef HURRIED
#define HURRIED 1 /* both at once, the short way */
#endif
#ifndef BOUNDED
#define BOUNDED 1 /* of the first two some with a bound */
#endif
#define FIRST 6    /* the process that is asker 0 */
#define NONE 255   /* no stamp, for there is none */
#define FAILED 254 /* a proof that did not come in time */
#define bit(s_) (1 << (s_))

/* The writes, by stamp; 0 is what the store began with. */
typedef write_ {
	byte before; /* the stamp before */
	byte number; /* the revision it raised to */
	byte key     /* what the credential is after it: the stamp of the write that made it so */
};
write_ w[WRITES + 1];
byte last;  /* the stamp given last */
byte store; /* the stamp the store stands at */
byte setBacks;
#ifdef BROKEN_RAISE
byte shown; /* what proofs read */
#else
#define shown store
#endif

/* The stamps at which the store has stood, one bit each: since a question came in, 0 while
   none is asked; within the time that a bounded question allows; and within that time and
   ever since, as of when a bounded question was given an older proof, 0 while it was not. */
byte since[ASKERS], within = 1, ago[ASKERS];

/* The Prover, and what was proven last. Of each moment that the code keeps there is here only
   whether it lies within the time that a bounded question allows. */
byte next, runs;  /* who waits for the next proof, and for the one that runs */
bool reads;       /* one runs, whether or not somebody still waits for it */
byte seen = NONE; /* where it has seen the store */
bool sent;        /* within the time */
byte recent = NONE;
bool proven;      /* within the time; the moment is that of the sending */
byte told[ASKERS] = NONE; /* what the Prover tells an asker */

/* The snapshot that is held, and the moments known since the credential changed last. */
byte held = NONE, quiet;
bool current; /* it was known to be so within the time */

/* The flight, whose snapshot each takes who waits for it. */
byte waits, flies, brought = NONE, broughtQuiet;
bool began; /* within the time */
byte got[ASKERS] = NONE, gotQuiet[ASKERS];
bool gotCurrent[ASKERS];
bool asked[ASKERS]; /* when the question came in lies within the time */

/* The credential that is kept: what it is, and at which stamp that was read. */
byte kept = NONE, keptAt = NONE;

inline stands(s_) {
	store = s_;
	within = within | bit(s_);
	i = 0;
	do
	:: i < ASKERS ->
		if
		:: since[i] != 0 -> since[i] = since[i] | bit(s_)
		:: else
		fi;
		if
		:: ago[i] != 0 -> ago[i] = ago[i] | bit(s_)
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* Writes, of which some change the credential: revoke it, or give it other rights. */
active proctype Writer() {
	byte i;
end:	do
	:: atomic {
#ifdef BROKEN_RAISE
		last < WRITES && shown == store ->
#else
		last < WRITES ->
#endif
		last++;
		w[last].before = store;
		w[last].number = w[store].number + 1;
		if
		:: CALLS || HURRIED -> w[last].key = last
		:: w[last].key = w[store].key
		fi;
		stands(last)
	  }
#ifdef BROKEN_RAISE
	:: atomic { shown != store -> shown = store } /* the revision is raised by another transaction */
#endif
	od
}

/* The store is set back to what it was some writes ago. */
active proctype SetBack() {
	byte s, i;
end:	do
	:: atomic {
		setBacks < SETBACKS && store != 0 ->
		setBacks++;
		s = w[store].before;
		do
		:: s != 0 -> s = w[s].before
		:: break
		od;
		stands(s);
#ifdef BROKEN_RAISE
		shown = s;
#endif
		s = 0
	  }
	od
}

/* Time passes: what was proven before is older than a bounded question allows. */
active proctype Clock() {
	byte i;
end:	do
	:: atomic {
		BOUNDED ->
		within = bit(store);
		sent = false; proven = false; current = false; began = false;
		i = 0;
		do
		:: i < ASKERS -> asked[i] = false; gotCurrent[i] = false; i++
		:: else -> break
		od;
		i = 0
	  }
	od
}

/* Memory is short, or the process begins anew. */
active proctype Forget() {
end:	do
	:: atomic { kept != NONE -> kept = NONE; keptAt = NONE }
	:: atomic { held != NONE -> held = NONE; quiet = 0; current = false }
	:: atomic { recent != NONE -> recent = NONE; proven = false }
	od
}

/* revision.Prover, as in freshness.pml. */
active proctype Prover() {
	byte i;
end:	do
	:: atomic {
		!reads && next != 0 ->
		reads = true; runs = next; next = 0; sent = true
	  }
	:: atomic { reads && seen == NONE -> seen = shown }
	:: atomic { /* the answer is here, or a second is over */
		reads ->
		if
		:: seen == NONE -> seen = FAILED
		:: else ->
			recent = seen;
#ifdef BROKEN_BEGAN
			proven = true /* counts from the end of the read */
#else
			proven = sent
#endif
		fi;
		i = 0;
		do
		:: i < ASKERS ->
			if
			:: runs & bit(i) -> told[i] = seen
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0; reads = false; runs = 0; seen = NONE; sent = false
	  }
	od
}

/* What decision.follow and build give, in one view: the stamp at which the store stands, and
   the moments since the credential was changed last, as far as followed changes show. */
inline view() {
	brought = store; broughtQuiet = bit(store);
	if
	:: held != NONE -> /* follows */
		s = store;
		do
		:: s != held && s != 0 && w[s].key != s -> s = w[s].before
		:: else -> break
		od;
		if
		:: s == held -> broughtQuiet = quiet | bit(store)
		:: else
		fi;
		s = 0
#ifdef BROKEN_QUIET
	:: true -> broughtQuiet = quiet | bit(store)
#else
	:: true /* or builds anew: what happened meanwhile nobody knows */
#endif
	fi
}

/* decision.flights and load: one at a time, for all who came before its view. */
active proctype Flyer() {
	byte i, s;
end:	do
	:: atomic {
		brought == NONE && waits != 0 ->
		flies = waits; waits = 0; began = true;
		view()
	  }
	:: atomic {
		brought != NONE ->
		held = brought; quiet = broughtQuiet; current = began;
		i = 0;
		do
		:: i < ASKERS ->
			if
			:: flies & bit(i) -> got[i] = brought; gotQuiet[i] = broughtQuiet
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0; flies = 0; brought = NONE; broughtQuiet = 0; began = false
	  }
	:: atomic { /* it fails, and all who wait are told: 503 */
		brought != NONE ->
		i = 0;
		do
		:: i < ASKERS ->
			if
			:: flies & bit(i) -> got[i] = FAILED
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0; flies = 0; brought = NONE; broughtQuiet = 0; began = false
	  }
	od
}

/* The claims. An answer was so at one of the moments: since its question came in, or for one
   that says its age within the time. */
inline answered(moments_) { assert(moments_ & bit(got[a])) }

/* So was the credential that was admitted. */
inline admitted(moments_) {
	m = 0;
	do
	:: m <= last ->
		if
		:: moments_ & bit(m) && w[m].key == have -> break
		:: else -> m++
		fi
	:: else ->
		assert(false); /* a credential that was no more */
		break
	od;
	m = 0
}

#ifdef BROKEN_STAMP
#define same(s_, t_) (w[s_].number == w[t_].number)
#else
#define same(s_, t_) (s_ == t_)
#endif

/* Whether what was proven last will do for a bounded question. */
#ifdef BROKEN_AGE
#define willDo (bounded && recent != NONE)
#else
#define willDo (bounded && recent != NONE && proven)
#endif

/* Whether the snapshot in hand is the one that is held, and was current within the time. */
#define stillHeld (held == got[a])
#define wasCurrent (gotCurrent[a])
#ifdef BROKEN_BESIDE
#undef stillHeld
#undef wasCurrent
#define stillHeld true
#define wasCurrent current
#endif
#ifdef BROKEN_HELD
#undef wasCurrent
#define wasCurrent true
#endif

/* The end of a question, whatever it was told. */
inline over() {
	told[a] = NONE; next = next & (255 - bit(a)); runs = runs & (255 - bit(a));
	waits = waits & (255 - bit(a)); flies = flies & (255 - bit(a));
	got[a] = NONE; gotQuiet[a] = 0; gotCurrent[a] = false; asked[a] = false;
	have = NONE; at = NONE; proof = NONE; bounded = false; hurried = false; ago[a] = 0;
	since[a] = 0
}

/* revision.Prover.prove: a new proof, or for a bounded question what was proven last. */
inline proves() {
	if
	:: told[a] != NONE -> proof = told[a]; told[a] = NONE
	:: told[a] == NONE && bounded -> proof = FAILED /* it waits no longer */
	fi;
	next = next & (255 - bit(a)); runs = runs & (255 - bit(a));
	if
	:: proof == FAILED && willDo -> proof = recent; ago[a] = within
	:: proof == FAILED && !willDo -> proof = NONE
	:: else
	fi
}

active [ASKERS] proctype Asker() {
	byte a = _pid - FIRST, m, proof = NONE;
	byte have = NONE, at = NONE; /* the credential as it was kept */
	bool bounded, hurried;
asks:
	atomic {
		since[a] = bit(store); asked[a] = true; next = next | bit(a);
		if
		:: QUESTIONS -> goto question
		:: QUESTIONS && BOUNDED && a == 0 -> bounded = true; goto question
		:: CALLS -> have = kept; at = keptAt; goto credential
		:: CALLS && BOUNDED && a == 0 -> have = kept; at = keptAt; bounded = true; goto credential
		:: HURRIED && kept != NONE -> have = kept; at = keptAt; hurried = true; goto question
		fi
	};

credential: /* revision.Memo.Get */
#ifdef BROKEN_TRUST
	atomic { have != NONE -> admitted(since[a]); over(); goto asks } unless { have == NONE };
#endif
	atomic {
		proves();
		if
		:: proof == NONE -> over(); goto asks /* 503 */
		:: proof != NONE
		:: proof != NONE && kept != NONE -> have = kept; at = keptAt /* it was had before (revision.Admit) */
		fi;
		if
		:: have != NONE && same(at, proof) && ago[a] -> admitted(ago[a]); over(); goto asks
		:: have != NONE && same(at, proof) && !ago[a] -> admitted(since[a]); over(); goto asks
		:: else
		fi
	};
	atomic { /* it is read anew, with the revision in one statement */
		have = w[store].key; at = shown
	};
	atomic { kept = have; keptAt = at; over(); goto asks };

question: /* decision.current */
	atomic {
		proves();
		if
		:: proof == NONE -> over(); goto asks /* 503, and on the short way the ordinary one */
		:: else
		fi
	};
	atomic { got[a] = held; gotQuiet[a] = quiet; gotCurrent[a] = current };
	atomic {
		if
		:: got[a] != NONE && got[a] == proof && ago[a] -> answered(ago[a]); over(); goto asks
		:: got[a] != NONE && got[a] == proof && !ago[a] ->
			current = current || asked[a] && stillHeld; /* held.seen */
			goto answers
		:: got[a] != NONE && got[a] != proof && bounded && wasCurrent -> answered(within); over(); goto asks
		:: else -> /* decision.bring */
			got[a] = NONE; gotQuiet[a] = 0; gotCurrent[a] = false;
			waits = waits | bit(a)
		fi
	};
	atomic {
		got[a] != NONE ->
		if
		:: got[a] == FAILED -> over(); goto asks
		:: else
		fi
	};
answers:
	atomic {
		answered(since[a]);
		if
		:: !hurried || !same(at, got[a]) && !(gotQuiet[a] & bit(at)) -> over(); goto asks
		:: else -> admitted(since[a]) /* apikey.Live */
		fi
	};
	atomic { /* revision.Memo.Advance */
#ifdef BROKEN_ADVANCE
		if
		:: kept != NONE -> keptAt = got[a]
#else
		if
		:: keptAt == at -> keptAt = got[a]
#endif
		:: else
		fi;
		over(); goto asks
	}
}
