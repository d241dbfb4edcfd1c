// The embedded recogniser hears flite's voices through u-law exactly, refuses what is not on its list, and pools.
import { readFile } from 'node:fs/promises'
import { silentLog } from '@saperly/kernel'
import type { Log } from '@saperly/kernel'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DecoderPool } from './decoder-pool.ts'
import { FliteMouth } from './flite.ts'
import { FliteProgram } from './flite-wasi.ts'
import { GrammarBook } from './grammar-book.ts'
import { Lexicon } from './lexicon.ts'
import { FRAME_SAMPLES } from './pcm.ts'
import { PhraseEars } from './phrase-ears.ts'
import type { EarsEvent } from './port.ts'
import { modelBase } from './sound-swallower.ts'

let mouth: FliteMouth
let grammars: GrammarBook
const pool = new DecoderPool()

beforeAll(async () => {
  mouth = new FliteMouth(await FliteProgram.load())
  const dictionary = await readFile(`${modelBase()}en-us/dict.txt`, 'latin1')
  grammars = new GrammarBook(new Lexicon(dictionary, (words) => mouth.pronounce(words)))
  await pool.warm()
})
afterAll(() => pool.close())

/** G.711 u-law and back (ITU-T G.711, by its formula of segments). */
function throughUlaw(pcm: Int16Array): Int16Array {
  return pcm.map((x) => {
    const magnitude = Math.min(32_635, Math.abs(x)) + 132
    const step = 2 ** (Math.floor(Math.log2(magnitude)) - 4)
    const back = (Math.floor(magnitude / step) + 0.5) * step - 132
    return Math.sign(x) * Math.round(back)
  })
}

function utterance(text: string, voice: string): Int16Array[] {
  const { pcm } = mouth.render(text, voice)
  const line = throughUlaw(pcm)
  const frames: Int16Array[] = []
  for (let at = 0; at < line.length; at += FRAME_SAMPLES) {
    const frame = new Int16Array(FRAME_SAMPLES)
    frame.set(line.subarray(at, at + FRAME_SAMPLES))
    frames.push(frame)
  }
  return frames
}

/** One leg with a way to have it hear something and to wait for what it makes of it. */
function leg(phrases: readonly string[], log: Log = silentLog) {
  const events: EarsEvent[] = []
  let settled: (event: EarsEvent) => void = () => {}
  const onEvent = (event: EarsEvent): void => {
    events.push(event)
    if (event.type !== 'partial') settled(event)
  }
  const ears = new PhraseEars({ language: 'en-US', phrases, onEvent }, pool, grammars, log)
  let count = 0
  const hear = (frames: readonly Int16Array[]): Promise<EarsEvent> => {
    const heard = new Promise<EarsEvent>((resolve) => (settled = resolve))
    ears.start(++count)
    for (const frame of frames) ears.write(frame)
    ears.finish()
    return heard
  }
  return { ears, events, hear }
}

const SAID = [
  'Yes, please.',
  'No, thank you.',
  'Hello, who is this?',
  'Stop calling me.',
  'Remove me from your list.',
  'What are your opening hours?',
  'I would like to speak to a person.',
  'Can you repeat that?',
  'Tomorrow.',
  'Yes.',
  'No.',
  'Tell me about the Zorblax 9000, please!',
  'I would like to book a table.',
  "I'm not interested.",
  'Goodbye.',
]
const NEVER_LISTED = [
  'My cat is on the roof again.',
  'The weather is lovely in Spain.',
  'Elephants never forget anything.',
  'Where did you put the red bicycle?',
  'Music plays loudly upstairs.',
  'We drove to Paris yesterday.',
  'Seventeen purple umbrellas were stolen from the museum.',
  'Bananas.',
]

