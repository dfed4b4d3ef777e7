/*
 * How processes agree on what is true: the protocol by which package decision proves that
 * what it holds in memory is current. README.md says what is modelled, what is left out,
 * and which piece of code each part stands for. scripts/model checks it.
 *
 * A stamp names a write: no two writes share one, also across a store that was set back.
 * So a stamp says all that was written up to it, and the store is its last stamp alone.
 */

#ifndef WRITES
#define WRITES 4 /* in all, at most 7; write s changes row s % 2 to s */
#endif
#ifndef SETBACKS
#define SETBACKS 1
#endif
#ifndef REPLICAS
#define REPLICAS 2
#endif
#ifndef ASKERS
#define ASKERS 2 /* in all */
#endif
#define home(a) ((a) % REPLICAS)
#define PROVERS 4                  /* the process that is the Prover of replica 0 */
#define FLYERS (PROVERS + REPLICAS)
#define FIRST (FLYERS + REPLICAS)  /* the process that is asker 0 */
#define NONE 255                   /* no stamp, for there is none */
#define FAILED 254                 /* a proof that did not come in time */

/* The writes, by stamp; 0 is what the store began with. */
typedef write_ {
	byte before; /* the stamp before */
	byte number; /* the revision it raised to */
	byte x, y    /* what the two rows are after it */
};
write_ w[WRITES + 1];
byte last;  /* the stamp given last */
byte store; /* the stamp the store stands at */
byte setBacks;

/* For each question, the stamps at which the store has stood since it came in, one bit each;
   0 while nothing is asked. Besides the claim only who was killed looks at it. */
byte since[ASKERS];

/* What a replica has in memory, and its Prover. */
typedef replica {
	bool holds;
	byte stamp, number, x, y; /* what is held, and the name it is held by */
	byte next, runs;          /* who waits for the next proof, and for the one that runs */
	byte seen = NONE;         /* where the one that runs has seen the store */
	byte waits, flies;        /* who waits for the next flight, and for the one that flies */
	bool turn;                /* one does */
	byte fstamp, fnumber, fx, fy /* what its view has shown */
};
replica r[REPLICAS];

byte told[ASKERS] = NONE; /* what the Prover tells an asker */

