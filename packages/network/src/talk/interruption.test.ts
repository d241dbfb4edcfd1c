// The peer's voice over ours: paused on suspicion, cut on a word or half a second, gone on with otherwise.
import { describe, expect, it } from 'vitest'
import { Leg } from './testing.ts'

const LONG = 'One two three four five six seven eight nine ten eleven twelve.'

async function speaking(text = LONG, more: Parameters<Leg['speak']>[1] = {}): Promise<Leg> {
  const leg = new Leg()
  leg.speak(text, more)
  await leg.quiet(740)
  expect(leg.sentMs).toBe(720)
  return leg
}

describe('a voice over our speech', () => {
  it('pauses it within 180 ms', async () => {
    const leg = await speaking()
    await leg.voice(160)
    expect(leg.sent.at(-1)).toBe(true)
    await leg.voice(20)
    expect(leg.sent.at(-1)).toBe(false)
    expect(leg.of('spoke')).toEqual([])
  })

  it('cuts it on a recognised word, heard to the word, and the turn follows', async () => {
    const leg = await speaking()
    await leg.voice(200)
    leg.ears.next.push('wait a moment')
    leg.ears.partial('wait')
    expect(leg.of('spoke')).toMatchObject([
      { outcome: 'interrupted', text: LONG, heard: 'One two three four', basis: 'exact' },
    ])
    await leg.voice(300)
    await leg.quiet(1_000)
    expect(leg.types()).toEqual(['speaking', 'spoke', 'turn'])
    expect(leg.of('turn')).toMatchObject([{ text: 'wait a moment' }])
  })

  it('cuts it after half a second without a word', async () => {
    const leg = await speaking()
    await leg.voice(480)
    expect(leg.of('spoke')).toEqual([])
    await leg.voice(20)
    expect(leg.of('spoke')).toMatchObject([{ outcome: 'interrupted' }])
    await leg.quiet(1_000)
    expect(leg.of('turn')).toMatchObject([{ noMatch: true }])
  })

  it('cuts it by the text that a recogniser without partials gives at the end', async () => {
    const leg = await speaking()
    leg.ears.next.push('stop')
    await leg.voice(240)
    await leg.quiet(1_000)
    expect(leg.types()).toEqual(['speaking', 'spoke', 'turn'])
    expect(leg.of('spoke')).toMatchObject([{ outcome: 'interrupted', heard: 'One two three four' }])
  })

  it('that was nothing lets it go on, with the word that was cut', async () => {
    const leg = await speaking()
    await leg.voice(240)
    await leg.quiet(5_000)
    expect(leg.types()).toEqual(['speaking', 'spoke'])
    expect(leg.of('spoke')).toMatchObject([{ outcome: 'played', heard: LONG, heardMs: 2_400 }])
    // Paused at 880 ms of audio, in the fifth word: 80 ms were said again.
    expect(leg.sentMs).toBe(2_480)
    expect(pauses(leg)).toHaveLength(1)
    expect(pauses(leg)[0]).toBeLessThanOrEqual(1_000)
  })

  it('with a hesitation only lets it go on', async () => {
    const leg = await speaking()
    leg.ears.next.push('mhm')
    await leg.voice(240)
    leg.ears.partial('mhm')
    await leg.quiet(5_000)
    expect(leg.types()).toEqual(['speaking', 'spoke'])
  })

  it('that is short but says a word still cuts it', async () => {
    const leg = await speaking()
    leg.ears.next.push('no')
    await leg.voice(140)
    await leg.quiet(1_000)
    expect(leg.types()).toEqual(['speaking', 'spoke', 'turn'])
  })

  it('drops what is still written to that utterance, and keeps the others', async () => {
    const leg = await speaking(`${LONG} And`, { more: true, utteranceId: 'a' })
    leg.ears.next.push('wait')
    await leg.voice(500)
    leg.speak(' More of it.', { more: true, utteranceId: 'a' })
    leg.speak(' And the end.', { utteranceId: 'a' })
    leg.speak('Another.', { utteranceId: 'b' })
    await leg.quiet(2_000)
    leg.speak('A new one.', { utteranceId: 'a' })
    await leg.quiet(1_000)
    expect(leg.of('spoke').map(({ utteranceId, outcome }) => [utteranceId, outcome])).toEqual([
      ['a', 'interrupted'],
      ['b', 'played'],
      ['a', 'played'],
    ])
  })

  it('holds back what waits, so that it can be withdrawn', async () => {
    const leg = await speaking()
    leg.speak('Something else.')
    leg.ears.next.push('stop')
    await leg.voice(240)
    while (leg.of('turn').length === 0) await leg.quiet(20)
    const sentMs = leg.sentMs
    await leg.quiet(400)
    expect(leg.sentMs).toBe(sentMs)
    leg.talk.command({ type: 'stop' })
    await leg.quiet(400)
    expect(leg.types()).toEqual(['speaking', 'spoke', 'turn', 'spoke'])
  })

  it('ends nothing twice when told to stop while paused', async () => {
    const leg = await speaking()
    await leg.voice(200)
    leg.talk.command({ type: 'stop' })
    leg.ears.next.push('thanks')
    await leg.voice(400)
    await leg.quiet(1_000)
    expect(leg.types()).toEqual(['speaking', 'spoke', 'turn'])
    expect(leg.of('spoke')).toMatchObject([{ outcome: 'stopped' }])
  })
})