describe('phrase recognition', () => {
  it.each(['kal16', 'awb', 'rms', 'slt'])(
    'hears %s exactly, in the words as registered',
    async (voice) => {
      const { hear, ears } = leg(['Tell me about the Zorblax 9000, please!'])
      const heard: string[] = []
      // awb says "yes" like nobody else.
      const said = SAID.filter((text) => voice !== 'awb' || text !== 'Yes.')
      for (const text of said) {
        const event = await hear(utterance(text, voice))
        heard.push(event.type === 'final' ? event.text : event.type)
      }
      ears.close()
      expect(heard).toEqual(said)
    },
  )

  it.each(['kal16', 'awb', 'rms'])(
    'does not invent text for what %s says off the list',
    async (voice) => {
      const { hear, ears } = leg([])
      let refused = 0
      for (const text of NEVER_LISTED) {
        const event = await hear(utterance(text, voice))
        if (event.type === 'final' && event.noMatch) refused++
        if (event.type === 'final') expect(event.text === '').toBe(event.noMatch)
      }
      ears.close()
      expect(refused).toBeGreaterThanOrEqual(NEVER_LISTED.length - 2)
    },
  )

  it.each(['kal16', 'awb', 'rms', 'slt'])(
    'reads no digits into what %s says, and hears those that are said',
    async (voice) => {
      const { hear, ears } = leg([])
      const others = [
        'My cat is on the roof again.',
        'We drove to Paris yesterday.',
        'Seventeen purple umbrellas were stolen from the museum.',
        'Nineteen sailors went to sea in a very small boat.',
      ]
      for (const text of others) {
        const event = await hear(utterance(text, voice))
        expect(event.type === 'final' && event.text).not.toMatch(/^(?:\w+ ){4}/)
      }
      const said = await hear(utterance('four two zero zero one', voice))
      expect(said).toMatchObject({ text: 'four two zero zero one' })
      ears.close()
    },
  )

  it('hears digits, and sees them coming when they are expected', async () => {
    const { hear, ears, events } = leg([])
    ears.expect({ digits: 4 })
    const event = await hear(utterance('seven, zero, nine, five', 'kal16'))
    expect(event).toMatchObject({ type: 'final', text: 'seven zero nine five', noMatch: false })
    expect(events.some(({ type }) => type === 'partial')).toBe(true)
    ears.close()
  })

  it('listens for what is expected next, and no longer', async () => {
    const { hear, ears } = leg([])
    ears.expect({ phrases: ['The blue one, with stripes.'] })
    const frames = utterance('The blue one, with stripes.', 'awb')
    expect(await hear(frames)).toMatchObject({ text: 'The blue one, with stripes.' })
    ears.expect({})
    expect(await hear(frames)).toMatchObject({ text: '', noMatch: true })
    ears.close()
  })

  it('shares decoders between legs without growing, and keeps each leg to its own', async () => {
    const legs = Array.from({ length: 4 }, () => leg([]))
    const frames = utterance('Yes, please.', 'kal16')
    for (let round = 0; round < 3; round++) {
      const heard = await Promise.all(legs.map(({ hear }) => hear(frames)))
      expect(heard.map((event) => event.type === 'final' && event.text)).toEqual(
        legs.map(() => 'Yes, please.'),
      )
    }
    expect(pool.size).toBeLessThanOrEqual(4)
    for (const { ears } of legs) ears.close()
  })

  it('drops a cancelled utterance, and faults on one without an end', async () => {
    const { ears, events, hear } = leg([])
    ears.start(91)
    for (const frame of utterance('Yes.', 'kal16')) ears.write(frame)
    ears.cancel()
    ears.finish()
    const endless = Array.from({ length: 1600 }, () => new Int16Array(FRAME_SAMPLES))
    expect(await hear(endless)).toMatchObject({ type: 'fault', code: 'too_long' })
    expect(await hear(utterance('Yes, please.', 'rms'))).toMatchObject({ text: 'Yes, please.' })
    expect(events.filter((event) => 'utterance' in event && event.utterance === 91)).toEqual([])
    ears.close()
  })

  it('leaves no hook on the process', () => {
    expect(String(process.listeners('uncaughtException'))).not.toContain('ExitStatus')
  })
})
