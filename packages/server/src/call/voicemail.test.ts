// What waits for a beep, and what is said after it: the table of each policy, and the order of what was held back.
import { machinePolicies, type MachinePolicy } from '@saperly/contract'
import { SimClock } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BEEP_LIMIT_MS, VERDICT_LIMIT_MS, Voicemail } from './voicemail.ts'
import { VOICEMAIL, type VoicemailEvent } from './voicemail-table.ts'

type Verdict = 'human' | 'machine' | 'beep'

/** A call that writes down what it says and does. */
class Call {
  readonly clock = new SimClock()
  readonly done: string[] = []
  readonly voicemail: Voicemail

  constructor(policy: MachinePolicy, watched = true) {
    this.voicemail = new Voicemail(policy, watched, {
      after: (delayMs, step) => void this.clock.schedule(delayMs, () => void step()),
      hold: () => void this.done.push('(hold)'),
      disclose: () => void this.done.push('(disclosure)'),
      goOn: (held, repeated) => {
        this.done.push(repeated ? '(again)' : '(on)')
        for (const say of held) say()
      },
      hangUp: () => void this.done.push('(hang up)'),
    })
  }

  says(text: string, { answering = 'opening', ends = false } = {}): this {
    const opening = answering === 'opening'
    this.voicemail.put({ answering, opening, say: () => void this.done.push(text) }, ends)
    return this
  }

  hears(...verdicts: Verdict[]): this {
    for (const verdict of verdicts) this.voicemail.judge(verdict, this.clock.now())
    return this
  }
}

describe('wait_for_beep', () => {
  it('says nothing until a person is known, and then what waited', () => {
    const call = new Call('wait_for_beep').says('Hello.')
    expect(call.done).toEqual([])
    expect(call.hears('human').says('More.').done).toEqual(['(on)', 'Hello.', 'More.'])
  })

  it('says all of it after the beep, behind the disclosure', () => {
    const call = new Call('wait_for_beep').says('Hello.').hears('machine')
    call.says('Bye.').says('hang-up', { ends: true }).says('Note.', { answering: 'api' })
    expect(call.done).toEqual([])
    const said = ['(disclosure)', '(again)', 'Hello.', 'Bye.', 'hang-up', 'Note.']
    expect(call.hears('beep').done).toEqual(said)
    expect(call.hears('human', 'machine', 'beep').says('After.').done).toEqual([...said, 'After.'])
  })

  it('begins anew where a person turns out to be a machine', () => {
    const call = new Call('wait_for_beep').says('Hello.').hears('human').says('Half.')
    call.hears('machine').says('Late.', { answering: 'turn' })
    expect(call.done).toEqual(['(on)', 'Hello.', 'Half.', '(hold)'])
    call.done.length = 0
    expect(call.hears('beep').done).toEqual(['(disclosure)', '(again)', 'Hello.', 'Half.', 'Late.'])
  })

  it('begins anew at a beep that nobody expected', () => {
    const call = new Call('wait_for_beep').says('Hello.').hears('human', 'beep')
    expect(call.done.slice(2)).toEqual(['(hold)', '(disclosure)', '(again)', 'Hello.'])
  })

  it('hangs up at once for a brain that wants no voicemail', () => {
    const call = new Call('wait_for_beep').says('Hello.').hears('machine')
    expect(call.says('hang-up', { answering: 'unasked', ends: true }).done).toEqual(['hang-up'])
  })

  it('waits for a verdict and for a beep no longer than it may', async () => {
    const undecided = new Call('wait_for_beep').says('Hello.')
    await undecided.clock.advance(VERDICT_LIMIT_MS)
    expect(undecided.done).toEqual(['(on)', 'Hello.'])
    const unbeeped = new Call('wait_for_beep').says('Hello.').hears('machine')
    await unbeeped.clock.advance(BEEP_LIMIT_MS)
    expect(unbeeped.done).toEqual(['(disclosure)', '(again)', 'Hello.'])
  })

  it('takes what began before the beep for the greeting', () => {
    const call = new Call('wait_for_beep').hears('machine')
    const at = call.clock.now()
    expect(call.voicemail.isGreeting(at - 1)).toBe(false)
    call.hears('beep')
    expect(call.voicemail.isGreeting(at - 1)).toBe(true)
    expect(call.voicemail.isGreeting(at)).toBe(false)
  })
})

describe('the other policies', () => {
  it('ignore: speech never waits, and a recording has its disclosure', () => {
    const call = new Call('ignore')
      .says('Hello.')
      .hears('machine')
      .says('More.')
      .hears('beep', 'beep')
    expect(call.done).toEqual(['Hello.', 'More.', '(disclosure)'])
  })

  it('hangup: once, at a machine or at its beep', () => {
    expect(new Call('hangup').says('Hello.').hears('machine', 'beep').done).toEqual([
      'Hello.',
      '(hang up)',
    ])
    expect(new Call('hangup').hears('human', 'beep').done).toEqual(['(hang up)'])
    expect(new Call('hangup').hears('human').done).toEqual([])
  })

  it('never hold speech back where nobody listens for a machine', () => {
    for (const policy of machinePolicies) {
      expect(new Call(policy, false).says('Hello.').done).toEqual(['Hello.'])
    }
  })
})

it('loses nothing, and holds nothing for ever, whatever is heard', async () => {
  const events = fc.array(fc.constantFrom<Verdict | 'say'>('human', 'machine', 'beep', 'say'), {
    maxLength: 30,
  })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...machinePolicies), events, async (policy, list) => {
      const call = new Call(policy)
      let said = 0
      for (const event of list) {
        if (event === 'say') call.says(`${said++}`, { answering: 'turn' })
        else call.hears(event)
      }
      await call.clock.advance(VERDICT_LIMIT_MS + 2 * BEEP_LIMIT_MS)
      expect(call.voicemail.holds).toBe(false)
      const words = call.done.filter((text) => /^\d/.test(text))
      expect(words).toEqual(Array.from({ length: said }, (_, i) => `${i}`))
    }),
    { numRuns: 200 },
  )
})

it('has a cell for every policy, state and event', () => {
  const events: VoicemailEvent[] = ['human', 'machine', 'beep', 'unheard', 'unbeeped']
  for (const policy of machinePolicies) {
    for (const cells of Object.values(VOICEMAIL[policy])) {
      expect(Object.keys(cells).toSorted()).toEqual(events.toSorted())
    }
  }
})