describe('speech that can not be interrupted', () => {
  it('is played whole, and what the peer says meanwhile is a turn', async () => {
    for (const more of [{ protected: true }, { interruptible: false }]) {
      const leg = await speaking(LONG, more)
      leg.ears.next.push('hello')
      await leg.voice(700)
      await leg.quiet(2_000)
      expect(leg.types()).toEqual(['speaking', 'turn', 'spoke'])
      expect(leg.of('spoke')).toMatchObject([{ outcome: 'played', heardMs: 2_400 }])
      expect(pauses(leg)).toEqual([])
    }
  })

  it('is all of it where the connection says so', async () => {
    const leg = new Leg({ interruptible: false })
    leg.speak(LONG)
    await leg.quiet(500)
    leg.talk.digit('5', leg.clock.now())
    await leg.voice(700)
    await leg.quiet(2_000)
    expect(leg.of('spoke')).toMatchObject([{ outcome: 'played' }])
  })

  it('survives stop when it is protected, and begins over a voice', async () => {
    const leg = new Leg()
    await leg.voice(200)
    leg.speak(LONG, { protected: true })
    await leg.voice(200)
    expect(leg.sent.at(-1)).toBe(true)
    leg.talk.command({ type: 'stop' })
    leg.ears.next.push('hello')
    await leg.quiet(3_000)
    expect(leg.types()).toEqual(['speaking', 'turn', 'spoke'])
  })

  it('is not answered for a cough', async () => {
    const leg = await speaking(LONG, { protected: true })
    await leg.voice(200)
    await leg.quiet(3_000)
    expect(leg.types()).toEqual(['speaking', 'spoke'])
  })
})

describe('a key', () => {
  it('cuts what may be cut, and holds back what waits', async () => {
    const leg = await speaking()
    leg.speak('And the next thing.')
    leg.talk.digit('9', leg.clock.now())
    expect(leg.types()).toEqual(['speaking', 'digits', 'spoke'])
    expect(leg.of('spoke')).toMatchObject([{ outcome: 'interrupted', heard: 'One two three' }])
    await leg.quiet(480)
    expect(leg.sent.at(-1)).toBe(false)
    leg.talk.command({ type: 'stop' })
    await leg.quiet(500)
    expect(leg.of('spoke')).toHaveLength(2)
  })

  it('does not cut the disclosure', async () => {
    const leg = await speaking(LONG, { protected: true })
    leg.talk.digit('9', leg.clock.now())
    await leg.quiet(2_000)
    expect(leg.types()).toEqual(['speaking', 'digits', 'spoke'])
    expect(leg.of('spoke')).toMatchObject([{ outcome: 'played' }])
  })
})

it('commands posted from an event find a settled leg', async () => {
  const leg = new Leg({
    onEvent: (event, own) => {
      if (event.type === 'turn') own.speak(`You said ${event.text}.`)
      if (event.type === 'spoke') own.listen({}, 500)
    },
  })
  await leg.says('good morning')
  await leg.quiet(2_000)
  expect(leg.types()).toEqual(['turn', 'speaking', 'spoke', 'silence'])
})

/** Lengths of the gaps within what was sent. */
function pauses(leg: Leg): number[] {
  const from = leg.sent.indexOf(true)
  const to = leg.sent.lastIndexOf(true)
  const gaps = leg.sent
    .slice(from, to)
    .map((sent) => (sent ? 's' : '-'))
    .join('')
    .match(/-+/gu)
  return (gaps ?? []).map((gap) => gap.length * 20)
}