inline stands(s_) {
	store = s_;
	i = 0;
	do
	:: i < ASKERS ->
		if
		:: since[i] != 0 -> since[i] = since[i] | (1 << s_)
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* Two writers: a write is one transaction, in the order of commits. */
active [2] proctype Writer() {
	byte s, i;
end:	do
	:: atomic {
		last < WRITES ->
		last++;
		s = last;
		w[s].before = store;
		w[s].number = w[store].number + 1;
		w[s].x = (s % 2 == 0 -> s : w[store].x);
		w[s].y = (s % 2 == 1 -> s : w[store].y);
		stands(s);
		s = 0
	  }
	od
}

/* The store is set back to what it was some writes ago: a backup is restored, or a standby
   takes over that had not got them. What comes then has other stamps, and the same numbers. */
active proctype SetBack() {
	byte s, i;
end:	do
	:: atomic {
		setBacks < SETBACKS && w[store].number > 0 ->
		setBacks++;
		s = w[store].before;
		do
		:: w[s].number > 0 -> s = w[s].before
		:: break
		od;
		stands(s);
		s = 0
	  }
	od
}

/* A process is killed and started again, at any time and again and again: it remembers
   nothing, and who asked it gets nothing. */
active proctype Kill() {
	byte k, i;
end:	do
	:: atomic {
		k = 0;
		do
		:: k < REPLICAS - 1 -> k++
		:: break
		od;
		r[k].holds = false;
		r[k].stamp = 0; r[k].number = 0; r[k].x = 0; r[k].y = 0;
		r[k].next = 0; r[k].runs = 0; r[k].seen = NONE;
		r[k].waits = 0; r[k].flies = 0; r[k].turn = false;
		r[k].fstamp = 0; r[k].fnumber = 0; r[k].fx = 0; r[k].fy = 0;
		i = 0;
		do
		:: i < ASKERS ->
			if
			:: home(i) == k -> since[i] = 0; told[i] = NONE
			:: else
			fi;
			i++
		:: else -> break
		od;
		k = 0; i = 0
	  }
	od
}

/* revision.Prover: at most one read runs, and who comes meanwhile shares the next. */
active [REPLICAS] proctype Prover() {
	byte k = _pid - PROVERS, i;
end:	do
	:: atomic { /* the read is sent */
		r[k].runs == 0 && r[k].next != 0 ->
		r[k].runs = r[k].next;
		r[k].next = 0
	  }
	:: atomic { /* the store reads */
		r[k].runs != 0 && r[k].seen == NONE ->
		r[k].seen = store
	  }
	:: atomic { /* the answer is here, or a second is over */
		r[k].runs != 0 ->
		if
		:: r[k].seen == NONE -> r[k].seen = FAILED
		:: else
		fi;
		i = 0;
		do
		:: i < ASKERS ->
			if
			:: r[k].runs & (1 << i) -> told[i] = r[k].seen
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		r[k].runs = 0;
		r[k].seen = NONE
	  }
	od
}

/* An answer of replica k to asker a_, from number_, x_ and y_: it must be what the store was
   at one moment since the question came in, all of it, under the right number. */
inline answer(a_, number_, x_, y_) {
	m = 0;
	do
	:: m <= last ->
		if
		:: since[a_] & (1 << m) && w[m].number == number_ && w[m].x == x_ && w[m].y == y_ -> break
		:: else -> m++
		fi
	:: else ->
		assert(false); /* an answer that is old, or mixed */
		break
	od;
	m = 0;
	since[a_] = 0 /* last: who sees it begins anew */
}

/* decision.build: the whole Environment, in one view of the store. */
inline build() {
	x = w[store].x; y = w[store].y;
#ifdef BROKEN_VIEW
	stamp = NONE; number = NONE /* the number follows in another view */
#else
	stamp = store; number = w[store].number
#endif
}

/* Whether the change row of write s_, which is the next one found, may be applied to what
   is as stamp and number say. */
#ifdef BROKEN_CHAIN
#define leadsOn(s_) true
#else
#ifdef BROKEN_FIRST
#define leadsOn(s_) (number != r[k].number || w[s_].number == number + 1 && w[s_].before == stamp)
#else
#define leadsOn(s_) (w[s_].number == number + 1 && w[s_].before == stamp)
#endif
#endif

/* revision.Since and decision.follow: in one view, the kept changes behind the held number,
   in order, of which any may have been swept. Where they don't lead to where the store
   stands, stamp is NONE afterwards. */
inline follow() {
	number = r[k].number; stamp = r[k].stamp; x = r[k].x; y = r[k].y;
	do
	:: number < w[store].number ->
		m = store; s = NONE; /* the store's next row that is still there */
		do
		:: w[m].number > number ->
			if
			:: s = m
			:: skip /* swept */
			fi;
			m = w[m].before
		:: else -> break
		od;
		m = 0;
		if
		:: s == NONE -> break
		:: else
		fi;
		if
		:: leadsOn(s) ->
			number = w[s].number; stamp = s;
			if
			:: s % 2 == 0 -> x = s
			:: else -> y = s
			fi
		:: else -> stamp = NONE; break
		fi
	:: else -> break
	od;
	if
#ifdef BROKEN_CHAIN
	:: true -> stamp = store; number = w[store].number
#else
#ifdef BROKEN_FIRST
	:: stamp != NONE && number != r[k].number -> stamp = store; number = w[store].number
#endif
#endif
	:: stamp == store
	:: else -> stamp = NONE
	fi
}

/* decision.flights and decision.load: one at a time brings what is held up to the store, for
   all who came before its view; who comes meanwhile waits for the next. */
active [REPLICAS] proctype Flyer() {
	byte k = _pid - FLYERS, i, m, s;
	byte stamp, number, x, y;
end:	do
	:: atomic {
		!r[k].turn && r[k].waits != 0 ->
		r[k].turn = true;
		r[k].flies = r[k].waits;
		r[k].waits = 0;
		if
		:: r[k].holds -> follow()
		:: else -> stamp = NONE
		fi;
		if
		:: stamp == NONE -> build()
		:: else
		fi;
		r[k].fstamp = stamp; r[k].fnumber = number; r[k].fx = x; r[k].fy = y;
		stamp = 0; number = 0; x = 0; y = 0; s = 0
	  }
	:: atomic {
		r[k].turn ->
#ifdef BROKEN_VIEW
		if
		:: r[k].fstamp == NONE -> r[k].fstamp = store; r[k].fnumber = w[store].number
		:: else
		fi;
#endif
		r[k].holds = true;
		r[k].stamp = r[k].fstamp; r[k].number = r[k].fnumber; r[k].x = r[k].fx; r[k].y = r[k].fy;
		i = 0;
		do
		:: i < ASKERS ->
			if
			:: r[k].flies & (1 << i) -> answer(i, r[k].number, r[k].x, r[k].y)
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		r[k].turn = false; r[k].flies = 0;
		r[k].fstamp = 0; r[k].fnumber = 0; r[k].fx = 0; r[k].fy = 0
	  }
	:: atomic { r[k].turn -> /* it fails, and all who wait are told: 503 */
		i = 0;
		do
		:: i < ASKERS ->
			if
			:: r[k].flies & (1 << i) -> since[i] = 0
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		r[k].turn = false; r[k].flies = 0;
		r[k].fstamp = 0; r[k].fnumber = 0; r[k].fx = 0; r[k].fy = 0
	  }
	od
}

/* decision.current, by a question, by a write that brings memory up to itself, or by who
   follows in the background, on a notification or unasked: it makes no difference which. */
active [ASKERS] proctype Asker() {
	byte a = _pid - FIRST, k = home(_pid - FIRST);
	byte m;
asks:
	atomic {
		since[a] = 1 << store;
#ifdef BROKEN_PROOF
		if
		:: r[k].holds -> answer(a, r[k].number, r[k].x, r[k].y); goto asks
		:: else
		fi;
#endif
		/* revision.Prover.join */
#ifdef BROKEN_SHARE
		if /* shares the read that runs already */
		:: r[k].runs != 0 -> r[k].runs = r[k].runs | (1 << a)
		:: else -> r[k].next = r[k].next | (1 << a)
		fi
#else
		r[k].next = r[k].next | (1 << a)
#endif
	};
	{
		atomic {
			told[a] != NONE ->
			if
			:: told[a] == FAILED -> told[a] = NONE; since[a] = 0; goto asks /* 503 */
			:: else
			fi;
			if
#ifdef BROKEN_STAMP
			:: r[k].holds && r[k].number == w[told[a]].number ->
#else
			:: r[k].holds && r[k].stamp == told[a] ->
#endif
				told[a] = NONE;
				answer(a, r[k].number, r[k].x, r[k].y);
				goto asks
			:: else
			fi;
			told[a] = NONE;
			/* decision.bring */
#ifdef BROKEN_JOIN
			if /* takes what a flight brings that has begun already */
			:: r[k].turn -> r[k].flies = r[k].flies | (1 << a)
			:: else -> r[k].waits = r[k].waits | (1 << a)
			fi
#else
			r[k].waits = r[k].waits | (1 << a)
#endif
		};
		atomic { /* who asked goes away, and the flight goes on */
			r[k].waits = r[k].waits & (255 - (1 << a));
			r[k].flies = r[k].flies & (255 - (1 << a));
			since[a] = 0;
			goto asks
		}
	} unless {
		atomic { /* answered by a flight, or killed */
			since[a] == 0 ->
			m = 0;
			goto asks
		}
	}
}
