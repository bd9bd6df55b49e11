/** The operations of a condition's program: the original's enum numbers (agglo-behaviour 1.2), and a few of our own. */
export const Op = {
  negation: 3,
  inversion: 4,
  logicalNot: 5,
  addition: 6,
  subtract: 7,
  multiply: 8,
  divide: 9,
  power: 10,
  modulus: 11,
  rightShift: 12,
  leftShift: 13,
  or: 14,
  and: 15,
  xor: 16,
  logicalAnd: 17,
  logicalOr: 18,
  greaterThan: 19,
  lessThan: 20,
  greaterThanOrEqual: 21,
  lessThanOrEqual: 22,
  equal: 23,
  notEqual: 24,
  regexMatch: 25,
  regexNotMatch: 26,
  /** ends the program with false unless path[operand] is a scalar */
  require: 100,
  /** pushes path[operand] */
  load: 101,
  /** pushes constant[operand] */
  constant: 102,
  /** pushes whether path[operand] is there, whatever it holds */
  exists: 103,
  notExists: 104,
  /** CEL: pushes walks[operand]; fails when it is missing. "Fails": && and || can absorb it, see Condition.landings. */
  walk: 105,
  /** CEL: pushes whether walks[operand] is there; fails when the way to it is not */
  walkHas: 106,
  /** matches the top of the stack against pattern[operand] */
  patternMatch: 107,
  patternNotMatch: 108,
  // What follows is of the CEL form.
  /** replaces the top by its size */
  size: 109,
  /** the top is true or false, or fails */
  truth: 110,
  /** goes on at operand when the top, which stays, decides the logical operator */
  andLeft: 112,
  orLeft: 113,
  /** joins both sides of a logical operator; each may have failed */
  andBoth: 114,
  orBoth: 115,
  /** takes the top away and goes on at operand when it was false */
  jumpUnless: 116,
  jump: 117,
  /** takes `operand` values off and pushes the list of them */
  list: 118,
  celEqual: 130,
  celNotEqual: 131,
  /** operand: one of the four comparators */
  celOrder: 132,
  /** operand: one of the arithmetic operators; doubles, and strings and lists to be joined */
  celArithmetic: 133,
  intArithmetic: 134,
  uintArithmetic: 135,
  member: 136,
  hasMember: 137,
  isIn: 138,
  startsWith: 139,
  endsWith: 140,
  contains: 141,
} as const;

export const UNARY = [Op.negation, Op.inversion, Op.logicalNot] as const;
export const ARITHMETIC = [
  Op.addition,
  Op.subtract,
  Op.multiply,
  Op.divide,
  Op.power,
  Op.modulus,
  Op.rightShift,
  Op.leftShift,
  Op.or,
  Op.and,
  Op.xor,
] as const;
export const LOGICAL = [Op.logicalAnd, Op.logicalOr] as const;
export const COMPARATORS = [
  Op.greaterThan,
  Op.lessThan,
  Op.greaterThanOrEqual,
  Op.lessThanOrEqual,
  Op.equal,
  Op.notEqual,
  Op.regexMatch,
  Op.regexNotMatch,
] as const;

/** Names as users write them. */
export const EXISTS_OPERATORS = { Exists: 1, NotExists: 2 } as const;
export const UNARY_OPERATORS = { Negation: 3, Inversion: 4, LogicalNot: 5 } as const;
export const BINARY_OPERATORS = {
  Addition: 6,
  Subtract: 7,
  Multiply: 8,
  Divide: 9,
  Power: 10,
  Modulus: 11,
  RightShift: 12,
  LeftShift: 13,
  Or: 14,
  And: 15,
  Xor: 16,
} as const;
export const LOGICAL_OPERATORS = { LogicalAnd: 17, LogicalOr: 18 } as const;
export const COMPARATOR_OPERATORS = {
  GreaterThan: 19,
  LessThan: 20,
  GreaterThanOrEqual: 21,
  LessThanOrEqual: 22,
  Equal: 23,
  NotEqual: 24,
  RegexMatch: 25,
  RegexNotMatch: 26,
} as const;
