// Short stories that together pass every place between two writes: each is played again, up to the place of a death.
import type { Customers, Line } from './customers.ts'
import { type Installation, SANDBOX } from './installation.ts'
import { pause } from './rounds.ts'
import type { Platform } from './witness.ts'

/** How long a call of an act may take to come to a phase. */
const PHASE_LIMIT_MS = 60_000
const LOOK_AGAIN_MS = 20
/** Within which a server that was killed is seen to be dead. */
const DEATH_LIMIT_MS = 30_000

export interface Stage {
  installation: Installation
  customers: Customers
  platform: Platform
}

export interface Act {
  name: string
  /** Takes most of a minute: not for every run of the suite. */
  long?: boolean
  /** Ends when the story does, or earlier: whoever plays it may be dead by then. */
  play: (stage: Stage) => Promise<void>
}

/** Quick ones first: a place belongs to the first act that passes it. */
export const ACTS: readonly Act[] = [
  {
    name: 'a key is minted and revoked',
    play: ({ customers, platform }) => customers.key(platform, true),
  },
  {
    name: 'a connection and a number come and go',
    play: ({ customers, platform }) => customers.line(platform),
  },
  {
    name: 'an endpoint comes and goes',
    play: ({ customers, platform, installation }) =>
      customers.hook(platform, installation.receiver.hookUrl),
  },
  {
    name: 'an endpoint refuses what it is sent',
    play: ({ customers, platform, installation }) =>
      customers.hook(platform, installation.receiver.refusingUrl),
  },
  {
    name: 'the feed is read',
    play: async ({ customers, platform }) => {
      await customers.feed(platform, 0)
    },
  },
  {
    name: 'consent comes and goes',
    play: async ({ customers, platform, installation }) => {
      const line = installation.line('test')
      const peer = peerOf(customers)
      const given = await customers.consent(platform, line, peer)
      if (given) await customers.revoke(platform, line, peer, given)
      await customers.optOut(platform, line, peerOf(customers))
    },
  },
  {
    name: 'a peer who opted out agrees again',
    play: async ({ customers, platform, installation }) => {
      const line = installation.line('test')
      const peer = peerOf(customers)
      const fact = await customers.optOut(platform, line, peer)
      if (fact) await customers.returns(platform, line, peer, fact)
    },
  },
  {
    name: 'a peer agrees again who never opted out',
    play: ({ customers, platform, installation }) =>
      customers.returns(platform, installation.line('test'), peerOf(customers), null),
  },
  {
    name: 'a call is refused, and its key is free again',
    play: ({ customers, platform, installation }) =>
      customers.isRefused(platform, installation.line('test'), STRANGER),
  },
  {
    name: 'a call is declined',
    play: async (stage) => {
      const call = await Call.place(stage, SANDBOX.declines, true)
      await call.until('ended')
    },
  },
  {
    name: 'a call is cancelled while it rings',
    play: async (stage) => {
      const call = await Call.place(stage, SANDBOX.unanswered, false)
      await call.end()
    },
  },
  {
    name: 'a call hangs up',
    play: async (stage) => {
      const call = await Call.place(stage, SANDBOX.hangsUp, false)
      await call.until('ended')
    },
  },
  {
    name: 'a call is placed under a key, talks, and is ended',
    play: async (stage) => {
      const call = await Call.place(stage, SANDBOX.mute, true)
      await call.until('connected')
      await call.speaks()
      await call.press()
      await call.end()
    },
  },
  {
    name: 'a call over the trunk is ended',
    play: async (stage) => {
      const call = await Call.place(stage, LIVE_PHONE, true, 'live')
      await call.until('connected')
      await call.end()
    },
  },
  {
    name: 'a phone calls in',
    play: async (stage) => {
      const { installation, customers, platform } = stage
      const line = installation.line('test')
      const id = await begun(stage, () => customers.callIn(platform, line, peerOf(customers)))
      const call = new Call(stage, line, id)
      await call.until('connected')
      await call.end()
    },
  },
  {
    name: 'a call is joined with another phone',
    play: async (stage) => {
      const call = await Call.place(stage, SANDBOX.noTransfer, false)
      await call.until('connected')
      await call.transfer(SANDBOX.mute)
      await call.tells('transfer', 'completed')
      await call.end()
    },
  },
  {
    name: 'a call can not be joined with a phone that declines',
    play: async (stage) => {
      const call = await Call.place(stage, SANDBOX.noTransfer, false)
      await call.until('connected')
      await call.transfer(SANDBOX.declines)
      await call.end()
    },
  },
  {
    name: 'a call is transferred by its carrier',
    play: async (stage) => {
      const call = await Call.place(stage, SANDBOX.mute, false)
      await call.until('connected')
      await call.transfer(SANDBOX.hangsUp)
      await call.until('ended')
    },
  },
  {
    name: 'a peer says that nobody shall call again',
    play: async (stage) => {
      const { customers, platform, installation } = stage
      await customers.returns(platform, installation.line('test'), SANDBOX.optsOut, null)
      const call = await Call.place(stage, SANDBOX.optsOut, false)
      await call.until('ended')
    },
  },
  {
    name: 'a call lives for longer than the time between two beats',
    play: async (stage) => {
      const call = await Call.place(stage, SANDBOX.mute, false)
      await call.lives(BEATS_MS)
      await call.end()
    },
  },
  {
    name: 'a call talks for longer than its first slice',
    long: true,
    play: async (stage) => {
      const call = await Call.place(stage, SANDBOX.mute, false)
      await call.until('connected')
      await call.lives(SLICE_MS)
      await call.end()
    },
  },
]

