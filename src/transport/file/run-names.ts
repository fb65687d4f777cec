const ADJECTIVES =
  'able agile amber ample azure bold brave brisk calm clear clever cosmic crisp daring dapper eager fair fine fleet fond gentle glad golden grand happy hardy humble jolly keen kind lively loyal lucid lucky mellow merry mighty modest neat nimble noble patient placid plucky polite proud quick quiet rare ready robust royal rustic serene sharp shy silent sleek smart snug solid spry steady stoic sunny swift tidy upbeat valiant vivid warm wise witty zesty'.split(
    ' ',
  )
const NOUNS =
  'ant auk bat bear bee bird boar buck bull calf carp cat chimp cod colt crab crane crow cub deer doe dog dove duck eel elk ewe fawn finch fish flea fly foal fox frog gnat goat goose grouse gull hare hawk hen horse hound ibex jay kid kite koi lamb lark loon lynx mink mole moose moth mouse mule newt owl ox perch pike pug quail ram rat rook seal shad shark sheep shrew shrike skunk sloth snail snake sow squid stag stoat stork swan toad trout vole wasp whale wolf wren yak'.split(
    ' ',
  )

const pick = (words: readonly string[]): string => words[Math.floor(Math.random() * words.length)] ?? 'run'

/** A name for a run that was given none: `{adjective}-{noun}-{0..1000}`, at most 20 characters. */
export const runName = (): string => `${pick(ADJECTIVES)}-${pick(NOUNS)}-${Math.floor(Math.random() * 1001)}`
