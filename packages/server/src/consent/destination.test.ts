// Destinations: countries, rates, and what a test call may never reach; the words that opt out; the disclosure.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mayDial, numberIn } from './destination.ts'
import { defaultDisclosure, disclosureOf } from './disclosure.ts'
import { isOptOutText } from './opt-out.ts'

const policy = { countries: ['US', 'DE'], hasExplicitRate: (to: string) => to.startsWith('+49') }

describe('mayDial', () => {
  it('keeps to the allowed countries', () => {
    expect(mayDial(policy, 'test', '+15555550123').ok).toBe(true)
    expect(mayDial(policy, 'test', '+33123456789')).toMatchObject({
      ok: false,
      failure: { _tag: 'DestinationNotAllowed', to: '+33123456789' },
    })
    expect(mayDial({ ...policy, countries: null }, 'test', '+33123456789').ok).toBe(true)
  })

  it('asks for an explicit rate in live', () => {
    expect(mayDial(policy, 'live', '+4930901820').ok).toBe(true)
    expect(mayDial(policy, 'live', '+15555550123').ok).toBe(false)
  })

  it('never lets a test call out to a SIP address', () => {
    expect(mayDial(policy, 'test', 'sip:agent@10.0.0.1').ok).toBe(false)
    expect(mayDial(policy, 'live', 'sip:agent@example.com').ok).toBe(true)
    expect(mayDial(policy, 'live', 'sip:+33123456789@example.com').ok).toBe(false)
  })

  it('finds the number in a SIP address', () => {
    expect(numberIn('sips:+4930901820;phone-context=x@example.com')).toBe('+4930901820')
    expect(numberIn('sip:alice@example.com')).toBeNull()
  })
})

describe('isOptOutText', () => {
  it.each(['STOP', 'stop.', 'Please, stop calling me!', "Don't call me again", 'Opt-out'])(
    'hears %s',
    (text) => expect(isOptOutText(text)).toBe(true),
  )

  it.each(['', 'stop by tomorrow', 'I could not stop laughing', 'call me again'])(
    'lets %s pass',
    (text) => expect(isOptOutText(text)).toBe(false),
  )

  it('takes any text', () => {
    const takes = fc.property(fc.string({ maxLength: 3000 }), (text) => {
      expect(typeof isOptOutText(text)).toBe('boolean')
    })
    fc.assert(takes)
  })
})

describe('disclosure', () => {
  const facts = { direction: 'outbound', workspaceName: 'Acme', recorded: true } as const

  it('says who, what, whether it is recorded, and how to stop', () => {
    for (const direction of ['inbound', 'outbound'] as const) {
      const text = defaultDisclosure({ ...facts, direction })
      for (const part of ['Acme', 'automated AI assistant', 'recorded', 'press 9'])
        expect(text).toContain(part)
      expect(defaultDisclosure({ ...facts, direction, recorded: false })).not.toContain('recorded')
    }
  })

  it('is the connection’s own where it has one, and none where compliance is off', () => {
    expect(disclosureOf({ complianceEnabled: true, disclosure: 'Hi.' }, facts)).toBe('Hi.')
    expect(disclosureOf({ complianceEnabled: false, disclosure: 'Hi.' }, facts)).toBeNull()
  })
})
