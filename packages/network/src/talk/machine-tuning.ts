// Every threshold of machine detection in one table, so that they can be measured, compared and set together.

export interface MachineTuning {
  /** Voice, or tones that change, for so long is a beginning; less is a click. */
  readonly onsetMs: number
  /** What was heard in all may be a cough: less voice than this is forgotten after the silence. */
  readonly blipMs: number
  /** Greeting up to this length is a short one ("hello?"), which needs less silence behind it to be a person's. */
  readonly shortGreetingMs: number
  /** Silence after a short greeting, and after a longer one, that makes it a person's. */
  readonly shortSilenceMs: number
  readonly longSilenceMs: number
  /** A greeting without such a silence in it that reaches this length is a machine's. */
  readonly machineAfterMs: number
  /** After the verdict `human`, a speech of this length that began before `reviseUntilMs` is a machine's after all. */
  readonly reviseAfterMs: number
  readonly reviseUntilMs: number
  /** Nothing heard for so long after the answer: somebody who listens. */
  readonly silentAfterMs: number
  /** The first verdict is out by then, whatever was heard. */
  readonly decideByMs: number
  /** After a machine's greeting, so much silence without a beep: perhaps a person with a long greeting. */
  readonly unbeepedMs: number
  /** When watching ends: after the verdict `human`, and after any other. */
  readonly beepAfterHumanMs: number
  readonly watchMs: number
}

/** From the first answered second on, all in milliseconds of media. Set by `npm run bench -- machine`. */
export const MACHINE_TUNING: MachineTuning = {
  onsetMs: 60,
  blipMs: 120,
  shortGreetingMs: 1_200,
  shortSilenceMs: 800,
  longSilenceMs: 1_600,
  machineAfterMs: 4_000,
  reviseAfterMs: 4_400,
  reviseUntilMs: 7_600,
  silentAfterMs: 4_000,
  decideByMs: 10_000,
  unbeepedMs: 6_000,
  beepAfterHumanMs: 20_000,
  watchMs: 90_000,
}

export interface BeepTuning {
  readonly lowestHz: number
  readonly highestHz: number
  readonly minMs: number
  readonly maxMs: number
  /** Weaker tones are none, dBFS. */
  readonly levelMinDb: number
  /** Share of a frame's energy that one sine explains. */
  readonly purity: number
  /** How far frequency and level of one tone may wander. */
  readonly driftHz: number
  readonly driftDb: number
  /** Quiet behind it, lower than the tone by `dropDb`, that makes a tone a beep. */
  readonly quietMs: number
  readonly dropDb: number
  /** More tones than these, one right after the other, are a melody or the announcement tones of a carrier. */
  readonly maxNotes: number
}

export const BEEP_TUNING: BeepTuning = {
  lowestHz: 350,
  highestHz: 2_300,
  minMs: 80,
  maxMs: 2_500,
  levelMinDb: -40,
  purity: 0.85,
  driftHz: 25,
  driftDb: 3,
  quietMs: 160,
  dropDb: 10,
  maxNotes: 2,
}