/** What is left behind for the next process, before one that dies while it starts. */
export const LEFT_BEHIND: Act = {
  name: 'calls ring, talk, and are joined with others',
  play: async (stage) => {
    const calls = await Promise.all([
      Call.place(stage, SANDBOX.unanswered, true),
      Call.place(stage, SANDBOX.mute, true),
      Call.place(stage, SANDBOX.noTransfer, false),
    ])
    const [, talking, joined] = calls
    await Promise.all([talking!.until('connected'), joined!.until('connected')])
    await talking!.speaks()
    await joined!.transfer(SANDBOX.mute)
    await joined!.tells('transfer', 'completed')
  },
}

const BEATS_MS = 2_500
/** A minute is held at first, and more is asked for 15 s before its end. */
const SLICE_MS = 46_500
const LIVE_PHONE = '+15550001110'
/** Nobody has consented for this one. */
const STRANGER = '+15555550177'

/** A number that nobody had before. */
function peerOf(customers: Customers): string {
  return `+1555${String(7_000_000 + customers.count())}`
}

/**
 * The call that was begun, or null because the server died of it.
 * @throws when the server lives: it had no reason to refuse one, and a story that is not told has no places
 */
async function begun(
  { installation: { life }, customers }: Stage,
  begin: () => Promise<string | null>,
): Promise<string | null> {
  const id = await begin()
  if (id !== null) return id
  const died = life.ended.then(() => true)
  if (await Promise.race([died, pause(DEATH_LIMIT_MS)])) return null
  throw new Error(`no call begins: ${customers.refused}`)
}

/** One call of an act. */
class Call {
  readonly #stage: Stage
  readonly line: Line
  readonly #id: string | null

  constructor(stage: Stage, line: Line, id: string | null) {
    this.#stage = stage
    this.line = line
    this.#id = id
  }

  static async place(
    stage: Stage,
    to: string,
    withKey: boolean,
    environment: 'test' | 'live' = 'test',
  ): Promise<Call> {
    const { customers, platform, installation } = stage
    const line = installation.line(environment)
    const id = await begun(stage, () => customers.place(platform, line, to, withKey))
    return new Call(stage, line, id)
  }

  get id(): string {
    if (this.#id === null) throw new Error('no call was begun')
    return this.#id
  }

  /** Until it is in this phase, or can't come to it any more. */
  async until(phase: 'connected' | 'ended'): Promise<void> {
    await this.#while(async () => {
      const now = await this.#phase()
      return now !== null && now !== phase && now !== 'ended'
    })
  }

  /** Until the agent has said something. */
  async speaks(): Promise<void> {
    if (!this.#alive) return
    await this.#stage.customers.speak(this.#stage.platform, this.line, this.id)
    await this.tells('speak')
  }

  async press(): Promise<void> {
    if (this.#alive) await this.#stage.customers.press(this.#stage.platform, this.line, this.id)
  }

  /** Until its timeline has such an event. */
  async tells(type: string, state?: string): Promise<void> {
    await this.#while(async () => {
      const path = `/calls/${this.id}/events?limit=1000`
      const answer = await this.#stage.platform.test.get(path).catch(() => null)
      const events = (answer?.body ?? []) as { type: string; data: { state?: string } }[]
      return !events.some((event) => event.type === type && event.data.state === state)
    })
  }

  async lives(ms: number): Promise<void> {
    const { life } = this.#stage.installation
    await Promise.race([pause(ms), life.ended])
  }

  async transfer(to: string): Promise<void> {
    if (!this.#alive) return
    const { customers, platform } = this.#stage
    await customers.transfer(platform, this.line, this.id, to)
  }

  async end(): Promise<void> {
    if (this.#alive) await this.#stage.customers.end(this.#stage.platform, this.line, this.id)
  }

  get #alive(): boolean {
    return this.#id !== null && !this.#stage.installation.life.over
  }

  #phase(): Promise<string | null> {
    return this.#stage.customers.look(this.#stage.platform, this.line, this.id)
  }

  async #while(so: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + PHASE_LIMIT_MS
    while (this.#alive && (await so())) {
      if (performance.now() > deadline) throw new Error(`${this.id} did not come to it in time`)
      await pause(LOOK_AGAIN_MS)
    }
  }
}
